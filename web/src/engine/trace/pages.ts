import { ApiFault, call, faultOf, send } from '@/api/client'

import { addParsed, addRecords } from '../store/records'
import { Table } from '../store/table'
import { decodeStrictly } from '../store/utf8'
import type { Cell, Column } from '../types'

/** Records a page, when everything is fetched by pages. */
export const PAGE_RECORDS = 5000

const HEAD = /"data": ?\[/
const HEAD_BYTES = 600

export interface Page {
  readonly count: number
  readonly total: number
  readonly complete: boolean
  readonly next_offset: number | null
}

/** Add a page of the domain's records, from where its table ends. Raises `ApiFault`; adds nothing then. */
export async function addPage(jobId: string, table: Table, limit: number, signal: AbortSignal): Promise<Page> {
  const query = new URLSearchParams({ domain: table.domain, offset: String(table.length), limit: String(limit) })
  const response = await send('GET', `/job/${encodeURIComponent(jobId)}/result?${query.toString()}`, undefined, { signal })
  const bytes = new Uint8Array(await response.arrayBuffer())
  const before = table.length
  try {
    const page = readPage(table, bytes)
    if (table.length - before !== page.count) throw new TypeError('it has not as many records as it says')
    return page
  } catch (error) {
    table.truncate(before)
    const why = error instanceof Error ? error.message : 'it cannot be read'
    throw new ApiFault(faultOf('LINE_MALFORMED', `A page of ${table.domain} is damaged: ${why}.`, { retryable: true }))
  }
}

function readPage(table: Table, bytes: Uint8Array): Page {
  const head = HEAD.exec(String.fromCharCode(...bytes.subarray(0, HEAD_BYTES)))
  if (head !== null) {
    const begin = head.index + head[0].length - 1
    const end = addRecords(table, bytes, begin, bytes.length)
    if (end >= 0) {
      const around = decodeStrictly(bytes.subarray(0, begin)) + '[]' + decodeStrictly(bytes.subarray(end))
      return JSON.parse(around) as Page
    }
  }
  const whole = JSON.parse(decodeStrictly(bytes)) as Page & { data: unknown[] }
  addParsed(table, whole.data)
  return whole
}

/** Rows `first` to `last` (exclusive) straight from the server, kept nowhere. */
export async function windowOf(
  jobId: string,
  domain: string,
  columns: readonly Column[],
  first: number,
  last: number,
): Promise<Cell[][]> {
  const query = new URLSearchParams({ domain, offset: String(first), limit: String(last - first) })
  const response = await send('GET', `/job/${encodeURIComponent(jobId)}/result?${query.toString()}`)
  const table = new Table(domain, columns)
  readPage(table, new Uint8Array(await response.arrayBuffer()))
  return Array.from({ length: table.length }, (_, row) => table.cells(row))
}

/** The columns of every domain, from the catalogue: for domains whose `domain_start` never came. */
export async function catalogueColumns(signal: AbortSignal): Promise<Map<string, Column[]>> {
  const catalogue = (await call('GET', '/catalogue', undefined, { signal })) as {
    domains: Record<string, { columns: Column[] }>
  }
  return new Map(Object.entries(catalogue.domains).map(([name, { columns }]) => [name, columns]))
}
