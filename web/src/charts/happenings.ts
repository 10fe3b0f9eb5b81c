import type { Cell, TraceRecord } from '@/engine/types'

/** Something that happened to a lot: from when to when, what, where, how much. */
export type Lane = 'sessions' | 'holds' | 'rejects' | 'materials' | 'jobs'

export interface Happening {
  readonly lane: Lane
  readonly from: string
  /** Null for what takes no time, and for what is still open. */
  readonly to: string | null
  readonly open: boolean
  readonly what: string
  readonly where: string
  /** The row of the time line: the station of a session, else the lane. */
  readonly station: string
  readonly amount: number | null
  readonly out: number | null
}

type Reader = (record: TraceRecord) => Happening | null

const text = (...cells: (Cell | undefined)[]): string => cells.filter((cell) => cell !== null && cell !== undefined && cell !== '').join(' · ')
const quantity = (cell: Cell | undefined): number | null => (typeof cell === 'number' ? cell : null)
const time = (cell: Cell | undefined): string | null => (typeof cell === 'string' ? cell : null)

function span(lane: Lane, record: TraceRecord, from: string, to: string | null): Pick<Happening, 'lane' | 'from' | 'to' | 'open'> | null {
  const begin = time(record[from])
  if (begin === null) return null
  const end = to === null ? null : time(record[to])
  return { lane, from: begin, to: end, open: to !== null && end === null }
}

const READERS: Readonly<Record<string, Reader>> = {
  history: (r) => {
    const when = span('sessions', r, 'TRACKINTIMESTAMP', 'TRACKOUTTIMESTAMP')
    const station = text(r['WORKCENTERNAME'])
    return when && { ...when, what: text(r['SPECNAME']), where: text(station, r['EQUIPMENTNAME']), station, amount: quantity(r['TRACKINQTY']), out: quantity(r['TRACKOUTQTY']) }
  },
  upstream_history: (r) => {
    const when = span('sessions', r, 'TRACKINTIMESTAMP', null)
    const station = text(r['WORKCENTERNAME'])
    return when && { ...when, what: text(r['SPECNAME']), where: text(station, r['EQUIPMENTNAME']), station, amount: quantity(r['TRACKINQTY']), out: null }
  },
  holds: (r) => {
    const when = span('holds', r, 'HOLDTXNDATE', 'RELEASETXNDATE')
    return when && { ...when, what: text(r['HOLDREASONNAME'], r['HOLDCOMMENTS']), where: text(r['WORKCENTERNAME']), station: '', amount: quantity(r['HOLD_HOURS']), out: null }
  },
  rejects: (r) => reject(r),
  downstream_rejects: (r) => reject(r),
  materials: (r) => {
    const when = span('materials', r, 'TXNDATE', null)
    return when && { ...when, what: text(r['MATERIALPARTNAME'], r['MATERIALLOTNAME']), where: text(r['WORKCENTERNAME'], r['EQUIPMENTNAME']), station: '', amount: quantity(r['QTYCONSUMED']), out: null }
  },
  jobs: (r) => {
    const when = span('jobs', r, 'CREATEDATE', 'COMPLETEDATE')
    return when && { ...when, what: text(r['JOBORDERNAME'], r['SYMPTOMCODENAME'], r['REPAIRCODENAME']), where: text(r['RESOURCENAME']), station: '', amount: null, out: null }
  },
}

function reject(r: TraceRecord): Happening | null {
  const when = span('rejects', r, 'TXNDATE', null)
  return when && { ...when, what: text(r['LOSSREASONNAME'], r['REJECTCOMMENT']), where: text(r['WORKCENTERNAME'], r['EQUIPMENTNAME']), station: '', amount: quantity(r['REJECT_TOTAL_QTY']), out: null }
}

export const TIMELINE_DOMAINS = Object.keys(READERS)

/** A lot's records of some domains as one story, in time. What has no time at all cannot be placed and is left out. */
export function happenings(records: Readonly<Record<string, readonly TraceRecord[]>>): Happening[] {
  // The two histories tell the same sessions; the fuller one is taken.
  const skip = (records['history']?.length ?? 0) > 0 ? 'upstream_history' : ''
  return Object.entries(records)
    .filter(([domain]) => domain !== skip)
    .flatMap(([domain, all]) => all.map((record) => READERS[domain]?.(record) ?? null))
    .filter((one) => one !== null)
    .sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
}

/** The rows from top to bottom: stations in the order in which the lot came to them, then the other lanes. */
export function rowsOf(all: readonly Happening[]): string[] {
  const stations = [...new Set(all.filter((one) => one.lane === 'sessions').map((one) => one.station))]
  const lanes = (['holds', 'rejects', 'materials', 'jobs'] as const).filter((lane) => all.some((one) => one.lane === lane))
  return [...stations.map((station) => `sessions:${station}`), ...lanes]
}

export function rowOf(one: Happening): string {
  return one.lane === 'sessions' ? `sessions:${one.station}` : one.lane
}
