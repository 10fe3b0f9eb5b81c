import type { ColumnStore } from '../store/columns'
import type { Table } from '../store/table'
import { periodOf, periodText } from '../store/times'
import type { Cell, GroupAnswer, GroupKey, GroupRequest, Measure } from '../types'
import { compile } from './filter'
import { ranksOf } from './sort'

/** A key beside all periods, which a double holds when it is multiplied below. */
const MISSING = 0x3ffffff

/** Every group of the records that fit, with its measures, ordered and cut as asked. */
export function groupRows(table: Table, request: GroupRequest, version: number): GroupAnswer {
  const test = compile(table, request.filters ?? [], request.search ?? '')
  const keyers = request.keys.map((key) => keyer(table, key))
  const groups = new Groups(keyers)
  const tallies = request.measures.map((measure) => tally(table, measure))
  let matching = 0
  for (let row = 0; row < table.length; row++) {
    if (test !== null && !test(row)) continue
    matching++
    const group = groups.of(row)
    for (const each of tallies) each.add(group, row)
  }
  const order = ordered(groups, tallies, request.order ?? 0)
  const limit = Math.min(request.limit ?? order.length, order.length)
  return {
    groups: order.slice(0, limit).map((group) => ({
      keys: groups.keys(group),
      values: tallies.map((each) => each.value(group)),
    })),
    groupCount: order.length,
    rest: tallies.map((each) => (each.adds ? sum(order.slice(limit).map((group) => each.value(group) ?? 0)) : null)),
    matching,
    version,
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

interface Keyer {
  /** A small integer for the row's key: equal for equal keys. */
  readonly of: (row: number) => number
  /** The key of a row, for people. */
  readonly cell: (row: number) => Cell
}

function keyer(table: Table, key: GroupKey): Keyer {
  const store = table.store(key.column)
  if (store.kind === 'text') {
    // While codes are unique they are the key; else equal values meet in their rank.
    const ranks = store.dictionary.plain ? ranksOf(store.dictionary) : null
    const of = (row: number): number => (ranks === null ? store.codes.get(row) : ranks[store.codes.get(row)]!)
    return { of, cell: (row) => store.cell(row) }
  }
  const period = key.by
  if (store.kind === 'time' && period !== undefined) {
    const { values } = store
    const of = (row: number): number => {
      const time = values.get(row)
      return Number.isNaN(time) ? MISSING : periodOf(time, period)
    }
    const cell = (row: number): Cell => {
      const time = values.get(row)
      return Number.isNaN(time) ? null : periodText(time, period)
    }
    return { of, cell }
  }
  return numbered(store)
}

/** Numbers given to cells as they come; one that is its double alone is known by it. */
function numbered(store: Exclude<ColumnStore, { kind: 'text' }>): Keyer {
  const numbers = new Map<number | string, number>()
  const of = (row: number): number => {
    const exact = store.exact.size > 0 ? store.exact.get(row) : undefined
    const key = exact ?? store.values.get(row)
    let number = numbers.get(key)
    if (number === undefined) numbers.set(key, (number = numbers.size))
    return number
  }
  return { of, cell: (row) => store.cell(row) }
}

/** Groups by the numbers of their keys, from 0 as they come. */
class Groups {
  readonly #byKey = new Map<number | string, number>()
  readonly #first: number[] = []

  constructor(readonly keyers: readonly Keyer[]) {}

  of(row: number): number {
    const [only, second] = this.keyers
    // Two small numbers make one key that a double holds exactly; more than two make text.
    const key =
      only === undefined ? 0
      : this.keyers.length === 1 ? only.of(row)
      : this.keyers.length === 2 ? only.of(row) * 0x4000000 + second!.of(row)
      : this.keyers.map((each) => each.of(row)).join()
    let group = this.#byKey.get(key)
    if (group === undefined) {
      group = this.#first.length
      this.#byKey.set(key, group)
      this.#first.push(row)
    }
    return group
  }

  keys(group: number): Cell[] {
    return this.keyers.map((each) => each.cell(this.#first[group]!))
  }

  get size(): number {
    return this.#first.length
  }
}

interface Tally {
  /** Whether values of groups add up to the value of all. */
  readonly adds: boolean
  add(group: number, row: number): void
  value(group: number): number | null
}

function tally(table: Table, measure: Measure): Tally {
  const values: number[] = []
  if (measure.op === 'count') {
    return { adds: true, add: (group) => (values[group] = (values[group] ?? 0) + 1), value: (group) => values[group] ?? 0 }
  }
  const store = table.store(measure.column)
  if (measure.op === 'distinct') return distinct(keyer(table, { column: measure.column }), store)
  const of = store.kind === 'text' ? () => NaN : (row: number) => store.values.get(row)
  if (measure.op === 'sum') {
    const add = (group: number, row: number): void => {
      const value = of(row)
      values[group] = (values[group] ?? 0) + (Number.isNaN(value) ? 0 : value)
    }
    // Sums of decimals such as 0.1 are told to 9 decimals, where doubles no longer show their rounding.
    return { adds: true, add, value: (group) => Number((values[group] ?? 0).toFixed(9)) }
  }
  const better = measure.op === 'min' ? Math.min : Math.max
  const add = (group: number, row: number): void => {
    const value = of(row)
    if (!Number.isNaN(value)) values[group] = better(values[group] ?? value, value)
  }
  return { adds: false, add, value: (group) => values[group] ?? null }
}

/** Different values, a missing one not counted. */
function distinct(key: Keyer, store: ColumnStore): Tally {
  const seen: Set<number>[] = []
  const missing = (row: number): boolean =>
    store.kind === 'text' ? store.codes.get(row) === 0 : store.cell(row) === null
  const add = (group: number, row: number): void => {
    const set = (seen[group] ??= new Set())
    if (!missing(row)) set.add(key.of(row))
  }
  return { adds: false, add, value: (group) => seen[group]?.size ?? 0 }
}

function ordered(groups: Groups, tallies: readonly Tally[], order: number | 'keys'): number[] {
  const all = Array.from({ length: groups.size }, (_, group) => group)
  const keys = all.map((group) => groups.keys(group))
  const byKeys = (a: number, b: number): number => {
    for (let at = 0; at < groups.keyers.length; at++) {
      const found = compareCells(keys[a]![at]!, keys[b]![at]!)
      if (found !== 0) return found
    }
    return 0
  }
  if (order === 'keys') return all.sort(byKeys)
  const by = tallies[order]
  if (by === undefined) throw new RangeError('there is no such measure to order by')
  const values = all.map((group) => by.value(group) ?? -Infinity)
  return all.sort((a, b) => values[b]! - values[a]! || byKeys(a, b))
}

/** Missing last, numbers by size, text by code units. */
export function compareCells(a: Cell, b: Cell): number {
  if (a === b) return 0
  if (a === null) return 1
  if (b === null) return -1
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a) < String(b) ? -1 : 1
}
