/** Days as `2026-01-31`, on this computer's calendar. */

export function dayOf(date: Date): string {
  const two = (n: number) => String(n).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

export function daysAgo(days: number): string {
  const date = new Date()
  date.setDate(date.getDate() - days)
  return dayOf(date)
}

export function firstOfMonth(): string {
  const date = new Date()
  date.setDate(1)
  return dayOf(date)
}
