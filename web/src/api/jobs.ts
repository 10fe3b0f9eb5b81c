import { ApiFault, call, faultOf } from './client'
import type { CallOptions, Schemas } from './contract'

export type JobStatus = Schemas['JobDocument']

/** A job's status; with `wait` (seconds, up to 30) when something has changed. Raises `ApiFault`. */
export function jobStatus(jobId: string, options: CallOptions & { readonly wait?: number } = {}): Promise<JobStatus> {
  const { wait, ...rest } = options
  const query = wait === undefined ? {} : { wait }
  return call('get', '/api/trace/job/{job_id}', { path: { job_id: jobId }, query, ...rest })
}

/** The caller's jobs, the newest first. */
export async function listJobs(signal: AbortSignal): Promise<readonly JobStatus[]> {
  return (await call('get', '/api/trace/jobs', { query: { limit: 20 }, signal })).jobs
}

/** Stop a job on the server and free its result. */
export async function deleteJob(jobId: string): Promise<void> {
  await call('delete', '/api/trace/job/{job_id}', { path: { job_id: jobId } })
}

/** Raise `ApiFault` for a job that has ended otherwise than it should. */
export function throwUnlessFinished({ status, error }: JobStatus): void {
  if (error !== null) throw new ApiFault(faultOf(error.code, error.message))
  if (status !== 'finished') throw new ApiFault(faultOf('JOB_CANCELLED', 'The job was cancelled.'))
}
