import type { TraceFault } from '@/engine/types'

import type { Answer, CallOptions, Given, Method, Operation, Route } from './contract'
import { authorization, tellRefused } from './credential'

export const API = '/api/trace'

/** What an answer that is no success becomes: a `fault` that can be shown as it is. */
export class ApiFault extends Error {
  override readonly name = 'ApiFault'

  constructor(readonly fault: TraceFault) {
    super(fault.message)
  }
}

type Value = string | number | boolean | null | undefined
type Pairs = Readonly<Record<string, Value | readonly Value[]>>

/** An operation with what it was given, as `call` takes it apart. */
interface Loose extends CallOptions {
  readonly path?: Readonly<Record<string, string>>
  readonly query?: Pairs
  readonly body?: unknown
}

/**
 * Call an operation of the API and read its JSON, both typed by the OpenAPI document.
 *
 * Raises `ApiFault` for everything that is no success; an abort passes as it is.
 */
export async function call<M extends Method, P extends Route<M>>(
  method: M,
  path: P,
  ...given: object extends Given<Operation<M, P>> ? [Given<Operation<M, P>>?] : [Given<Operation<M, P>>]
): Promise<Answer<Operation<M, P>>> {
  const { path: parts, query, body, ...options } = (given[0] ?? {}) as Loose
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(parts?.[name] ?? ''))
  const response = await send(method, filled + queryOf(query), body, options)
  const text = await reading(response.text())
  try {
    return JSON.parse(text) as Answer<Operation<M, P>>
  } catch {
    throw new ApiFault(faultOf('NETWORK', 'The answer of the server is no JSON: something between it and this page changed it.'))
  }
}

/** `?name=value&…`, a list as one pair for each of its values; what is undefined or null is left out. */
export function queryOf(query: Pairs = {}): string {
  const all = new URLSearchParams()
  for (const [name, given] of Object.entries(query)) {
    for (const value of typeof given === 'object' && given !== null ? given : [given]) {
      if (value !== undefined && value !== null) all.append(name, String(value))
    }
  }
  return all.size === 0 ? '' : `?${all.toString()}`
}

/** A request to `path`, under `/api/trace` or beginning with it; the response, whose body is still to be read. */
export async function send(
  method: Method,
  path: string,
  body?: unknown,
  options: CallOptions = {},
): Promise<Response> {
  const url = path.startsWith(API) || /^https?:/.test(path) ? path : API + path
  const headers: Record<string, string> = { Accept: 'application/json', ...authorization(), ...options.headers }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  const init: RequestInit = { method: method.toUpperCase(), headers, cache: 'no-store', credentials: 'same-origin' }
  if (body !== undefined) init.body = JSON.stringify(body)
  if (options.signal) init.signal = options.signal
  const response = await reading(fetch(url, init))
  if (response.status === 401) tellRefused()
  if (!response.ok) throw new ApiFault(await faultOfResponse(response))
  return response
}

/** What a promise of the network gives; a failure of the network becomes an `ApiFault`. */
export async function reading<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    if (isAbort(error) || error instanceof ApiFault) throw error
    throw new ApiFault(faultOf('NETWORK', 'The server cannot be reached, or the connection was cut.', { retryable: true }))
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

/** A fault of our own. */
export function faultOf(code: string, message: string, more: Partial<TraceFault> = {}): TraceFault {
  return { code, message, status: null, retryable: false, retryAfterSeconds: null, fields: [], line: null, ...more }
}

/** What an error answer says (RFC 9457), also one that a proxy made up. */
export async function faultOfResponse(response: Response): Promise<TraceFault> {
  const problem = await problemOf(response)
  const { status } = response
  const code = text(problem['code']) ?? `HTTP_${String(status)}`
  const message = text(problem['detail']) ?? text(problem['title']) ?? `The server answered ${String(status)}.`
  return faultOf(code, message, {
    status,
    retryable: status === 429 || status === 503 || status === 502 || status === 504,
    retryAfterSeconds: retryAfter(response.headers.get('retry-after')),
    fields: fieldsOf(problem['errors']),
  })
}

/** Seconds of a `Retry-After`, as a number or a date (RFC 9110, 10.2.3). */
export function retryAfter(header: string | null, now = Date.now()): number | null {
  if (header === null || header.trim() === '') return null
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(seconds, 0)
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max((date - now) / 1000, 0)
}

async function problemOf(response: Response): Promise<Record<string, unknown>> {
  try {
    const value: unknown = await response.json()
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function fieldsOf(errors: unknown): TraceFault['fields'] {
  if (!Array.isArray(errors)) return []
  return errors.slice(0, 50).map((error: unknown) => {
    const { loc, msg } = (typeof error === 'object' && error !== null ? error : {}) as { loc?: unknown; msg?: unknown }
    return { where: Array.isArray(loc) ? loc.map(String).join('.') : '', message: text(msg) ?? '' }
  })
}
