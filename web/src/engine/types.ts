/**
 * What the page works against: a trace as a session, a domain as a source of rows.
 *
 * Rows live in columns in a Web Worker; only windows, counts and versions cross to the page. Everything
 * here is plain data or a promise of it, so that components know neither the worker nor HTTP.
 */

export type ColumnType = 'string' | 'integer' | 'number' | 'boolean' | 'timestamp'

export interface Column {
  readonly name: string
  readonly type: ColumnType
}

/**
 * A value as people read it: text, number, boolean, or null for a missing one. Times are text as the plant
 * stored them (`2026-01-01T00:30:00`); a number that a double cannot hold exactly is its digits as text.
 */
export type Cell = string | number | boolean | null

// ---------------------------------------------------------------- what is asked

export type Profile = 'query_tool' | 'query_tool_reverse' | 'mid_section_defect'

/** The body of `POST /api/trace/events`. */
export interface TraceRequest {
  profile: Profile
  container_ids?: readonly string[]
  domains?: readonly string[]
  params?: Readonly<Record<string, unknown>>
  seeds?: { resolve_type: string; values: readonly string[] }
  seed_container_ids?: readonly string[]
}

// ---------------------------------------------------------------- how far it is

/** What went wrong, ready to be shown: `code` chooses the advice, `message` is the server's sentence. */
export interface TraceFault {
  /** A code of the API, or `NETWORK`, `STREAM_CUT`, `LINE_MALFORMED`, `GRAMMAR`, `ENGINE`. */
  readonly code: string
  readonly message: string
  /** HTTP status, where there was one. */
  readonly status: number | null
  readonly retryable: boolean
  readonly retryAfterSeconds: number | null
  /** Fields that a 422 complains of. */
  readonly fields: readonly { readonly where: string; readonly message: string }[]
  /** For `LINE_MALFORMED`: which line (1-based), and its beginning; never more than 120 characters. */
  readonly line: { readonly number: number; readonly excerpt: string } | null
}

/**
 * - `idle`: nothing asked
 * - `asking`: the question is on its way
 * - `queued`: a job that no worker has taken up yet
 * - `streaming`: lines arrive
 * - `resuming`: the stream was cut; `retryAt` says when it is tried again
 * - `polling`: streaming is not possible here; pages are fetched instead
 * - `complete`: the last line came and everything adds up (a domain may still be `partial`: see `partial`)
 * - `failed`: it ended with an error; what came before is kept
 * - `cancelled`: by us or by somebody else
 * - `gone`: the job is unknown here: expired, deleted, or someone else's
 */
export type Phase =
  | 'idle'
  | 'asking'
  | 'queued'
  | 'streaming'
  | 'resuming'
  | 'polling'
  | 'complete'
  | 'failed'
  | 'cancelled'
  | 'gone'

export type Stage = 'seeds' | 'lineage' | 'events' | 'aggregation'
export type StageState = 'absent' | 'waiting' | 'running' | 'done' | 'failed'

export interface Containers {
  readonly asked: number
  readonly with_records: number
  readonly without_records: number
  readonly failed: number
}

/** - `waiting`, `running`: as it says; `ok`, `partial`, `failed`: what its `domain_end` says. */
export type DomainStatus = 'waiting' | 'running' | 'ok' | 'partial' | 'failed'

/** Something that does not add up between what was announced and what arrived. */
export interface Shortfall {
  readonly domain: string
  readonly kind: 'records' | 'batches' | 'digest'
  readonly expected: number | string
  readonly received: number | string
}

export interface DomainState {
  readonly name: string
  readonly status: DomainStatus
  readonly columns: readonly Column[]
  /** Units done and known on the server; `batchesTotal` may grow, null until announced. */
  readonly batchesDone: number
  readonly batchesTotal: number | null
  /** Records on the server so far. */
  readonly records: number
  /** Records held here; less than `records` while they arrive or when `windowed`. */
  readonly received: number
  readonly recordsPerSecond: number
  /** Past the page's memory budget: rows beyond it are read from the server by windows. */
  readonly windowed: boolean
  readonly containers: Containers | null
  /** Whether what arrived is what the server committed; null while unknown. */
  readonly verified: boolean | null
  readonly error: { readonly code: string; readonly message: string } | null
}

export interface Progress {
  readonly phase: Phase
  readonly jobId: string | null
  /** The job was there already: same question, still fresh. */
  readonly deduplicated: boolean
  readonly profile: string | null
  readonly containers: number | null
  readonly createdAt: string | null
  readonly expiresAt: string | null
  /** How records come: the encoding the browser undoes, zstd that the page undoes, pages, or at once. */
  readonly transport: 'stream' | 'zstd' | 'pages' | 'at-once' | null
  readonly stages: Readonly<Record<Stage, StageState>>
  readonly domains: readonly DomainState[]
  /** 0 to 100, never back; null while nothing is known. */
  readonly percent: number | null
  /** Records on the server so far, all domains. */
  readonly records: number
  readonly received: number
  readonly recordsPerSecond: number
  readonly etaSeconds: number | null
  readonly elapsedSeconds: number
  /** From the question until the first row was here; null until then. */
  readonly firstRowSeconds: number | null
  readonly attempt: number
  /** How often the stream was taken up again, and when it will be next (epoch milliseconds). */
  readonly resumes: number
  readonly retryAt: number | null
  /** Domains that are not complete, with how many containers failed in each. */
  readonly partial: Readonly<Record<string, number>>
  readonly shortfalls: readonly Shortfall[]
  readonly error: TraceFault | null
  /** Why the last attempt ended, while `resuming`. */
  readonly interruption: TraceFault | null
  /** Every cut or damaged line so far, the last one last; what was resumed is not hidden. */
  readonly interruptions: readonly TraceFault[]
  /** The answers of stages 1 and 2 and the analysis, when the job ran them. */
  readonly seeds: SeedsAnswer | null
  readonly lineage: LineageAnswer | null
  readonly aggregation: Aggregation | null
  /** Bytes held in columns, all domains. */
  readonly memoryBytes: number
}

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

// ---------------------------------------------------------------- which rows

export type TextOp = 'contains' | 'notContains' | 'equals' | 'notEqual' | 'startsWith' | 'endsWith'
export type OrderOp =
  | 'equals'
  | 'notEqual'
  | 'lessThan'
  | 'lessThanOrEqual'
  | 'greaterThan'
  | 'greaterThanOrEqual'
  | 'inRange'

/** Text is compared without case. A missing value fits no comparison but `notEqual` and `notContains`. */
export type Filter =
  | { readonly kind: 'text'; readonly column: string; readonly op: TextOp; readonly value: string }
  | { readonly kind: 'number'; readonly column: string; readonly op: OrderOp; readonly value: number; readonly to?: number }
  /** `value` and `to` as the plant writes times, or a day (`2026-01-01`): then `inRange` includes the whole of `to`. */
  | { readonly kind: 'time'; readonly column: string; readonly op: OrderOp; readonly value: string; readonly to?: string }
  | { readonly kind: 'in'; readonly column: string; readonly values: readonly Cell[] }
  | { readonly kind: 'blank'; readonly column: string; readonly blank: boolean }
  | { readonly kind: 'all'; readonly filters: readonly Filter[] }
  | { readonly kind: 'any'; readonly filters: readonly Filter[] }

export interface SortKey {
  readonly column: string
  readonly descending: boolean
}

/** Which rows of a domain, in which order. Missing values sort last either way. */
export interface GridQuery {
  /** All of them hold. */
  readonly filters: readonly Filter[]
  /** Words that must each stand somewhere in the row; empty for none. */
  readonly search: string
  readonly sort: readonly SortKey[]
  /** Rows under a heading per value of this column, folded unless in `expanded`. */
  readonly groupBy: string | null
  readonly expanded: readonly Cell[]
}

/** A row of a window: a record's cells in the order of the domain's columns, or a group's heading. */
export type GridRow =
  | { readonly kind: 'record'; readonly index: number; readonly cells: readonly Cell[] }
  | { readonly kind: 'group'; readonly key: Cell; readonly count: number; readonly expanded: boolean }

export interface GridWindow {
  readonly rows: readonly GridRow[]
  /** Rows of the view (headings included) when this window was cut. */
  readonly count: number
  readonly version: number
}

export interface GridState {
  /** Rows of the current view, headings included; grows while records arrive. */
  readonly count: number
  /** Records that fit the query, and records held. */
  readonly matching: number
  readonly held: number
  /** Changes whenever windows fetched before may be out of date: after `ask`, or when sorted rows arrive. */
  readonly version: number
  /** The view is being made anew. */
  readonly busy: boolean
  /** Only records held here are sorted, filtered and grouped; the rest is on the server. */
  readonly windowed: boolean
}

/** The rows of one domain. Cheap to hold; the rows themselves stay in the worker. */
export interface GridSource {
  readonly domain: string
  readonly columns: readonly Column[]
  readonly state: GridState
  /** Called at most 10 times a second, and at once when the query changed; gives the way to stop. */
  subscribe(listener: (state: GridState) => void): () => void
  /** Replace the query; resolves once the view is made. A later `ask` overtakes an earlier one. */
  ask(query: Partial<GridQuery>): Promise<GridState>
  readonly query: GridQuery
  /** Rows `first` to `last` (exclusive) of the view. */
  window(first: number, last: number): Promise<GridWindow>
  /** Distinct values with counts, most frequent first, that contain `search`; of all records held. */
  values(column: string, search: string, limit: number): Promise<readonly { value: Cell; count: number }[]>
  /** Rows of the view as tab-separated text with a heading, as spreadsheets take it. */
  copy(first: number, last: number, columns: readonly string[]): Promise<string>
  /** The whole view as CSV (RFC 4180, UTF-8 with a byte order mark). */
  csv(columns: readonly string[], onProgress?: (done: number, of: number) => void): Promise<Blob>
}

export const EVERYTHING: GridQuery = { filters: [], search: '', sort: [], groupBy: null, expanded: [] }

// ---------------------------------------------------------------- charts

export interface GroupKey {
  readonly column: string
  /** For times: the part of them to group by. */
  readonly by?: 'day' | 'hour' | 'month'
}

export type Measure =
  | { readonly op: 'count' }
  | { readonly op: 'sum' | 'min' | 'max' | 'distinct'; readonly column: string }

export interface GroupRequest {
  readonly keys: readonly GroupKey[]
  readonly measures: readonly Measure[]
  readonly filters?: readonly Filter[]
  readonly search?: string
  /** By a measure (its position) from the greatest, or by the keys. Default: measure 0. */
  readonly order?: number | 'keys'
  readonly limit?: number
}

export interface GroupAnswer {
  readonly groups: readonly { readonly keys: readonly Cell[]; readonly values: readonly (number | null)[] }[]
  /** Groups there were before `limit`, and what the rest adds up to (`distinct`, `min`, `max`: null). */
  readonly groupCount: number
  readonly rest: readonly (number | null)[]
  /** Records that fit the filters. */
  readonly matching: number
  readonly version: number
}

/** A record by column name, for time lines and details. */
export type TraceRecord = Readonly<Record<string, Cell>>

// ---------------------------------------------------------------- a trace

export interface TraceSession {
  readonly progress: Progress
  /** Called at most 10 times a second, and at once when the phase changes. */
  subscribe(listener: (progress: Progress) => void): () => void
  /** The rows of a domain; the same object each time. Throws when the trace has no such domain yet. */
  grid(domain: string): GridSource
  /** Whether columns of the domain are known, so that `grid` works. */
  has(domain: string): boolean
  /** Group a domain's records; `null` when nothing of it is held yet. */
  group(domain: string, request: GroupRequest): Promise<GroupAnswer | null>
  /** Records of the containers in a domain, at most `limit` (default 2,000). */
  records(domain: string, filters: readonly Filter[], limit?: number): Promise<readonly TraceRecord[]>
  /** The user looks at this domain: it gets a stream of its own where it would wait for others. */
  prefer(domain: string): void
  /** Try again now instead of at `retryAt`, or after a failure that may pass. */
  retry(): void
  /** Stop the job on the server and free its result. */
  cancel(): Promise<void>
  /** Let go of it here; the job itself goes on. */
  close(): void
}
