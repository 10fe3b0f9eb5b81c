import type { Table } from '../store/table'
import { type Cell, EVERYTHING, type GridQuery, type GridRow } from '../types'
import { type Test, compile } from './filter'
import { sortRows } from './sort'

/** While records arrive, sorting anew takes at most this share of the time. */
const SORTING_SHARE = 0.2

/** No two views are ever of the same version. */
let versions = 0

interface Group {
  readonly key: Cell
  /** Its rows are `sorted[begin, end)`. */
  readonly begin: number
  readonly end: number
  readonly expanded: boolean
  /** Where its heading stands in the view. */
  readonly at: number
}

/**
 * Rows of a table that fit a query, in its order, under headings when grouped.
 *
 * Without filters, order and groups it is the table itself. `refresh` takes in what the table has got
 * since: only new rows are tested.
 */
export class View {
  query: GridQuery = EVERYTHING
  /** Changes when rows that were there stand elsewhere; rows that are merely added at the end change nothing. */
  version = ++versions
  #test: Test | null = null
  #seen = 0
  #fitting = new Uint32Array(0)
  #fits = 0
  #sorted: Uint32Array<ArrayBuffer> | null = null
  #groups: Group[] | null = null
  #count = 0
  #nextSort = 0

  constructor(readonly table: Table) {}

  /** Take another query. Raises `RangeError` for a column that is not there; the old query stays then. */
  ask(query: GridQuery): void {
    const test = compile(this.table, query.filters, query.search)
    for (const key of query.sort) this.table.store(key.column)
    if (query.groupBy !== null) this.table.store(query.groupBy)
    const same = JSON.stringify([query.filters, query.search]) === JSON.stringify([this.query.filters, this.query.search])
    this.query = query
    if (!same) {
      this.#test = test
      this.#seen = this.#fits = 0
      this.#fitting = new Uint32Array(0)
    }
    this.#sorted = null
    this.#groups = null
    this.version = ++versions
    this.refresh(true)
  }

  /** Take in new rows. Sorted views may lag behind unless `now`; gives whether anything changed. */
  refresh(now: boolean): boolean {
    const before = this.#count
    const ordered = this.#isOrdered
    if (this.#test !== null || ordered) this.#scan()
    if (!ordered) {
      this.#count = this.matching
      return this.#count !== before
    }
    const begun = performance.now()
    const stale = this.#sorted?.length !== this.#fits
    if (!stale || (!now && begun < this.#nextSort)) return false
    this.#arrange()
    this.version = ++versions
    this.#nextSort = begun + (performance.now() - begun) / SORTING_SHARE
    return true
  }

  /** Rows of the view, headings included. */
  get count(): number {
    return this.#count
  }

  /** Neither filtered, ordered nor grouped: the table as it is. */
  get isPlain(): boolean {
    return this.#test === null && !this.#isOrdered
  }

  /** Records that fit. */
  get matching(): number {
    return this.isPlain ? this.table.length : this.#fits
  }

  rows(first: number, last: number): GridRow[] {
    const rows: GridRow[] = []
    for (let at = Math.max(first, 0); at < Math.min(last, this.#count); at++) rows.push(this.#row(at))
    return rows
  }

  /** The table's rows in the order of the view, headings left out and folded groups included. */
  *records(first = 0, last = Infinity): Generator<number> {
    if (this.#groups === null || last !== Infinity) {
      for (let at = first; at < Math.min(last, this.#count); at++) {
        const row = this.recordAt(at)
        if (row >= 0) yield row
      }
    } else yield* this.#sorted!
  }

  /** The table's row at a place of the view; -1 for a heading. */
  recordAt(at: number): number {
    if (this.#groups !== null) {
      const group = this.#groupAt(at)
      return at === group.at ? -1 : this.#sorted![group.begin + at - group.at - 1]!
    }
    if (this.#sorted !== null) return this.#sorted[at]!
    return this.#test === null ? at : this.#fitting[at]!
  }

  get bytes(): number {
    return this.#fitting.byteLength + (this.#sorted?.byteLength ?? 0)
  }

  get #isOrdered(): boolean {
    return this.query.sort.length > 0 || this.query.groupBy !== null
  }

  #row(at: number): GridRow {
    const row = this.recordAt(at)
    if (row >= 0) return { kind: 'record', index: row, cells: this.table.cells(row) }
    const { key, begin, end, expanded } = this.#groupAt(at)
    return { kind: 'group', key, count: end - begin, expanded }
  }

  #scan(): void {
    const { length } = this.table
    if (this.#fits + length - this.#seen > this.#fitting.length) {
      const room = new Uint32Array(Math.max(this.#fits + length - this.#seen, Math.floor(this.#fitting.length * 1.5)))
      room.set(this.#fitting.subarray(0, this.#fits))
      this.#fitting = room
    }
    const test = this.#test
    const fitting = this.#fitting
    let fits = this.#fits
    for (let row = this.#seen; row < length; row++) if (test === null || test(row)) fitting[fits++] = row
    this.#fits = fits
    this.#seen = length
  }

  #arrange(): void {
    const { groupBy, sort, expanded } = this.query
    const keys = groupBy === null ? sort : [{ column: groupBy, descending: false }, ...sort]
    this.#sorted = sortRows(this.table, this.#fitting.slice(0, this.#fits), keys)
    this.#count = this.#fits
    if (groupBy !== null) this.#group(groupBy, new Set(expanded))
  }

  #group(column: string, expanded: ReadonlySet<Cell>): void {
    const store = this.table.store(column)
    const sorted = this.#sorted!
    const groups: Group[] = []
    let at = 0
    for (let begin = 0, end = 0; begin < sorted.length; begin = end) {
      const key = store.cell(sorted[begin]!)
      end = this.#endOfRun(column, begin, key)
      const open = expanded.has(key)
      groups.push({ key, begin, end, expanded: open, at })
      at += 1 + (open ? end - begin : 0)
    }
    this.#groups = groups
    this.#count = at
  }

  /** Where the run of equal keys ends that begins at `begin`. */
  #endOfRun(column: string, begin: number, key: Cell): number {
    const store = this.table.store(column)
    const sorted = this.#sorted!
    const first = sorted[begin]!
    let end = begin + 1
    if (store.kind === 'text' && !store.dictionary.plain) {
      const code = store.codes.get(first)
      while (end < sorted.length && store.codes.get(sorted[end]!) === code) end++
    } else while (end < sorted.length && store.cell(sorted[end]!) === key) end++
    return end
  }

  #groupAt(at: number): Group {
    const groups = this.#groups!
    let low = 0
    let high = groups.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (groups[middle]!.at <= at) low = middle
      else high = middle - 1
    }
    return groups[low]!
  }
}
