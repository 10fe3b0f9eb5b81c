import { decodeStrictly, isAscii } from './utf8'

/** Above so many values, and so little repetition, looking each one up no longer pays. */
const PLAIN_FROM = 1 << 16
const PLAIN_SHARE = 0.6

const decoder = new TextDecoder()

/**
 * Text values as UTF-8 in one arena, each with a code from 1 up; code 0 is the missing value.
 *
 * While values repeat, equal ones share a code. When most differ, it turns `plain`: each value that is
 * added then has a code of its own, and the table that finds codes by value is given up. Equal codes mean
 * equal values always, the reverse holds only while not `plain`.
 */
export class Dictionary {
  plain = false
  /** Codes given out; values are 1 to size. */
  size = 0
  #arena = new Uint8Array(1 << 8)
  #ends = new Uint32Array(1 << 6)
  #hashes = new Uint32Array(1 << 6)
  #table = new Uint32Array(1 << 7)
  #asked = 0

  /**
   * The code of the value `bytes[begin, end)` with this hash (`hashOf`); it is added when it is new.
   *
   * Raises `TypeError` for a new value that is no UTF-8.
   */
  code(bytes: Uint8Array, begin: number, end: number, hash: number): number {
    if (this.plain) return this.#add(bytes, begin, end, hash)
    this.#asked++
    const mask = this.#table.length - 1
    // At most half of the slots are taken: an empty one always comes.
    let slot = hash & mask
    for (;;) {
      const code = this.#table[slot]!
      if (code === 0) {
        const added = this.#add(bytes, begin, end, hash)
        this.#enter(slot, added)
        return added
      }
      if (this.#hashes[code]! === hash && this.equals(code, bytes, begin, end)) return code
      slot = (slot + 1) & mask
    }
  }

  /** The code of a value, 0 when no row has it; while `plain`, the first of several. */
  find(value: string): number {
    const bytes = new TextEncoder().encode(value)
    for (let code = 1; code <= this.size; code++) if (this.equals(code, bytes, 0, bytes.length)) return code
    return 0
  }

  equals(code: number, bytes: Uint8Array, begin: number, end: number): boolean {
    const from = this.#ends[code - 1]!
    const length = this.#ends[code]! - from
    if (length !== end - begin) return false
    const arena = this.#arena
    for (let at = 0; at < length; at++) if (arena[from + at] !== bytes[begin + at]) return false
    return true
  }

  /** The value as text; null for code 0. */
  text(code: number): string | null {
    if (code === 0) return null
    const from = this.#ends[code - 1]!
    const to = this.#ends[code]!
    const arena = this.#arena
    if (to - from > 64 || !isAscii(arena, from, to)) return decoder.decode(arena.subarray(from, to))
    let text = ''
    for (let at = from; at < to; at++) text += String.fromCharCode(arena[at]!)
    return text
  }

  /** Bytes of a value. */
  length(code: number): number {
    return this.#ends[code]! - this.#ends[code - 1]!
  }

  /** Copy a value's bytes to `at` of the target, which has room for them. */
  copy(code: number, target: Uint8Array, at: number): void {
    const arena = this.#arena
    const from = this.#ends[code - 1]!
    const to = this.#ends[code]!
    if (to - from > 64) target.set(arena.subarray(from, to), at)
    else for (let each = from; each < to; each++) target[at + each - from] = arena[each]!
  }

  /** Whether a value has one of these bytes. */
  hasAny(code: number, wanted: readonly number[]): boolean {
    const to = this.#ends[code]!
    for (let at = this.#ends[code - 1]!; at < to; at++) if (wanted.includes(this.#arena[at]!)) return true
    return false
  }

  /** Negative, zero or positive as value `a` stands before, equals, or follows `b`, by code points. */
  compare(a: number, b: number): number {
    const arena = this.#arena
    const fromA = this.#ends[a - 1]!
    const fromB = this.#ends[b - 1]!
    const lengthA = this.#ends[a]! - fromA
    const lengthB = this.#ends[b]! - fromB
    const common = Math.min(lengthA, lengthB)
    for (let at = 0; at < common; at++) {
      const difference = arena[fromA + at]! - arena[fromB + at]!
      if (difference !== 0) return difference
    }
    return lengthA - lengthB
  }

  /** The first six bytes as a number that orders as they do. */
  prefix(code: number): number {
    const from = this.#ends[code - 1]!
    const to = this.#ends[code]!
    let prefix = 0
    for (let at = from; at < from + 6; at++) prefix = prefix * 256 + (at < to ? this.#arena[at]! : 0)
    return prefix
  }

  get bytes(): number {
    return this.#arena.byteLength + this.#ends.byteLength + this.#hashes.byteLength + this.#table.byteLength
  }

  #add(bytes: Uint8Array, begin: number, end: number, hash: number): number {
    if (!this.plain && this.size >= PLAIN_FROM && this.size > this.#asked * PLAIN_SHARE) this.#turnPlain()
    if (!isAscii(bytes, begin, end)) decodeStrictly(bytes.subarray(begin, end))
    const code = ++this.size
    const from = this.#ends[code - 1]!
    const to = from + end - begin
    if (to > this.#arena.length) this.#arena = grown(this.#arena, to)
    if (end - begin < 32) for (let at = begin; at < end; at++) this.#arena[from + at - begin] = bytes[at]!
    else this.#arena.set(bytes.subarray(begin, end), from)
    if (code >= this.#ends.length) this.#ends = grown(this.#ends, code + 1)
    this.#ends[code] = to
    if (!this.plain) {
      if (code >= this.#hashes.length) this.#hashes = grown(this.#hashes, code + 1)
      this.#hashes[code] = hash
    }
    return code
  }

  #enter(slot: number, code: number): void {
    // Adding it may have given up the table.
    if (this.#table.length === 0) return
    this.#table[slot] = code
    if (this.size * 2 <= this.#table.length) return
    const table = new Uint32Array(this.#table.length * 2)
    const mask = table.length - 1
    for (let each = 1; each <= this.size; each++) {
      let at = this.#hashes[each]! & mask
      while (table[at] !== 0) at = (at + 1) & mask
      table[at] = each
    }
    this.#table = table
  }

  #turnPlain(): void {
    this.plain = true
    this.#table = new Uint32Array(0)
    this.#hashes = new Uint32Array(0)
  }
}

function grown<T extends Uint8Array | Uint32Array>(array: T, needed: number): T {
  // By half: at 100 MB, doubling would hold 200 MB for one more value.
  const length = Math.max(needed, array.length + (array.length >>> 1))
  const longer = (array instanceof Uint8Array ? new Uint8Array(length) : new Uint32Array(length)) as T
  longer.set(array)
  return longer
}
