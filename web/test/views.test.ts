import { describe, expect, it } from 'vitest'

import { readLine } from '@/engine/net/messages'
import { addParsed } from '@/engine/store/records'
import { Table } from '@/engine/store/table'
import { type Cell, type Column, EVERYTHING, type Filter, type GridQuery, type GridRow, type SortKey } from '@/engine/types'
import { groupRows } from '@/engine/views/group'
import { csvParts, tabbed } from '@/engine/views/text'
import { View } from '@/engine/views/view'

import { COLUMNS, randomOf, randomRows, recordsLine } from './random'

/** More than a block of 65,536, so that its border is crossed; and enough for sorting by digits (8192). */
const MANY = 66_500
const SOME = 9000
const LINE_ROWS = 1000

const random = randomOf(7)
const ROWS = randomRows(random, MANY)
const at = (name: string): number => COLUMNS.findIndex((column) => column.name === name)

function add(table: Table, rows: readonly Cell[][]): void {
  for (let from = 0; from < rows.length; from += LINE_ROWS) {
    readLine(recordsLine(rows.slice(from, from + LINE_ROWS), 0, table.length), 1, () => table)
  }
}

function filled(rows: readonly Cell[][]): Table {
  const table = new Table('d', COLUMNS)
  add(table, rows)
  return table
}

const BLOCKS = filled(ROWS)
const SOME_ROWS = ROWS.slice(0, SOME)
const TABLE = filled(SOME_ROWS)

// ------------------------------------------------------------ the slow reference

function fits(row: readonly Cell[], filter: Filter): boolean {
  if (filter.kind === 'all') return filter.filters.every((each) => fits(row, each))
  if (filter.kind === 'any') return filter.filters.some((each) => fits(row, each))
  const cell = row[at(filter.column)] ?? null
  if (filter.kind === 'blank') return (cell === null) === filter.blank
  if (filter.kind === 'in') return filter.values.includes(cell)
  if (filter.kind === 'text') {
    if (cell === null) return filter.op.startsWith('not')
    const text = String(cell).toLowerCase()
    const value = filter.value.toLowerCase()
    const answers = {
      contains: text.includes(value), notContains: !text.includes(value), equals: text === value,
      notEqual: text !== value, startsWith: text.startsWith(value), endsWith: text.endsWith(value),
    }
    return answers[filter.op]
  }
  if (cell === null) return filter.op === 'notEqual'
  const key = (value: string | number, end: boolean): string | number =>
    typeof value === 'string' && value.length === 10 ? `${value}T${end ? '23:59:59' : '00:00:00'}` : value
  const low = key(filter.value, false)
  const high = key(filter.value, true)
  const to = key(filter.to ?? filter.value, true)
  const answers = {
    equals: cell >= low && cell <= high, notEqual: !(cell >= low && cell <= high), lessThan: cell < low,
    lessThanOrEqual: cell <= high, greaterThan: cell > high, greaterThanOrEqual: cell >= low,
    inRange: cell >= low && cell <= to,
  }
  return answers[filter.op]
}

function found(row: readonly Cell[], search: string): boolean {
  const cells = row.map((cell) => (cell === null ? '' : String(cell).toLowerCase()))
  return search.toLowerCase().split(' ').every((word) => cells.some((cell) => cell.includes(word)))
}

function compare(a: readonly Cell[], b: readonly Cell[], keys: readonly SortKey[]): number {
  for (const { column, descending } of keys) {
    const [x, y] = [a[at(column)] ?? null, b[at(column)] ?? null]
    if (x === y) continue
    if (x === null) return 1
    if (y === null) return -1
    // By code points, which is how UTF-8 orders.
    const less = typeof x === 'string' ? Buffer.compare(Buffer.from(x), Buffer.from(String(y))) < 0 : x < y
    return less !== descending ? -1 : 1
  }
  return 0
}

function expected(rows: readonly Cell[][], query: Partial<GridQuery>): Cell[][] {
  const fitting = rows.filter((row) => (query.filters ?? []).every((filter) => fits(row, filter)))
  const searched = query.search ? fitting.filter((row) => found(row, query.search!)) : fitting
  return searched.sort((a, b) => compare(a, b, query.sort ?? []))
}

function cellsOf(rows: readonly GridRow[]): Cell[][] {
  return rows.flatMap((row) => (row.kind === 'record' ? [[...row.cells]] : []))
}

// ------------------------------------------------------------ what is asked

const FILTERS: Filter[] = [
  { kind: 'text', column: 'STATION', op: 'contains', value: 'TM' },
  { kind: 'text', column: 'STATION', op: 'notContains', value: 'db' },
  { kind: 'text', column: 'NOTE', op: 'startsWith', value: 'note 1' },
  { kind: 'text', column: 'NOTE', op: 'endsWith', value: '異常' },
  { kind: 'text', column: 'NOTE', op: 'equals', value: 'äö' },
  { kind: 'text', column: 'NOTE', op: 'notEqual', value: '' },
  { kind: 'text', column: 'QTY', op: 'contains', value: '99' },
  { kind: 'number', column: 'QTY', op: 'equals', value: 7 },
  { kind: 'number', column: 'QTY', op: 'notEqual', value: 7 },
  { kind: 'number', column: 'HOURS', op: 'lessThan', value: 1234.56 },
  { kind: 'number', column: 'HOURS', op: 'lessThanOrEqual', value: 1234.56 },
  { kind: 'number', column: 'HOURS', op: 'greaterThan', value: 9000 },
  { kind: 'number', column: 'HOURS', op: 'greaterThanOrEqual', value: 9000 },
  { kind: 'number', column: 'QTY', op: 'inRange', value: -20, to: 20 },
  { kind: 'time', column: 'AT', op: 'equals', value: '2026-01-15' },
  { kind: 'time', column: 'AT', op: 'inRange', value: '2026-01-15', to: '2026-01-16' },
  { kind: 'time', column: 'AT', op: 'greaterThan', value: '2026-02-15' },
  { kind: 'time', column: 'AT', op: 'lessThan', value: '2026-01-15T12:00:00' },
  { kind: 'blank', column: 'AT', blank: true },
  { kind: 'blank', column: 'NOTE', blank: false },
  { kind: 'in', column: 'STATION', values: ['成型', null] },
  { kind: 'in', column: 'NOTE', values: ['null'] },
  { kind: 'in', column: 'QTY', values: [1, 2, null] },
  { kind: 'any', filters: [{ kind: 'blank', column: 'QTY', blank: true }, { kind: 'number', column: 'QTY', op: 'lessThan', value: 0 }] },
  { kind: 'all', filters: [{ kind: 'text', column: 'LOT', op: 'contains', value: '99' }, { kind: 'blank', column: 'OPEN', blank: false }] },
]

describe('a view', () => {
  it('without a query is the table', () => {
    const view = new View(BLOCKS)
    view.refresh(true)
    expect(view.count).toBe(MANY)
    expect(cellsOf(view.rows(65_500, 65_600))).toEqual(ROWS.slice(65_500, 65_600))
  })

  it('filters and sorts across blocks', () => {
    const query = { filters: [FILTERS[1]!], sort: [{ column: 'HOURS', descending: true }] }
    const view = new View(BLOCKS)
    view.ask({ ...EVERYTHING, ...query })
    const wanted = expected(ROWS, query)
    for (const from of [0, 30_000, wanted.length - 300]) expect(cellsOf(view.rows(from, from + 300))).toEqual(wanted.slice(from, from + 300))
  })

  it.each(FILTERS.map((filter) => [JSON.stringify(filter), filter] as const))('holds the rows that fit %s', (_, filter) => {
    const view = new View(TABLE)
    view.ask({ ...EVERYTHING, filters: [filter] })
    const wanted = expected(SOME_ROWS, { filters: [filter] })
    expect(wanted.length).toBeGreaterThan(0)
    expect(view.count).toBe(wanted.length)
    expect(cellsOf(view.rows(0, 500))).toEqual(wanted.slice(0, 500))
    expect(cellsOf(view.rows(view.count - 500, view.count))).toEqual(wanted.slice(-500))
  })

  it.each(['tmtt', '品質 ga0001', '2026-01-15', '12.5', 'true', '99 tm', 'nowhere'])('finds %s anywhere', (search) => {
    const view = new View(TABLE)
    view.ask({ ...EVERYTHING, search })
    const wanted = expected(SOME_ROWS, { search })
    expect(view.count).toBe(wanted.length)
    expect(cellsOf(view.rows(0, 300))).toEqual(wanted.slice(0, 300))
  })

  it.each(COLUMNS.flatMap(({ name }) => [[name, false] as const, [name, true] as const]))(
    'sorts by %s (descending: %s), missing values last, equal ones as they came',
    (column, descending) => {
      for (const few of [true, false]) {
        const rows = few ? ROWS.slice(0, 3000) : SOME_ROWS
        const view = new View(few ? filled(rows) : TABLE)
        const sort = [{ column, descending }]
        view.ask({ ...EVERYTHING, sort })
        const wanted = expected(rows, { sort })
        for (const from of [0, rows.length >> 1, rows.length - 500]) {
          expect(cellsOf(view.rows(from, from + 500))).toEqual(wanted.slice(from, from + 500))
        }
      }
    },
  )

  it('sorts by several columns after filtering', () => {
    const query = {
      filters: [{ kind: 'text', column: 'STATION', op: 'contains', value: 't' } as const],
      sort: [{ column: 'STATION', descending: true }, { column: 'QTY', descending: false }, { column: 'NOTE', descending: true }],
    }
    const view = new View(TABLE)
    view.ask({ ...EVERYTHING, ...query })
    expect(cellsOf(view.rows(0, Infinity))).toEqual(expected(SOME_ROWS, query))
  })

  it('grows as rows arrive, whatever was asked of it', () => {
    const rows = ROWS.slice(0, 6000)
    const table = new Table('d', COLUMNS)
    const query = { filters: [FILTERS[1]!], sort: [{ column: 'HOURS', descending: true }] }
    const filtered = new View(table)
    const sorted = new View(table)
    filtered.ask({ ...EVERYTHING, filters: query.filters })
    sorted.ask({ ...EVERYTHING, ...query })
    const { version } = filtered
    for (let from = 0; from < rows.length; from += 2000) {
      add(table, rows.slice(from, from + 2000))
      const here = rows.slice(0, from + 2000)
      filtered.refresh(false)
      expect(cellsOf(filtered.rows(0, Infinity))).toEqual(expected(here, { filters: query.filters }))
      sorted.refresh(true)
      expect(cellsOf(sorted.rows(0, Infinity))).toEqual(expected(here, query))
    }
    expect(filtered.version).toBe(version)
    expect(sorted.version).not.toBe(version)
  })

  it('groups under headings with counts, which unfold', () => {
    const view = new View(TABLE)
    const sort = [{ column: 'QTY', descending: true }]
    view.ask({ ...EVERYTHING, groupBy: 'STATION', expanded: ['成型', null], sort })
    const wanted = expected(SOME_ROWS, { sort: [{ column: 'STATION', descending: false }, ...sort] })
    const headings = view.rows(0, Infinity).filter((row) => row.kind === 'group')
    const keys = [...new Set(wanted.map((row) => row[at('STATION')] ?? null))]
    const of = (key: Cell): Cell[][] => wanted.filter((row) => (row[at('STATION')] ?? null) === key)
    expect(headings).toEqual(keys.map((key) => ({ kind: 'group', key, count: of(key).length, expanded: key === '成型' || key === null })))
    expect(cellsOf(view.rows(0, Infinity))).toEqual([...of('成型'), ...of(null)])
    expect(view.count).toBe(keys.length + of('成型').length + of(null).length)
    expect([...view.records()].length).toBe(SOME)
  })

  it('keeps its query when it is asked for a column that is not there', () => {
    const view = new View(TABLE)
    expect(() => view.ask({ ...EVERYTHING, sort: [{ column: 'NO', descending: false }] })).toThrow(RangeError)
    expect(view.query).toBe(EVERYTHING)
  })
})

describe('text for others', () => {
  function parseCsv(text: string): string[][] {
    const rows: string[][] = [[]]
    for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r\n)/g)) {
      rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain!)
      if (end === '\r\n') rows.push([])
    }
    return rows.slice(0, -1)
  }

  it('is CSV of the whole view', async () => {
    const view = new View(TABLE)
    const filters = [FILTERS[20]!]
    view.ask({ ...EVERYTHING, filters })
    const names = ['NOTE', 'LOT', 'HOURS', 'AT', 'OPEN']
    const parts = [...csvParts(view, names)].flatMap(({ part }) => (part === null ? [] : [part]))
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer())
    expect([...bytes.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf])
    const wanted = expected(SOME_ROWS, { filters }).map((row) => names.map((name) => String(row[at(name)] ?? '')))
    expect(parseCsv(new TextDecoder().decode(bytes))).toEqual([names, ...wanted])
  })

  it('is tab-separated for the clipboard', () => {
    const table = filled([['GA1', null, 'two\nlines', 5, 0.5, null, true], ['GA2', 'a"b', 'tab\there', null, 1, null, null]])
    const view = new View(table)
    view.refresh(true)
    expect(tabbed(view, 0, 2, ['LOT', 'STATION', 'NOTE', 'QTY'])).toBe(
      'LOT\tSTATION\tNOTE\tQTY\r\nGA1\t\t"two\nlines"\t5\r\nGA2\t"a""b"\t"tab\there"\t\r\n')
  })
})

describe('groups for charts', () => {
  it('count, add up and tell different values apart, as a slow look at all rows does', () => {
    const answer = groupRows(TABLE, {
      keys: [{ column: 'STATION' }, { column: 'AT', by: 'month' }],
      measures: [{ op: 'count' }, { op: 'sum', column: 'QTY' }, { op: 'distinct', column: 'LOT' },
        { op: 'min', column: 'HOURS' }, { op: 'max', column: 'QTY' }, { op: 'distinct', column: 'NOTE' }],
      order: 'keys',
    }, 1)
    const groups = new Map<string, Cell[][]>()
    for (const row of SOME_ROWS) {
      const month = row[at('AT')] === null ? null : String(row[at('AT')]).slice(0, 7)
      const key = JSON.stringify([row[at('STATION')], month])
      groups.set(key, [...(groups.get(key) ?? []), row].slice(0))
    }
    const numbers = (rows: Cell[][], name: string): number[] => rows.map((row) => row[at(name)]).filter((cell) => typeof cell === 'number')
    const different = (rows: Cell[][], name: string): number => new Set(rows.map((row) => row[at(name)]).filter((cell) => cell !== null)).size
    expect(answer.groupCount).toBe(groups.size)
    for (const { keys, values } of answer.groups) {
      const rows = groups.get(JSON.stringify(keys))!
      expect(values).toEqual([
        rows.length, numbers(rows, 'QTY').reduce((a, b) => a + b, 0), different(rows, 'LOT'),
        Math.min(...numbers(rows, 'HOURS')), Math.max(...numbers(rows, 'QTY')), different(rows, 'NOTE'),
      ])
    }
    expect(answer.matching).toBe(SOME)
  })

  it('are cut to the greatest, with what the rest adds up to', () => {
    const filters = [FILTERS[13]!]
    const answer = groupRows(TABLE, { keys: [{ column: 'QTY' }], measures: [{ op: 'sum', column: 'HOURS' }, { op: 'count' }], filters, order: 1, limit: 5 }, 1)
    const rows = expected(SOME_ROWS, { filters })
    const counts = new Map<Cell, number>()
    for (const row of rows) counts.set(row[at('QTY')]!, (counts.get(row[at('QTY')]!) ?? 0) + 1)
    const best = [...counts].sort((a, b) => b[1] - a[1] || Number(a[0]) - Number(b[0])).slice(0, 5)
    expect(answer.groups.map(({ keys, values }) => [keys[0], values[1]])).toEqual(best)
    expect(answer.rest[1]).toBe(rows.length - best.reduce((sum, [, count]) => sum + count, 0))
  })

  it('are the same when most texts differ and the dictionary no longer finds equal ones', () => {
    const columns: Column[] = [{ name: 'NOTE', type: 'string' }]
    const table = new Table('d', columns)
    const notes = Array.from({ length: 70_000 }, (_, each) => `once ${each}`)
    for (const each of [notes, notes.slice(-3), notes.slice(-3)]) {
      addParsed(table, each.map((note) => ({ NOTE: note })))
    }
    const note = table.store('NOTE')
    expect(note.kind === 'text' && note.dictionary.plain).toBe(true)
    const { groups, groupCount } = groupRows(table, { keys: [{ column: 'NOTE' }], measures: [{ op: 'count' }], limit: 3 }, 1)
    expect(groupCount).toBe(70_000)
    expect(groups.map(({ keys, values }) => [keys[0], values[0]])).toEqual([['once 69997', 3], ['once 69998', 3], ['once 69999', 3]])
    const view = new View(table)
    view.ask({ ...EVERYTHING, sort: [{ column: 'NOTE', descending: true }] })
    expect(cellsOf(view.rows(0, 4)).flat()).toEqual(['once 9999', 'once 9998', 'once 9997', 'once 9996'])
  })
})
