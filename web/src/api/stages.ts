import { ApiFault, call, faultOf } from './client'
import type { CallOptions, Schemas } from './contract'
import { jobStatus, throwUnlessFinished } from './jobs'

const WAIT_SECONDS = 30

/** Names as containers, at once or from a job that is waited for. Raises `ApiFault`. */
export async function resolveSeeds(body: Schemas['SeedRequest'], options: CallOptions = {}): Promise<Schemas['SeedsDocument']> {
  const answer = await call('post', '/api/trace/seed-resolve', { body, ...options })
  return 'seeds' in answer ? answer : ofJob(answer.job_id, 'seed-resolve', options)
}

/** Where containers come from, or what became of them; likewise. */
export async function traceLineage(body: Schemas['LineageRequest'], options: CallOptions = {}): Promise<Schemas['LineageDocument']> {
  const answer = await call('post', '/api/trace/lineage', { body, ...options })
  return 'nodes' in answer ? answer : ofJob(answer.job_id, 'lineage', options)
}

type Documents = Schemas['SeedsDocument'] | Schemas['LineageDocument']

async function ofJob<S extends Documents['stage']>(jobId: string, stage: S, options: CallOptions): Promise<Extract<Documents, { readonly stage: S }>> {
  for (let wait = 0; ; wait = WAIT_SECONDS) {
    const status = await jobStatus(jobId, { wait, ...options })
    if (status.status === 'queued' || status.status === 'running') continue
    throwUnlessFinished(status)
    break
  }
  const result = await call('get', '/api/trace/job/{job_id}/result', { path: { job_id: jobId }, ...options })
  if (!('stage' in result) || result.stage !== stage) throw new ApiFault(faultOf('ENGINE', `The job ${jobId} has no answer of the stage ${stage}.`))
  return result as Extract<Documents, { readonly stage: S }>
}
