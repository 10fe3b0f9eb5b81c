import type { Cell, Column } from '@/engine/types'

/** Numbers from 0 up to 1 that are the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export const COLUMNS: Column[] = [
  { name: 'LOT', type: 'string' },
  { name: 'STATION', type: 'string' },
  { name: 'NOTE', type: 'string' },
  { name: 'QTY', type: 'number' },
  { name: 'HOURS', type: 'number' },
  { name: 'AT', type: 'timestamp' },
  { name: 'OPEN', type: 'boolean' },
]

const STATIONS = ['焊接_DB', '成型', 'TMTT', 'tmtt-2', '測試', 'PKG_SAW', '']
const NOTES = ['', 'a,b', 'say "so"', 'two\nlines', 'tab\there', '𠮷田', 'null', 'ÄÖ', '12.5', '品質異常']

/** Rows as the reference holds them: plain arrays. */
export function randomRows(random: () => number, count: number): Cell[][] {
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const missing = (share: number): boolean => random() < share
  return Array.from({ length: count }, (_, row) => [
    `GA${String(Math.floor(row / 3 + random() * 2)).padStart(6, '0')}`,
    missing(0.1) ? null : pick(STATIONS),
    missing(0.3) ? null : random() < 0.5 ? pick(NOTES) : `note ${Math.floor(random() * 1e9)}`,
    missing(0.1) ? null : Math.floor(random() * 2000) - 500,
    missing(0.2) ? null : Math.round(random() * 1e6) / 100,
    missing(0.2) ? null : new Date(1.767e12 + Math.floor(random() * 90 * 24) * 3_600_000).toISOString().slice(0, 19),
    missing(0.2) ? null : random() < 0.5,
  ])
}

/** Rows as the server writes them: one `records` line. */
export function recordsLine(rows: readonly Cell[][], batch: number, offset: number): Uint8Array {
  const data = rows.map((cells) => Object.fromEntries(cells.map((cell, at) => [COLUMNS[at]!.name, cell])))
  const head = `{"type":"records","domain":"d","batch":${batch},"offset":${offset},"count":${rows.length},"data":`
  return new TextEncoder().encode(`${head}${JSON.stringify(data)}}`)
}
