import type { Cell, Column } from '../types'
import { CodeBlocks, DoubleBlocks } from './blocks'
import { Dictionary } from './dictionary'
import { NUMBER, numberEnd, parseNumber } from './numbers'
import { parseTime, timeText } from './times'
import {
  BACKSLASH,
  QUOTE,
  HASH_START,
  decodeStrictly,
  endOfPlain,
  endOfString,
  finish,
  hashOf,
  isNull,
} from './utf8'

const encoder = new TextEncoder()
const LONGEST_SIGNIFICANT = 15

/** Text: a code a row, the values in a dictionary. */
export class TextColumn {
  readonly kind = 'text'
  readonly codes = new CodeBlocks()
  readonly dictionary = new Dictionary()
  #last = 0

  constructor(readonly column: Column) {}

  /** Take the JSON value at `at` as this row's; the position after it, or -1 when it is no text or null. */
  parse(bytes: Uint8Array, at: number, end: number, row: number): number {
    if (bytes[at] !== QUOTE) {
      if (!isNull(bytes, at)) return -1
      this.codes.set(row, 0)
      return at + 4
    }
    const begin = at + 1
    let hash = HASH_START
    let next = begin
    for (; next < end; next++) {
      const byte = bytes[next]!
      if (byte === QUOTE) break
      if (byte === BACKSLASH) return this.#escaped(bytes, at, row)
      if (byte < 0x20) return -1
      hash = Math.imul(hash ^ byte, 0x01000193)
    }
    if (next >= end) return -1
    // Records come sorted by container, so that many a cell is the one above it.
    if (this.#last !== 0 && this.dictionary.equals(this.#last, bytes, begin, next)) {
      this.codes.set(row, this.#last)
      return next + 1
    }
    if (!this.#enter(bytes, begin, next, finish(hash), row)) return -1
    return next + 1
  }

  put(row: number, value: Cell): void {
    if (value === null) {
      this.codes.set(row, 0)
      return
    }
    const bytes = encoder.encode(String(value))
    this.#enter(bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length), row)
  }

  cell(row: number): Cell {
    return this.dictionary.text(this.codes.get(row))
  }

  truncate(): void {
    // Values that no row uses any more do no harm.
  }

  get bytes(): number {
    return this.codes.bytes + this.dictionary.bytes
  }

  #enter(bytes: Uint8Array, begin: number, end: number, hash: number, row: number): boolean {
    try {
      this.#last = this.dictionary.code(bytes, begin, end, hash)
    } catch {
      return false
    }
    this.codes.set(row, this.#last)
    return true
  }

  #escaped(bytes: Uint8Array, at: number, row: number): number {
    const end = endOfString(bytes, at)
    if (end < 0) return -1
    try {
      this.put(row, JSON.parse(decodeStrictly(bytes.subarray(at, end))) as string)
    } catch {
      return -1
    }
    return end
  }
}

/**
 * Numbers, times and booleans: a double a row, NaN for a missing one (JSON has no NaN). What a double cannot
 * hold, or is no such value at all, is kept as its text beside it.
 */
abstract class DoubleColumn {
  readonly values = new DoubleBlocks()
  /** Text of the few rows that are more than their double. */
  readonly exact = new Map<number, string>()

  constructor(readonly column: Column) {}

  abstract readonly kind: 'number' | 'time' | 'boolean'
  abstract parse(bytes: Uint8Array, at: number, end: number, row: number): number
  abstract put(row: number, value: Cell): void
  protected abstract show(value: number): Cell

  cell(row: number): Cell {
    const exact = this.exact.size > 0 ? this.exact.get(row) : undefined
    if (exact !== undefined) return exact
    const value = this.values.get(row)
    return Number.isNaN(value) ? null : this.show(value)
  }

  truncate(rows: number): void {
    for (const row of this.exact.keys()) if (row >= rows) this.exact.delete(row)
  }

  get bytes(): number {
    return this.values.bytes + this.exact.size * 80
  }

  protected missing(row: number): number {
    this.values.set(row, NaN)
    return 4
  }

  protected keep(row: number, value: number, text: string): void {
    this.values.set(row, value)
    this.exact.set(row, text)
  }
}

export class NumberColumn extends DoubleColumn {
  readonly kind = 'number'

  parse(bytes: Uint8Array, at: number, _end: number, row: number): number {
    const value = parseNumber(bytes, at)
    if (numberEnd >= 0) {
      this.values.set(row, value)
      return numberEnd
    }
    if (isNull(bytes, at)) return at + this.missing(row)
    const end = endOfPlain(bytes, at)
    const text = end - at <= 400 ? String.fromCharCode(...bytes.subarray(at, end)) : ''
    if (!NUMBER.test(text)) return -1
    this.#putText(row, text)
    return end
  }

  put(row: number, value: Cell): void {
    if (value === null) this.missing(row)
    else if (typeof value === 'string') this.#putText(row, value)
    else this.values.set(row, Number(value))
  }

  protected show(value: number): Cell {
    return value
  }

  #putText(row: number, text: string): void {
    const value = NUMBER.test(text) ? Number(text) : NaN
    const significant = text.replace(/[eE].*$/, '').replace(/^-?0*\.?0*|\.|-/g, '').length
    const fits = significant <= LONGEST_SIGNIFICANT || String(value) === text
    if (Number.isFinite(value) && fits) this.values.set(row, value)
    else this.keep(row, value, text)
  }
}

export class TimeColumn extends DoubleColumn {
  readonly kind = 'time'

  parse(bytes: Uint8Array, at: number, _end: number, row: number): number {
    if (bytes[at] !== QUOTE) return isNull(bytes, at) ? at + this.missing(row) : -1
    if (bytes[at + 20] === QUOTE) {
      const value = parseTime(bytes, at + 1)
      if (!Number.isNaN(value)) {
        this.values.set(row, value)
        return at + 21
      }
    }
    const end = endOfString(bytes, at)
    if (end < 0) return -1
    try {
      this.put(row, JSON.parse(decodeStrictly(bytes.subarray(at, end))) as string)
    } catch {
      return -1
    }
    return end
  }

  put(row: number, value: Cell): void {
    if (value === null) {
      this.missing(row)
      return
    }
    const text = String(value)
    const time = parseTime(encoder.encode(text), 0)
    if (text.length === 19 && !Number.isNaN(time)) this.values.set(row, time)
    // Finer than a second it still orders to the second; what is no time has none.
    else this.keep(row, /^\d.{18}\.\d+$/.test(text) ? time : NaN, text)
  }

  protected show(value: number): Cell {
    return timeText(value)
  }
}

export class BooleanColumn extends DoubleColumn {
  readonly kind = 'boolean'

  parse(bytes: Uint8Array, at: number, _end: number, row: number): number {
    if (isNull(bytes, at)) return at + this.missing(row)
    const end = endOfPlain(bytes, at)
    const text = end - at <= 5 ? String.fromCharCode(...bytes.subarray(at, end)) : ''
    if (text !== 'true' && text !== 'false') return -1
    this.values.set(row, text === 'true' ? 1 : 0)
    return end
  }

  put(row: number, value: Cell): void {
    if (value === null) this.missing(row)
    else if (typeof value === 'string') this.keep(row, NaN, value)
    else this.values.set(row, value ? 1 : 0)
  }

  protected show(value: number): Cell {
    return value === 1
  }
}

export type ColumnStore = TextColumn | NumberColumn | TimeColumn | BooleanColumn

export function makeColumn(column: Column): ColumnStore {
  if (column.type === 'string') return new TextColumn(column)
  if (column.type === 'timestamp') return new TimeColumn(column)
  return column.type === 'boolean' ? new BooleanColumn(column) : new NumberColumn(column)
}
