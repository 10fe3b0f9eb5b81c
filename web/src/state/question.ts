import type { TraceRequest } from '@/engine/types'

import { profileOf, type Kind, type Pasted } from './seeds'

/** How a question is sent: straight, or after each kind of name was looked up by itself. */
export type Plan =
  | { readonly how: 'direct'; readonly request: TraceRequest }
  | { readonly how: 'resolve'; readonly profile: 'query_tool' | 'query_tool_reverse'; readonly domains: readonly string[]
      readonly containers: readonly string[]; readonly names: readonly (readonly [Kind, readonly string[]])[] }

/** Names of one kind are resolved by the job itself; of several kinds, each by its own request before it. */
export function planOf(found: Pasted, domains: readonly string[]): Plan {
  const profile = profileOf(found.groups.keys())
  const containers = found.groups.get('container') ?? []
  const names = [...found.groups].filter(([kind]) => kind !== 'container')
  if (names.length === 0) return { how: 'direct', request: { profile, container_ids: containers, domains } }
  if (names.length === 1 && containers.length === 0) {
    const [resolve_type, values] = names[0]!
    return { how: 'direct', request: { profile, seeds: { resolve_type, values }, domains } }
  }
  return { how: 'resolve', profile, domains, containers, names }
}

export interface Range {
  readonly station: string
  readonly direction: 'backward' | 'forward'
  readonly from: string
  readonly to: string
}

export function rangeRequest(range: Range): TraceRequest {
  const { station, direction, from, to } = range
  return {
    profile: 'mid_section_defect',
    params: { mode: 'date_range', direction, station, start_date: from, end_date: to },
  }
}

export function lotsRequest(found: Pasted, station: string, direction: string): TraceRequest {
  const [kind, values] = [...found.groups][0]!
  const params = { mode: 'container', direction, station }
  if (kind === 'container') return { profile: 'mid_section_defect', container_ids: values, seed_container_ids: values, params }
  return { profile: 'mid_section_defect', params: { ...params, resolve_type: kind, values } }
}

/** Days from `from` to `to`, both included; 0 when the end lies before the start. */
export function daysOf(from: string, to: string): number {
  const days = (Date.parse(to) - Date.parse(from)) / 86_400_000
  return Number.isFinite(days) && days >= 0 ? Math.round(days) + 1 : 0
}

export const MAX_RANGE_DAYS = 730

// ---------------------------------------------------------------- questions of this browser, to ask them again

const KEY = 'tracesvc.questions'
const KEPT = 20
const MAX_CHARACTERS = 1_500_000

type Kept = readonly (readonly [jobId: string, request: TraceRequest])[]

function kept(): Kept {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '[]') as Kept
  } catch {
    return []
  }
}

/** Keep the question of a job, so that it can be asked again; the oldest go first, and what is too large. */
export function keepQuestion(jobId: string, request: TraceRequest): void {
  let all: Kept = [[jobId, request] as const, ...kept().filter(([id]) => id !== jobId)].slice(0, KEPT)
  let text = JSON.stringify(all)
  while (text.length > MAX_CHARACTERS && all.length > 0) {
    all = all.slice(0, -1)
    text = JSON.stringify(all)
  }
  try {
    localStorage.setItem(KEY, text)
  } catch {
    // Without storage a question cannot be asked again; everything else works.
  }
}

export function questionOf(jobId: string): TraceRequest | null {
  return kept().find(([id]) => id === jobId)?.[1] ?? null
}

export function forgetQuestion(jobId: string): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(kept().filter(([id]) => id !== jobId)))
  } catch {
    // As above.
  }
}
