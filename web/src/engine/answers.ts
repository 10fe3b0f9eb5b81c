/** What the stages before and after the events answer (domain.md, 5 to 7), as the service sends it. */

import type { Schemas } from '@/api/contract'

import type { Cell } from './rows'

export type SeedsAnswer = Schemas['SeedsDocument']
export type LineageAnswer = Schemas['LineageDocument']
export type LineageNode = Schemas['NodeDocument']

/** An item of a chart (domain.md, 7); key fields such as `part` and `lot` stand beside `name`. */
export interface AggregationItem {
  readonly name: string
  readonly [field: string]: Cell
}

export interface Aggregation {
  readonly kpi: Readonly<Record<string, Cell>>
  readonly charts: Readonly<Record<string, readonly AggregationItem[] | null>>
  readonly daily_trend: readonly Readonly<Record<string, Cell>>[] | null
  readonly available_loss_reasons: readonly string[]
  readonly detail_total_count: number
  readonly attribution: unknown
  readonly unclassified: unknown
  readonly lineage_complete: boolean
  readonly domains_complete: Readonly<Record<string, boolean>> | boolean
}
