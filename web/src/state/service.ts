import { shallowRef } from 'vue'

import { ApiFault, call } from '@/api/client'
import type { Column, TraceFault } from '@/engine/types'

/** What the service offers: its answer to `GET /catalogue`. */
export interface Catalogue {
  readonly profiles: Readonly<Record<string, { readonly domains: readonly string[] }>>
  readonly domains: Readonly<Record<string, { readonly columns: readonly Column[] }>>
  /** Detection stations in the order of the route; a service without the analysis names none. */
  readonly stations?: readonly string[]
  readonly limits: {
    readonly async_cid_threshold: number
    readonly events_cid_limit: number
    readonly job_ttl_seconds: number
  }
}

/** A job as `GET /jobs` lists it (protocol.md, 4). */
export interface JobStatus {
  readonly job_id: string
  readonly status: 'queued' | 'running' | 'finished' | 'failed' | 'cancelled'
  readonly stage: string
  readonly profile: string | null
  readonly cid_count: number | null
  readonly domains: readonly string[]
  readonly progress: {
    readonly percent: number
    readonly records: number
    readonly eta_seconds: number | null
    readonly domains: Readonly<Record<string, { readonly status: string; readonly failed: number }>>
  }
  readonly created_at: string | null
  readonly expires_at: string | null
  readonly failed_domains: readonly string[]
  readonly error: { readonly code: string; readonly message: string } | null
}

const catalogue = shallowRef<Catalogue | null>(null)
const catalogueFault = shallowRef<TraceFault | null>(null)

async function loadCatalogue(): Promise<void> {
  catalogueFault.value = null
  try {
    catalogue.value = (await call('GET', '/catalogue')) as Catalogue
  } catch (error) {
    catalogueFault.value = faultOf(error)
  }
}

/** The catalogue, fetched once for the page. */
export function useCatalogue() {
  if (catalogue.value === null && catalogueFault.value === null) void loadCatalogue()
  return { catalogue, fault: catalogueFault, reload: loadCatalogue }
}

export async function listJobs(signal: AbortSignal): Promise<readonly JobStatus[]> {
  const answer = (await call('GET', '/jobs?limit=20', undefined, { signal })) as { jobs: readonly JobStatus[] }
  return answer.jobs
}

export function deleteJob(jobId: string): Promise<unknown> {
  return call('DELETE', `/job/${encodeURIComponent(jobId)}`)
}

/** Whatever was thrown, as something to show. */
export function faultOf(error: unknown): TraceFault {
  if (error instanceof ApiFault) return error.fault
  const message = error instanceof Error ? error.message : String(error)
  return {
    code: 'ENGINE',
    message,
    status: null,
    retryable: false,
    retryAfterSeconds: null,
    fields: [],
    line: null,
  }
}
