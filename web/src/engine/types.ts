/**
 * What the page works against: a trace as a session, a domain as a source of rows.
 *
 * Rows live in columns in a Web Worker; only windows, counts and versions cross to the page. Everything
 * here is plain data or a promise of it, so that components know neither the worker nor HTTP.
 */

import type { Aggregation, LineageAnswer, SeedsAnswer } from './answers'
import type { Column, Filter, GridSource, GroupAnswer, GroupRequest, TraceRecord } from './rows'

export * from './answers'
export * from './rows'

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
