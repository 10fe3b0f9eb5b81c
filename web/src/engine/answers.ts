/** What the stages before and after the events answer (domain.md, 5 to 7), as the service sends it. */

import type { Schemas } from '@/api/contract'

export type SeedsAnswer = Schemas['SeedsDocument']
export type LineageAnswer = Schemas['LineageDocument']
export type LineageNode = Schemas['NodeDocument']

export type Aggregation = Schemas['Analysis']['data']
/** A bar of a chart; which key fields stand beside `name` depends on the chart. */
export type AggregationItem = Schemas['ChartBar']
