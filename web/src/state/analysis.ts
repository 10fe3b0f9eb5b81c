import { API, call, queryOf } from '@/api/client'
import type { Operation, Schemas } from '@/api/contract'
import type { Aggregation } from '@/engine/types'

/** The analysis asked again with other filters, and its detail rows; both from the stored result (protocol.md, 1). */
export interface AnalysisFilters {
  readonly loss_reasons: readonly string[]
  readonly pj_types: readonly string[]
  readonly packages: readonly string[]
}

export const NO_FILTERS: AnalysisFilters = { loss_reasons: [], pj_types: [], packages: [] }

export type DetailPage = Schemas['DetailPage']
export type DetailQuery = Pick<Required<Asked>, 'offset' | 'limit' | 'order'> & { readonly sort: string | null }

type Asked = NonNullable<Operation<'get', '/api/trace/job/{job_id}/detail'>['parameters']['query']>

export async function aggregate(jobId: string, filters: AnalysisFilters): Promise<Aggregation> {
  const answer = await call('post', '/api/trace/job/{job_id}/aggregate', { path: { job_id: jobId }, body: filters })
  return answer.data
}

export function detail(jobId: string, filters: AnalysisFilters, asked: DetailQuery): Promise<DetailPage> {
  const { sort, order, ...window } = asked
  // The service's own order, until one is chosen.
  const query = { ...filters, ...window, ...(sort === null ? {} : { sort, order }) }
  return call('get', '/api/trace/job/{job_id}/detail', { path: { job_id: jobId }, query })
}

export function detailCsv(jobId: string, filters: AnalysisFilters): string {
  return `${API}/job/${encodeURIComponent(jobId)}/detail${queryOf({ ...filters, format: 'csv' })}`
}
