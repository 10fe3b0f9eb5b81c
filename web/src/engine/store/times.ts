/** Times as the plant stored them: naive, to the second or finer; held as milliseconds as if they were UTC. */

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const DAYS_KEPT = 20_000
const TWO = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'))

/**
 * Milliseconds of `2026-01-01T00:30:00`, the 19 bytes from `at`; NaN when they are anything else.
 *
 * Raises nothing: what is not such a time is kept as its text by the caller.
 */
export function parseTime(bytes: Uint8Array, at: number): number {
  if (bytes[at + 4] !== 0x2d || bytes[at + 7] !== 0x2d || bytes[at + 10] !== 0x54) return NaN
  if (bytes[at + 13] !== 0x3a || bytes[at + 16] !== 0x3a) return NaN
  const year = two(bytes, at) * 100 + two(bytes, at + 2)
  const month = two(bytes, at + 5)
  const day = two(bytes, at + 8)
  const hour = two(bytes, at + 11)
  const minute = two(bytes, at + 14)
  const second = two(bytes, at + 17)
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month))) return NaN
  if (!(hour < 24 && minute < 60 && second < 60)) return NaN
  return days(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000
}

/** Milliseconds of a time or a day as people write it in a filter; NaN when it is neither. */
export function timeOf(text: string): number {
  const whole = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00` : text.replace(' ', 'T').slice(0, 19)
  const full = whole.length === 16 ? `${whole}:00` : whole
  return full.length === 19 ? parseTime(new TextEncoder().encode(full), 0) : NaN
}

/** `2026-01-01T00:30:00`. Dates of the days met are kept: they make up most of the work. */
export function timeText(milliseconds: number): string {
  const day = Math.floor(milliseconds / DAY_MS)
  const seconds = Math.floor((milliseconds - day * DAY_MS) / 1000)
  const minutes = Math.floor(seconds / 60)
  return `${dayText(day)}T${TWO[Math.floor(minutes / 60)]!}:${TWO[minutes % 60]!}:${TWO[seconds % 60]!}`
}

/** The day, hour or month of a time as a number that is the same for all times in it. */
export function periodOf(milliseconds: number, by: 'day' | 'hour' | 'month'): number {
  if (by === 'hour') return Math.floor(milliseconds / HOUR_MS)
  const day = Math.floor(milliseconds / DAY_MS)
  return by === 'day' ? day : Number(dayText(day).slice(0, 7).replace('-', ''))
}

/** The key of a time's day, hour or month: its beginning as text, which orders as the times do. */
export function periodText(milliseconds: number, by: 'day' | 'hour' | 'month'): string {
  const text = timeText(milliseconds)
  return by === 'day' ? text.slice(0, 10) : by === 'hour' ? text.slice(0, 13) + ':00' : text.slice(0, 7)
}

const dayTexts = new Map<number, string>()

function dayText(day: number): string {
  let text = dayTexts.get(day)
  if (text === undefined) {
    if (dayTexts.size > DAYS_KEPT) dayTexts.clear()
    dayTexts.set(day, (text = new Date(day * DAY_MS).toISOString().slice(0, 10)))
  }
  return text
}

function two(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]! - 0x30
  const ones = bytes[at + 1]! - 0x30
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar, from years that begin in March. */
function days(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
}
