import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { LINES, expectedRows } from './recording'

const JOB = 'trace-evt-recorded'

/** What a test does to an answer: send it whole, in part, changed, or something else. */
export type Meddle = (answer: { path: string; query: URLSearchParams; body: Buffer; send: (body: Buffer, how?: 'whole' | 'cut') => void; refuse: Refuse }) => void
type Refuse = (status: number, problem: Record<string, unknown>, headers?: Record<string, string>) => void

/**
 * A server that answers as the service did when the job was recorded, for whatever cursor and domains, and
 * lets a test come between.
 */
export class Replay {
  readonly asked: string[] = []
  meddle: Meddle = ({ send, body }) => send(body)
  readonly jobId = JOB
  readonly #server: Server
  readonly #fetch = globalThis.fetch

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  /** From here on the page's requests come here. */
  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const base = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    globalThis.fetch = (input, init) => this.#fetch(new URL(input as string, base), init)
    return this
  }

  async stop(): Promise<void> {
    globalThis.fetch = this.#fetch
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', 'http://replay')
    const path = url.pathname.replace('/api/trace', '')
    this.asked.push(`${request.method ?? ''} ${path}${url.search}`)
    const refuse: Refuse = (status, problem, headers = {}) => {
      response.writeHead(status, { 'Content-Type': 'application/problem+json', ...headers }).end(JSON.stringify(problem))
    }
    const body = bodyOf(request.method ?? '', path, url.searchParams)
    if (body === null) {
      refuse(404, { code: 'JOB_NOT_FOUND', detail: 'There is no such job.' })
      return
    }
    const job = path === '/events' && request.headers['prefer'] === 'respond-async'
    const stream = path.endsWith('/stream') || (path === '/events' && !job)
    const send = (sent: Buffer, how = 'whole'): void => {
      response.writeHead(job ? 202 : 200, { 'Content-Type': stream ? 'application/x-ndjson' : 'application/json' })
      response.write(sent, () => (how === 'cut' ? response.destroy() : response.end()))
    }
    const content = job ? Buffer.from(JSON.stringify({ job_id: JOB, deduplicated: false })) : body
    this.meddle({ path, query: url.searchParams, body: content, send, refuse })
  }
}

function bodyOf(method: string, path: string, query: URLSearchParams): Buffer | null {
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
  const starts = LINES.flatMap((line) => (line.type === 'domain_start' ? [line] : []))
  const ends = LINES.flatMap((line) => (line.type === 'domain_end' ? [line] : []))
  if (path === '/events') return lines(null, null)
  if (path === '/catalogue') return json({ domains: Object.fromEntries(starts.map(({ domain, columns }) => [domain, { columns }])) })
  if (!path.startsWith(`/job/${JOB}`)) return null
  if (method === 'DELETE') return json({ status: 'cancelled' })
  if (path.endsWith('/stream')) return lines(query.get('after'), query.has('domain') ? query.getAll('domain') : null)
  if (path.endsWith('/coverage')) return json({ domains: Object.fromEntries(ends.map(({ domain, containers }) => [domain, containers])) })
  if (path.endsWith('/result')) return json(page(query))
  const domains = Object.fromEntries(
    ends.map(({ domain, count, status }) => [domain, { status, batches_done: 1, batches_total: 1, records: count, failed: 0 }]))
  return json({
    job_id: JOB, status: 'finished', stage: 'events', profile: 'query_tool', cid_count: 3, domains: ends.map(({ domain }) => domain),
    attempt: 1, created_at: null, expires_at: '2026-11-26T00:00:00.000Z', elapsed_seconds: 1,
    progress: { records: 8, domains }, failed_domains: [], error: null,
  })
}

/** The recording's lines as they were sent, after a cursor and of some domains only. */
function lines(after: string | null, domains: readonly string[] | null): Buffer {
  const [from, batch] = after === null ? [null, -1] : [after.split(':')[0]!, Number(after.split(':')[1])]
  const order = LINES.flatMap((line) => (line.type === 'domain_start' ? [line.domain] : []))
  const kept = LINES.filter((line) => {
    if (!('domain' in line)) return true
    if (domains !== null && !domains.includes(line.domain)) return false
    if (from === null) return true
    if (order.indexOf(line.domain) !== order.indexOf(from)) return order.indexOf(line.domain) > order.indexOf(from)
    return line.type !== 'records' || line.batch > batch
  })
  const told = kept.map((line) => {
    if (line.type === 'meta') return { ...line, domains: domains ?? line.domains, resumed_after: after }
    if (line.type !== 'complete' || domains === null) return line
    return { ...line, domains: Object.fromEntries(Object.entries(line.domains).filter(([name]) => domains.includes(name))) }
  })
  return Buffer.from(told.map((line) => JSON.stringify(line) + '\n').join(''))
}

function page(query: URLSearchParams): unknown {
  const domain = query.get('domain') ?? ''
  const offset = Number(query.get('offset'))
  const all = LINES.flatMap((line) => (line.type === 'records' && line.domain === domain ? (line.data ?? []) : []))
  const data = all.slice(offset, offset + Math.min(Number(query.get('limit')), 2))
  const next = offset + data.length
  const rest = next < expectedRows(domain).length
  return { job_id: JOB, domain, offset, limit: 2, count: data.length, total: all.length, complete: true, next_offset: rest ? next : null, data }
}
