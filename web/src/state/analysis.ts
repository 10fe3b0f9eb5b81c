import { call } from '@/api/client'
import type { Aggregation, Cell } from '@/engine/types'

/** The analysis asked again with other filters, and its detail rows; both from the stored result (protocol.md, 1). */
export interface AnalysisFilters {
  readonly loss_reasons: readonly string[]
  readonly pj_types: readonly string[]
  readonly packages: readonly string[]
}

export const NO_FILTERS: AnalysisFilters = { loss_reasons: [], pj_types: [], packages: [] }

export interface DetailPage {
  readonly total: number
  readonly offset: number
  readonly data: readonly Readonly<Record<string, Cell>>[]
}

const path = (jobId: string): string => `/job/${encodeURIComponent(jobId)}`

export async function aggregate(jobId: string, filters: AnalysisFilters): Promise<Aggregation> {
  const answer = (await call('POST', `${path(jobId)}/aggregate`, filters)) as { data: Aggregation }
  return answer.data
}

export interface DetailQuery {
  readonly offset: number
  readonly limit: number
  readonly sort: string | null
  readonly order: 'asc' | 'desc'
}

export function detailQuery(filters: AnalysisFilters, query: Partial<DetailQuery>): string {
  const all = new URLSearchParams()
  for (const [name, values] of Object.entries(filters)) for (const value of values as string[]) all.append(name, value)
  for (const [name, value] of Object.entries(query)) if (value !== null) all.set(name, String(value))
  return all.toString()
}

export async function detail(jobId: string, filters: AnalysisFilters, query: DetailQuery): Promise<DetailPage> {
  // The service's own order, until one is chosen.
  const { offset, limit } = query
  const chosen = query.sort === null ? { offset, limit } : query
  return (await call('GET', `${path(jobId)}/detail?${detailQuery(filters, chosen)}`)) as DetailPage
}

export function detailCsv(jobId: string, filters: AnalysisFilters): string {
  return `/api/trace${path(jobId)}/detail?${detailQuery(filters, {})}&format=csv`
}
