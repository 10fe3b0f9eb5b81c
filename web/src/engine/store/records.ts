import type { Cell } from '../types'
import type { Table } from './table'
import { COMMA, QUOTE } from './utf8'

const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const CLOSE_ARRAY = 0x5d

/**
 * Add the records of the JSON array that begins at `at` (its `[`); the position after its `]`.
 *
 * Reads what the server writes: every column, in the order declared, without white space; cells straight
 * from bytes. -1 when it is written otherwise, or is no JSON; then nothing has been added, and
 * `addParsed` is the way.
 */
export function addRecords(table: Table, bytes: Uint8Array, at: number, end: number): number {
  const before = table.length
  const after = readRecords(table, bytes, at, end)
  if (after < 0) table.truncate(before)
  return after
}

function readRecords(table: Table, bytes: Uint8Array, at: number, end: number): number {
  const { keys, stores } = table
  const width = keys.length
  let next = at + 1
  if (bytes[next] === CLOSE_ARRAY) return next + 1
  let row = table.length
  for (;;) {
    if (bytes[next] !== OPEN_OBJECT) return -1
    for (let column = 0; column < width; column++) {
      next++
      const key = keys[column]!
      const value = next + key.length
      // All keys of the first record, then only where they end: half of the bytes are keys, and a line's
      // records are written alike. A damaged key does not escape the domain's digest.
      if (row === table.length) {
        for (let each = 0; each < key.length; each++) if (bytes[next + each] !== key[each]) return -1
      } else if (bytes[next] !== QUOTE || bytes[value - 2] !== QUOTE || bytes[value - 1] !== COLON) return -1
      next = stores[column]!.parse(bytes, value, end, row)
      if (next < 0 || next >= end) return -1
      if (bytes[next] !== (column === width - 1 ? CLOSE_OBJECT : COMMA)) return -1
    }
    row++
    next++
    const byte = bytes[next]
    if (byte === CLOSE_ARRAY) break
    if (byte !== COMMA) return -1
    next++
  }
  table.length = row
  return next + 1
}

/** Add records that JSON.parse made. Raises `TypeError` for what is no record of this domain; adds none then. */
export function addParsed(table: Table, records: readonly unknown[]): void {
  const before = table.length
  try {
    for (const record of records) addOne(table, record)
  } catch (error) {
    table.truncate(before)
    throw error
  }
}

function addOne(table: Table, record: unknown): void {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) throw new TypeError('a record is no object')
  const cells = new Map(Object.entries(record))
  for (const name of cells.keys()) {
    if (!table.has(name)) throw new TypeError(`a record has a column ${name.slice(0, 40)} that was not announced`)
  }
  for (const store of table.stores) {
    const { name } = store.column
    if (!cells.has(name)) throw new TypeError(`a record lacks the column ${name}`)
    store.put(table.length, scalar(cells.get(name), name))
  }
  table.length++
}

function scalar(value: unknown, column: string): Cell {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  throw new TypeError(`the column ${column} holds no plain value`)
}
