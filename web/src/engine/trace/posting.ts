import { send } from '@/api/client'
import type { Schemas } from '@/api/contract'

import { NDJSON } from '../net/stream'
import type { TraceRequest } from '../types'
import type { AskOptions } from './options'

/** A question's answer: a job that is followed from here on, or lines that are already on their way. */
export type Posted = { readonly job: Schemas['Accepted'] } | { readonly response: Response }

/** Ask. Raises `ApiFault` when the service refuses. */
export async function post(request: TraceRequest, how: AskOptions, signal: AbortSignal): Promise<Posted> {
  const headers: Record<string, string> = { Accept: `${NDJSON}, application/json;q=0.1` }
  if (how.asJob === true) headers['Prefer'] = 'respond-async'
  if (how.fresh === true) headers['Cache-Control'] = 'no-cache'
  const response = await send('post', '/events', request, { signal, headers })
  return response.status === 202 ? { job: (await response.json()) as Schemas['Accepted'] } : { response }
}
