/** What the stages before and after the events answer (domain.md, 5 to 7), as the service sends it. */

import type { Cell } from './rows'

export interface SeedsAnswer {
  readonly seeds: readonly {
    readonly container_id: string
    readonly container_name: string | null
    readonly lot_id: string | null
  }[]
  readonly seed_count: number
  readonly not_found: readonly string[]
  readonly expansion: Readonly<Record<string, number>>
}

export interface LineageAnswer {
  readonly roots: readonly string[]
  readonly nodes: Readonly<Record<string, LineageNode>>
  readonly edges: readonly { readonly from_cid: string; readonly to_cid: string; readonly edge_type: string }[]
  readonly total_nodes: number
  readonly depth: number
  readonly truncated: boolean
}

export interface LineageNode {
  readonly container_id: string
  readonly container_name: string | null
  readonly mfgorder_name: string | null
  readonly wafer_lot: string | null
  readonly node_type: string
}

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
