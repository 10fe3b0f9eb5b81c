/** Text as it comes: bytes of UTF-8, looked at without making strings of them. */

export const QUOTE = 0x22
export const BACKSLASH = 0x5c
export const COMMA = 0x2c
export const LETTER_N = 0x6e

/** Good enough to spread values, and cheap: FNV-1a folded into 32 bits. */
export const HASH_START = 0x811c9dc5 | 0

export function hashOf(bytes: Uint8Array, begin: number, end: number): number {
  let hash = HASH_START
  for (let at = begin; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return finish(hash)
}

export function finish(hash: number): number {
  return (hash ^ (hash >>> 15)) >>> 0
}

export function isAscii(bytes: Uint8Array, begin: number, end: number): boolean {
  for (let at = begin; at < end; at++) if (bytes[at]! > 0x7f) return false
  return true
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Raises `TypeError` when the bytes are not UTF-8. */
export function decodeStrictly(bytes: Uint8Array): string {
  return strict.decode(bytes)
}

/** Whether the bytes are `null` from here on. */
export function isNull(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === LETTER_N && bytes[at + 1] === 0x75 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x6c
}

/** The position after the string that begins at `at` with a quote, or -1 when it does not end. */
export function endOfString(bytes: Uint8Array, at: number): number {
  for (let next = at + 1; next < bytes.length; next++) {
    const byte = bytes[next]!
    if (byte === QUOTE) return next + 1
    if (byte === BACKSLASH) next++
  }
  return -1
}

/** The position after the number, boolean or null that begins at `at`. */
export function endOfPlain(bytes: Uint8Array, at: number): number {
  let next = at
  for (; next < bytes.length; next++) {
    const byte = bytes[next]!
    if (byte === COMMA || byte === 0x7d || byte === 0x5d || byte <= 0x20) break
  }
  return next
}
