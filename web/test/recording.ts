import { readFileSync } from 'node:fs'

import { LineDecoder } from '@/engine/net/lines'
import { type Message, readLine } from '@/engine/net/messages'
import { Table } from '@/engine/store/table'
import type { Cell } from '@/engine/types'

/** A finished job's stream over three lots of the tiny plant, two records a line, as the server sent it. */
export const PLAIN = new Uint8Array(readFileSync(new URL('recorded/three-lots.ndjson', import.meta.url)))
/** The same job as zstd frames, one a line. */
export const FRAMES = new Uint8Array(readFileSync(new URL('recorded/three-lots.ndjson.zst', import.meta.url)))

/** What JSON.parse makes of the recording. */
export const LINES = new TextDecoder()
  .decode(PLAIN)
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Message & { data?: Record<string, Cell>[] })

/** The records of a domain, as JSON.parse makes them, in the order of its columns. */
export function expectedRows(domain: string): Cell[][] {
  const records = LINES.filter((line) => line.type === 'records' && line.domain === domain)
  return records.flatMap((line) => (line.data ?? []).map((record) => Object.values(record)))
}

export interface Read {
  readonly types: string[]
  readonly tables: Map<string, Table>
  readonly rest: number
}

/** Read a stream that comes in these parts. */
export function readParts(parts: Iterable<Uint8Array>): Read {
  const decoder = new LineDecoder()
  const types: string[] = []
  const tables = new Map<string, Table>()
  for (const part of parts) {
    for (const line of decoder.decode(part)) {
      const message = readLine(line, decoder.count, ({ domain }) => tables.get(domain)!)
      if (message.type === 'domain_start') tables.set(message.domain, new Table(message.domain, message.columns))
      types.push(message.type)
    }
  }
  return { types, tables, rest: decoder.rest }
}

export function rowsOf(table: Table): Cell[][] {
  return Array.from({ length: table.length }, (_, row) => table.cells(row))
}
