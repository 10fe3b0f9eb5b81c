import type { GroupKey, Measure } from '@/engine/types'
import type { en } from '@/i18n/en'

/** The charts that can be drawn from a domain's records. */
export interface ChartSpec {
  readonly id: keyof typeof en.chart
  readonly domain: string
  readonly kind: 'pareto' | 'trend' | 'matrix'
  readonly keys: readonly GroupKey[]
  readonly measure: Measure
  readonly unit: 'quantity' | 'hours' | 'sessions' | 'events'
}

const COUNT: Measure = { op: 'count' }
const sum = (column: string): Measure => ({ op: 'sum', column })
const day = (column: string): GroupKey => ({ column, by: 'day' })

/** In the order in which engineers ask: what was lost, where, when; then how it ran, what went in, what stopped it. */
export const SPECS: readonly ChartSpec[] = [
  { id: 'rejectsByReason', domain: 'rejects', kind: 'pareto', keys: [{ column: 'LOSSREASONNAME' }], measure: sum('REJECT_TOTAL_QTY'), unit: 'quantity' },
  { id: 'rejectsByStation', domain: 'rejects', kind: 'pareto', keys: [{ column: 'WORKCENTER_GROUP' }], measure: sum('REJECT_TOTAL_QTY'), unit: 'quantity' },
  { id: 'rejectsMatrix', domain: 'rejects', kind: 'matrix', keys: [{ column: 'WORKCENTER_GROUP' }, { column: 'LOSSREASONNAME' }], measure: sum('REJECT_TOTAL_QTY'), unit: 'quantity' },
  { id: 'rejectsDaily', domain: 'rejects', kind: 'trend', keys: [day('TXN_DAY')], measure: sum('REJECT_TOTAL_QTY'), unit: 'quantity' },
  { id: 'downstreamByReason', domain: 'downstream_rejects', kind: 'pareto', keys: [{ column: 'LOSSREASONNAME' }], measure: sum('REJECT_TOTAL_QTY'), unit: 'quantity' },
  { id: 'downstreamByStation', domain: 'downstream_rejects', kind: 'pareto', keys: [{ column: 'WORKCENTER_GROUP' }], measure: sum('REJECT_TOTAL_QTY'), unit: 'quantity' },
  { id: 'historyByStation', domain: 'history', kind: 'pareto', keys: [{ column: 'WORKCENTERNAME' }], measure: COUNT, unit: 'sessions' },
  { id: 'historyByEquipment', domain: 'history', kind: 'pareto', keys: [{ column: 'EQUIPMENTNAME' }], measure: COUNT, unit: 'sessions' },
  { id: 'historyDaily', domain: 'history', kind: 'trend', keys: [day('TRACKINTIMESTAMP')], measure: COUNT, unit: 'sessions' },
  { id: 'upstreamByStation', domain: 'upstream_history', kind: 'pareto', keys: [{ column: 'WORKCENTER_GROUP' }], measure: COUNT, unit: 'sessions' },
  { id: 'upstreamByEquipment', domain: 'upstream_history', kind: 'pareto', keys: [{ column: 'EQUIPMENTNAME' }], measure: COUNT, unit: 'sessions' },
  { id: 'materialsByPart', domain: 'materials', kind: 'pareto', keys: [{ column: 'MATERIALPARTNAME' }], measure: sum('QTYCONSUMED'), unit: 'quantity' },
  { id: 'materialsByLot', domain: 'materials', kind: 'pareto', keys: [{ column: 'MATERIALLOTNAME' }], measure: COUNT, unit: 'events' },
  { id: 'holdsByReason', domain: 'holds', kind: 'pareto', keys: [{ column: 'HOLDREASONNAME' }], measure: sum('HOLD_HOURS'), unit: 'hours' },
  { id: 'holdsDaily', domain: 'holds', kind: 'trend', keys: [day('HOLDTXNDATE')], measure: COUNT, unit: 'events' },
  { id: 'jobsBySymptom', domain: 'jobs', kind: 'pareto', keys: [{ column: 'SYMPTOMCODENAME' }], measure: { op: 'distinct', column: 'JOBID' }, unit: 'events' },
  { id: 'jobsByResource', domain: 'jobs', kind: 'pareto', keys: [{ column: 'RESOURCENAME' }], measure: { op: 'distinct', column: 'JOBID' }, unit: 'events' },
]
