import { type Remote, proxy, releaseProxy, wrap } from 'comlink'

import { credentialInUse } from '@/api/credential'

import type { Engine } from './engine'
import { WorkerGrid } from './grid'
import type { Answer, AskOptions, TraceOptions } from './trace/options'
import type {
  Filter,
  GridState,
  GroupAnswer,
  GroupRequest,
  Progress,
  TraceRecord,
  TraceRequest,
  TraceSession,
} from './types'

const RECORDS = 2000

export const IDLE: Progress = {
  phase: 'idle',
  jobId: null,
  deduplicated: false,
  profile: null,
  containers: null,
  createdAt: null,
  expiresAt: null,
  transport: null,
  stages: { seeds: 'absent', lineage: 'absent', events: 'absent', aggregation: 'absent' },
  domains: [],
  percent: null,
  records: 0,
  received: 0,
  recordsPerSecond: 0,
  etaSeconds: null,
  elapsedSeconds: 0,
  firstRowSeconds: null,
  attempt: 1,
  resumes: 0,
  retryAt: null,
  partial: {},
  shortfalls: [],
  error: null,
  interruption: null,
  interruptions: [],
  seeds: null,
  lineage: null,
  aggregation: null,
  memoryBytes: 0,
}

/** Something that an engine runs in, to talk to and to end. */
export interface EngineHost {
  readonly engine: Remote<Engine>
  end(): void
}

/** A trace in a worker of its own. */
export function startWorker(): EngineHost {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'trace' })
  return { engine: wrap<Engine>(worker), end: () => worker.terminate() }
}

export class WorkerSession implements TraceSession {
  progress: Progress = { ...IDLE, phase: 'asking' }
  readonly #listeners = new Set<(progress: Progress) => void>()
  readonly #grids = new Map<string, WorkerGrid>()
  #answers: Partial<Pick<Progress, Answer>> = {}
  readonly #started: Promise<void>

  constructor(
    readonly host: EngineHost,
    options: TraceOptions,
  ) {
    const listener = {
      progress: (progress: Omit<Progress, Answer>) => this.#told(progress),
      answer: (kind: Answer, data: unknown) => {
        this.#answers = { ...this.#answers, [kind]: data }
      },
      rows: (domain: string, state: GridState) => this.#grids.get(domain)?.told(state),
    }
    this.#started = host.engine.start(options, proxy(listener), credentialInUse())
  }

  async ask(request: TraceRequest, how: AskOptions): Promise<string | null> {
    await this.#started
    return this.host.engine.ask(request, how)
  }

  async open(jobId: string): Promise<void> {
    await this.#started
    await this.host.engine.open(jobId)
  }

  subscribe(listener: (progress: Progress) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  has(domain: string): boolean {
    return this.#columns(domain) !== undefined
  }

  grid(domain: string): WorkerGrid {
    const known = this.#grids.get(domain)
    if (known !== undefined) return known
    const columns = this.#columns(domain)
    if (columns === undefined) throw new RangeError(`nothing of ${domain} has come yet`)
    const grid = new WorkerGrid(this.host.engine, domain, columns)
    this.#grids.set(domain, grid)
    // Its rows may all be there already, and nothing more be told.
    void grid.ask({}).catch(() => undefined)
    return grid
  }

  group(domain: string, request: GroupRequest): Promise<GroupAnswer | null> {
    return this.host.engine.group(domain, request)
  }

  records(domain: string, filters: readonly Filter[], limit = RECORDS): Promise<readonly TraceRecord[]> {
    return this.host.engine.records(domain, filters, limit)
  }

  prefer(domain: string): void {
    void this.host.engine.prefer(domain)
  }

  retry(): void {
    this.#answers = {}
    void this.host.engine.retry()
  }

  async cancel(): Promise<void> {
    await this.host.engine.cancel()
  }

  close(): void {
    this.#listeners.clear()
    void this.host.engine.close()
    this.host.engine[releaseProxy]()
    this.host.end()
  }

  #columns(domain: string): Progress['domains'][number]['columns'] | undefined {
    const found = this.progress.domains.find(({ name }) => name === domain)
    return found !== undefined && found.columns.length > 0 ? found.columns : undefined
  }

  #told(progress: Omit<Progress, Answer>): void {
    this.progress = { ...progress, seeds: null, lineage: null, aggregation: null, ...this.#answers }
    for (const listener of this.#listeners) listener(this.progress)
  }
}
