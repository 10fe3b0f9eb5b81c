import type { Schemas } from '@/api/contract'

import type { Aggregation, LineageAnswer, SeedsAnswer } from '../types'
import { addParsed, addRecords } from '../store/records'
import type { Table } from '../store/table'
import { decodeStrictly } from '../store/utf8'
import { MalformedLine } from './lines'

/** The lines of the stream (protocol.md, 2), records apart: those go into columns. */
type Lines = Pick<
  Schemas,
  'DomainStartLine' | 'DomainEndLine' | 'ProgressLine' | 'WarningLine' | 'CompleteLine' | 'ErrorLine'
> & {
  /** Of any protocol, as far as this page knows: a later one has another number. */
  MetaLine: Omit<Schemas['MetaLine'], 'protocol'> & { readonly protocol: number }
}
export type DomainEndLine = Lines['DomainEndLine']
export type ErrorLine = Lines['ErrorLine']

/** Records that now stand in their domain's table. */
export type Records = Omit<Schemas['RecordsLine'], 'data'>

export type Message =
  | Lines[keyof Lines]
  | { type: 'seeds'; data: SeedsAnswer }
  | { type: 'lineage'; data: LineageAnswer }
  | { type: 'aggregation'; data: Aggregation }
  | Records

const RECORDS = /^\{"type":"records","domain":"([!#-[\]-~]*)","batch":(\d+),"offset":(\d+),"count":(\d+),"data":\[/
const HEAD_BYTES = 400
const RECORDS_BEGIN = new TextEncoder().encode('{"type":"records"')
const CLOSE_OBJECT = 0x7d
/** Types that this page knows; others of a later protocol are left aside, as the protocol number says. */
const KNOWN = new Set([
  'meta',
  'seeds',
  'lineage',
  'aggregation',
  'domain_start',
  'records',
  'domain_end',
  'progress',
  'warning',
  'complete',
  'error',
])

/** Gives the table that records with this head go into; raises `MalformedLine` when they may not come now. */
export type TableOf = (head: Records) => Table

/** What a line says. Records are in their table when this returns. Raises `MalformedLine`. */
export function readLine(line: Uint8Array, number: number, tableOf: TableOf): Message {
  const head = recordsHead(line)
  if (head !== null) {
    const table = tableOf(head.records)
    const before = table.length
    const after = addRecords(table, line, head.dataAt, line.length)
    if (after >= 0) {
      const whole = after === line.length - 1 && line[after] === CLOSE_OBJECT
      if (whole && table.length - before === head.records.count) return head.records
      table.truncate(before)
      throw new MalformedLine('records are not as many as their line says', number, excerptOf(line))
    }
  }
  return readParsed(line, number, tableOf)
}

function recordsHead(line: Uint8Array): { records: Records; dataAt: number } | null {
  for (let at = 0; at < RECORDS_BEGIN.length; at++) if (line[at] !== RECORDS_BEGIN[at]) return null
  const found = RECORDS.exec(String.fromCharCode(...line.subarray(0, HEAD_BYTES)))
  if (found === null) return null
  const [text, domain, batch, offset, count] = found
  const records: Records = {
    type: 'records',
    domain: domain!,
    batch: Number(batch),
    offset: Number(offset),
    count: Number(count),
  }
  return { records, dataAt: text.length - 1 }
}

function readParsed(line: Uint8Array, number: number, tableOf: TableOf): Message {
  const message = parsed(line, number)
  if (message.type !== 'records') return message
  const { data, ...head } = message as Records & { data?: unknown }
  if (!Array.isArray(data) || data.length !== head.count) {
    throw new MalformedLine('records are not as many as their line says', number, excerptOf(line))
  }
  try {
    addParsed(tableOf(head), data)
  } catch (error) {
    if (error instanceof MalformedLine) throw error
    throw new MalformedLine(error instanceof Error ? error.message : 'no records', number, excerptOf(line))
  }
  return head
}

function parsed(line: Uint8Array, number: number): Message {
  let value: unknown
  try {
    value = JSON.parse(decodeStrictly(line))
  } catch {
    throw new MalformedLine('a line is no JSON', number, excerptOf(line))
  }
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined
  if (typeof type !== 'string' || !KNOWN.has(type)) {
    throw new MalformedLine('a line is of no known type', number, excerptOf(line))
  }
  return value as Message
}

/** A line's beginning for people: at most 120 characters. */
export function excerptOf(line: Uint8Array): string {
  return new TextDecoder().decode(line.subarray(0, 480)).slice(0, 120)
}
