import { BLOCK_BITS, BLOCK_MASK } from '../store/blocks'
import type { BooleanColumn, ColumnStore, NumberColumn, TextColumn, TimeColumn } from '../store/columns'
import type { Table } from '../store/table'
import { timeOf } from '../store/times'
import type { Cell, Filter, OrderOp, TextOp } from '../types'

/** Whether a row fits. Made for rows in rising order: tests of text look at each value of the dictionary once. */
export type Test = (row: number) => boolean

const DAY_MS = 86_400_000

/** A test of all filters and search words; null when every row fits. Raises `RangeError` for an unknown column. */
export function compile(table: Table, filters: readonly Filter[], search: string): Test | null {
  const tests = filters.map((filter) => compileOne(table, filter))
  for (const word of search.toLowerCase().split(/\s+/)) if (word !== '') tests.push(anywhere(table, word))
  return tests.length === 0 ? null : all(tests)
}

function compileOne(table: Table, filter: Filter): Test {
  if (filter.kind === 'all') return all(filter.filters.map((each) => compileOne(table, each)))
  if (filter.kind === 'any') return any(filter.filters.map((each) => compileOne(table, each)))
  const store = table.store(filter.column)
  if (filter.kind === 'blank') return blank(store, filter.blank)
  if (filter.kind === 'in') return oneOf(store, filter.values)
  if (filter.kind === 'text') return byText(store, textTest(filter.op, filter.value.toLowerCase()), isNegative(filter.op))
  if (store.kind === 'text') return byText(store, () => false, false)
  const { low, high } = filter.kind === 'number' ? numberBounds(filter.value, filter.to) : timeBounds(filter.value, filter.to)
  return byOrder(store, filter.op, low, high)
}

function all(tests: readonly Test[]): Test {
  if (tests.length === 1) return tests[0]!
  return (row) => {
    for (const test of tests) if (!test(row)) return false
    return true
  }
}

function any(tests: readonly Test[]): Test {
  return (row) => {
    for (const test of tests) if (test(row)) return true
    return false
  }
}

function isNegative(op: TextOp): boolean {
  return op === 'notContains' || op === 'notEqual'
}

function textTest(op: TextOp, wanted: string): (text: string) => boolean {
  switch (op) {
    case 'contains':
      return (text) => text.includes(wanted)
    case 'notContains':
      return (text) => !text.includes(wanted)
    case 'equals':
      return (text) => text === wanted
    case 'notEqual':
      return (text) => text !== wanted
    case 'startsWith':
      return (text) => text.startsWith(wanted)
    case 'endsWith':
      return (text) => text.endsWith(wanted)
  }
}

/** A test of a cell's text in lower case; `missing` is the answer for a missing one. */
function byText(store: ColumnStore, fits: (text: string) => boolean, missing: boolean): Test {
  if (store.kind === 'text') return byCode(store, (text) => fits(text.toLowerCase()), missing)
  return (row) => {
    const cell = store.cell(row)
    return cell === null ? missing : fits(String(cell).toLowerCase())
  }
}

const UNKNOWN = 0
const FITS = 1
const FITS_NOT = 2

/** Each value of the dictionary is looked at once, when the first row has it; then only codes are. */
function byCode(store: TextColumn, fits: (text: string) => boolean, missing: boolean): Test {
  const { dictionary } = store
  const { blocks } = store.codes
  let answers = new Uint8Array(dictionary.size + 1)
  answers[0] = missing ? FITS : FITS_NOT
  return (row) => {
    const code = blocks[row >>> BLOCK_BITS]![row & BLOCK_MASK]!
    if (code >= answers.length) {
      const more = new Uint8Array(dictionary.size + (dictionary.size >>> 1) + 1)
      more.set(answers)
      answers = more
    }
    let answer = answers[code]!
    if (answer === UNKNOWN) answers[code] = answer = fits(dictionary.text(code)!) ? FITS : FITS_NOT
    return answer === FITS
  }
}

function blank(store: ColumnStore, wanted: boolean): Test {
  if (store.kind === 'text') return (row) => (store.codes.get(row) === 0) === wanted
  return (row) => (store.cell(row) === null) === wanted
}

function oneOf(store: ColumnStore, values: readonly Cell[]): Test {
  const missing = values.includes(null)
  if (store.kind === 'text') {
    const wanted = new Set(values.map(String))
    if (missing) wanted.delete('null')
    if (missing && values.includes('null')) wanted.add('null')
    return byCode(store, (text) => wanted.has(text), missing)
  }
  const wanted = new Set(values)
  return (row) => wanted.has(store.cell(row))
}

interface Bounds {
  readonly low: readonly [number, number]
  readonly high: readonly [number, number]
}

function numberBounds(value: number, to: number | undefined): Bounds {
  const last = to ?? value
  return { low: [value, value], high: [last, last] }
}

/** A day is all of its times: the first and the last of them. */
function timeBounds(value: string, to: string | undefined): Bounds {
  return { low: span(value), high: span(to ?? value) }
}

function span(text: string): readonly [number, number] {
  const first = timeOf(text)
  return [first, text.length === 10 ? first + DAY_MS - 1 : first]
}

function byOrder(
  store: NumberColumn | TimeColumn | BooleanColumn,
  op: OrderOp,
  low: readonly [number, number],
  high: readonly [number, number],
): Test {
  const [from, until] = low
  const { blocks } = store.values
  const of = (row: number): number => blocks[row >>> BLOCK_BITS]![row & BLOCK_MASK]!
  switch (op) {
    case 'equals':
      return (row) => of(row) >= from && of(row) <= until
    case 'notEqual':
      return (row) => !(of(row) >= from && of(row) <= until)
    case 'lessThan':
      return (row) => of(row) < from
    case 'lessThanOrEqual':
      return (row) => of(row) <= until
    case 'greaterThan':
      return (row) => of(row) > until
    case 'greaterThanOrEqual':
      return (row) => of(row) >= from
    case 'inRange':
      return (row) => of(row) >= from && of(row) <= high[1]
  }
}

/** Whether the word stands in any cell; numbers and times are written out only for words that could be one. */
function anywhere(table: Table, word: string): Test {
  const numeric = /^[-+\d.t:]+$/.test(word) && /\d/.test(word)
  const stores = table.stores.filter(
    (store) => store.kind === 'text' || (store.kind === 'boolean' ? 'truefalse'.includes(word) : numeric),
  )
  const tests = stores.map((store) => byText(store, (text) => text.includes(word), false))
  return any(tests)
}
