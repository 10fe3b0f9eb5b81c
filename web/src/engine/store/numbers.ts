const POWERS = Float64Array.from({ length: 16 }, (_, exponent) => 10 ** exponent)

/** Where the last `parseNumber` ended; -1 when it was no plain number of at most 15 digits. */
export let numberEnd = -1

/**
 * The number that begins at `at`, when it has at most 15 digits and no exponent: then whole digits and
 * power of ten are both exact doubles, and one division rounds correctly. Sets `numberEnd`.
 */
export function parseNumber(bytes: Uint8Array, at: number): number {
  let next = at
  const negative = bytes[next] === 0x2d
  if (negative) next++
  let whole = 0
  const first = next
  let byte = bytes[next]!
  while (byte >= 0x30 && byte <= 0x39) {
    whole = whole * 10 + byte - 0x30
    byte = bytes[++next]!
  }
  let digits = next - first
  let value = whole
  // JSON knows no number that begins with a needless zero.
  if (digits === 0 || (digits > 1 && bytes[first] === 0x30)) return fail()
  if (byte === 0x2e) {
    const point = ++next
    byte = bytes[next]!
    while (byte >= 0x30 && byte <= 0x39) {
      whole = whole * 10 + byte - 0x30
      byte = bytes[++next]!
    }
    const decimals = next - point
    digits += decimals
    if (decimals === 0 || digits > 15) return fail()
    value = whole / POWERS[decimals]!
  }
  if (digits > 15 || byte === 0x65 || byte === 0x45 || byte === 0x2e) return fail()
  numberEnd = next
  return negative ? -value : value
}

function fail(): number {
  numberEnd = -1
  return NaN
}

/** A number that JSON would accept. */
export const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
