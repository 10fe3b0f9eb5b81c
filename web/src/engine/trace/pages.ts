import { ApiFault, call, faultOf, queryOf, send } from '@/api/client'
import type { CallOptions, Operation, Schemas } from '@/api/contract'

import { addParsed, addRecords } from '../store/records'
import { Table } from '../store/table'
import { decodeStrictly } from '../store/utf8'
import type { Cell, Column } from '../types'

/** Records a page, when everything is fetched by pages. */
export const PAGE_RECORDS = 5000

const HEAD = /"data": ?\[/
const HEAD_BYTES = 600

export type Page = Omit<Schemas['Page'], 'data'>

/** Add a page of the domain's records, from where its table ends. Raises `ApiFault`; adds nothing then. */
export async function addPage(jobId: string, table: Table, limit: number, signal: AbortSignal): Promise<Page> {
  const bytes = await pageBytes(jobId, { domain: table.domain, offset: table.length, limit }, { signal })
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
  const whole = JSON.parse(decodeStrictly(bytes)) as Page & { readonly data: readonly unknown[] }
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
  const bytes = await pageBytes(jobId, { domain, offset: first, limit: last - first })
  const table = new Table(domain, columns)
  readPage(table, bytes)
  return Array.from({ length: table.length }, (_, row) => table.cells(row))
}

type PageQuery = NonNullable<Operation<'get', '/api/trace/job/{job_id}/result'>['parameters']['query']>

/** Bytes, as records go from them into columns without being objects in between. */
async function pageBytes(jobId: string, query: PageQuery, options: CallOptions = {}): Promise<Uint8Array> {
  const response = await send('get', `/job/${encodeURIComponent(jobId)}/result${queryOf(query)}`, undefined, options)
  return new Uint8Array(await response.arrayBuffer())
}

/** The columns of every domain, from the catalogue: for domains whose `domain_start` never came. */
export async function catalogueColumns(signal: AbortSignal): Promise<Map<string, readonly Column[]>> {
  const { domains } = await call('get', '/api/trace/catalogue', { signal })
  return new Map(Object.entries(domains).map(([name, { columns }]) => [name, columns]))
}
