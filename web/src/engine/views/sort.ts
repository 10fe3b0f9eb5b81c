import { BLOCK_BITS, BLOCK_MASK } from '../store/blocks'
import type { ColumnStore, TextColumn } from '../store/columns'
import type { Dictionary } from '../store/dictionary'
import type { Table } from '../store/table'
import type { SortKey } from '../types'

const DIGIT_BITS = 16
const DIGITS = 1 << DIGIT_BITS
/** Under this many rows, counting 65,536 digits a pass costs more than comparing. */
const FEW_ROWS = 8192

/**
 * Sort rows, in place, by the keys; equal ones stay as they were, missing values come last either way.
 *
 * Stable radix sort from the last key to the first: 1 M rows by text 40 ms, by a time 60 ms.
 */
export function sortRows(table: Table, rows: Uint32Array<ArrayBuffer>, keys: readonly SortKey[]): Uint32Array<ArrayBuffer> {
  let sorted = rows
  for (const key of [...keys].reverse()) sorted = byKey(table.store(key.column), sorted, key.descending)
  return sorted
}

function byKey(store: ColumnStore, rows: Uint32Array<ArrayBuffer>, descending: boolean): Uint32Array<ArrayBuffer> {
  const { low, high } = store.kind === 'text' ? textWords(store, rows) : doubleWords(store.values.blocks, rows)
  if (descending) {
    invert(low)
    if (high !== null) invert(high)
  }
  return byWords(rows, low, high, missingOf(store, rows))
}

interface Words {
  /** One or two words for each of the rows, which order as unsigned integers: low and high. */
  readonly low: Uint32Array
  readonly high: Uint32Array | null
}

function textWords(store: TextColumn, rows: Uint32Array): Words {
  const ranks = ranksOf(store.dictionary)
  const { blocks } = store.codes
  const low = new Uint32Array(rows.length)
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at]!
    low[at] = ranks[blocks[row >>> BLOCK_BITS]![row & BLOCK_MASK]!]!
  }
  return { low, high: null }
}

/** Doubles as integers that order alike: the sign bit set for positive ones, all bits turned for negative ones. */
function doubleWords(blocks: readonly Float64Array[], rows: Uint32Array): Words {
  const low = new Uint32Array(rows.length)
  const high = new Uint32Array(rows.length)
  const value = new Float64Array(1)
  const words = new Uint32Array(value.buffer)
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at]!
    value[0] = blocks[row >>> BLOCK_BITS]![row & BLOCK_MASK]! + 0 // -0 orders as 0
    const top = words[1]!
    const negative = top >>> 31 === 1
    low[at] = negative ? ~words[0]! : words[0]!
    high[at] = negative ? ~top : top | 0x80000000
  }
  return { low, high }
}

function missingOf(store: ColumnStore, rows: Uint32Array): Uint8Array | null {
  const missing = new Uint8Array(rows.length)
  let any = false
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at]!
    const is = store.kind === 'text' ? store.codes.get(row) === 0 : Number.isNaN(store.values.get(row))
    if (is) {
      missing[at] = 1
      any = true
    }
  }
  return any ? missing : null
}

function invert(words: Uint32Array): void {
  for (let at = 0; at < words.length; at++) words[at] = ~words[at]!
}

function byWords(
  rows: Uint32Array<ArrayBuffer>,
  low: Uint32Array,
  high: Uint32Array | null,
  missing: Uint8Array | null,
): Uint32Array<ArrayBuffer> {
  const length = rows.length
  let order: Uint32Array<ArrayBuffer> = new Uint32Array(length)
  for (let at = 0; at < length; at++) order[at] = at
  const passes = high === null ? [low] : [low, high]
  if (length < FEW_ROWS) {
    order.sort((a, b) => (high !== null && high[a] !== high[b] ? high[a]! - high[b]! : low[a]! - low[b]! || a - b))
  } else {
    for (const words of passes) for (const shift of [0, DIGIT_BITS]) order = pass(order, words, shift)
  }
  const sorted = new Uint32Array(length)
  let next = 0
  for (let at = 0; at < length; at++) if (missing?.[order[at]!] !== 1) sorted[next++] = rows[order[at]!]!
  // In the order they had: what they would be by their place in `rows`.
  if (next < length) for (let at = 0; at < length; at++) if (missing![at] === 1) sorted[next++] = rows[at]!
  return sorted
}

function pass(order: Uint32Array<ArrayBuffer>, words: Uint32Array, shift: number): Uint32Array<ArrayBuffer> {
  const starts = new Uint32Array(DIGITS)
  for (const word of words) starts[(word >>> shift) & (DIGITS - 1)]!++
  let start = 0
  for (let digit = 0; digit < DIGITS; digit++) {
    const count = starts[digit]!
    if (count === order.length) return order
    starts[digit] = start
    start += count
  }
  const sorted = new Uint32Array(order.length)
  for (const at of order) {
    const digit = (words[at]! >>> shift) & (DIGITS - 1)
    sorted[starts[digit]!++] = at
  }
  return sorted
}

const ranksMade = new WeakMap<Dictionary, Uint32Array>()

/** The rank of each code among the values, by code points; equal values have equal ranks. 0 for the missing one. */
export function ranksOf(dictionary: Dictionary): Uint32Array {
  const made = ranksMade.get(dictionary)
  if (made?.length === dictionary.size + 1) return made
  const prefixes = new Float64Array(dictionary.size + 1)
  for (let code = 1; code <= dictionary.size; code++) prefixes[code] = dictionary.prefix(code)
  const codes = new Uint32Array(dictionary.size)
  for (let at = 0; at < codes.length; at++) codes[at] = at + 1
  codes.sort((a, b) => prefixes[a]! - prefixes[b]! || dictionary.compare(a, b))
  const ranks = new Uint32Array(dictionary.size + 1)
  let rank = 0
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at]!
    if (at === 0 || dictionary.compare(codes[at - 1]!, code) !== 0) rank++
    ranks[code] = rank
  }
  ranksMade.set(dictionary, ranks)
  return ranks
}
