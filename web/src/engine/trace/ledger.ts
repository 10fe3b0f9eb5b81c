import { faultOf } from '@/api/client'
import type { JobStatus } from '@/api/jobs'

import type { DomainEndLine, Message } from '../net/messages'
import type { GridQuery, Phase, Progress, Shortfall, Stage, StageState, TraceFault } from '../types'
import { Domain } from './domain'
import { Rate } from './rates'

/** Faults kept to be shown; the first and the latest tell the story. */
const INTERRUPTIONS_KEPT = 50

type Kept = 'jobId' | 'deduplicated' | 'profile' | 'containers' | 'createdAt' | 'expiresAt' | 'transport' | 'attempt'

/** Everything known of a trace, and the `Progress` that the page is told. */
export class Ledger implements Pick<Progress, Kept> {
  phase: Phase = 'idle'
  jobId: string | null = null
  deduplicated = false
  profile: string | null = null
  containers: number | null = null
  createdAt: string | null = null
  expiresAt: string | null = null
  transport: Progress['transport'] = null
  attempt = 1
  resumes = 0
  retryAt: number | null = null
  error: TraceFault | null = null
  interruption: TraceFault | null = null
  /** No worker has taken the job up yet. */
  queued = false
  /** The job has ended on the server: all that there is to come is there. */
  serverDone = false
  readonly domains = new Map<string, Domain>()
  readonly partial: Record<string, number> = {}
  readonly shortfalls: Shortfall[] = []
  readonly interruptions: TraceFault[] = []
  readonly stages: Record<Stage, StageState> = { seeds: 'absent', lineage: 'absent', events: 'waiting', aggregation: 'absent' }
  /** What views were asked before, by domain: an answer that is asked for again is looked at the same way. */
  readonly #queries: ReadonlyMap<string, GridQuery>
  readonly #begunAt = performance.now()
  #firstRowSeconds: number | null = null
  #endedSeconds: number | null = null
  #percent: number | null = null
  readonly #rate = new Rate()
  readonly #percentRate = new Rate(8)

  constructor(before?: Ledger) {
    const views = [...(before?.domains.values() ?? [])].flatMap(({ name, view }) => (view === null ? [] : [[name, view.query] as const]))
    this.#queries = new Map(views)
  }

  domain(name: string): Domain {
    let found = this.domains.get(name)
    if (found === undefined) this.domains.set(name, (found = new Domain(name, this.#queries.get(name))))
    return found
  }

  /** The connection was cut: what happened, and in how many seconds it is tried again. */
  halt(fault: TraceFault, seconds: number): void {
    this.interrupt(fault)
    this.phase = 'resuming'
    this.resumes++
    this.retryAt = Date.now() + seconds * 1000
  }

  goOn(phase: 'polling' | 'queued' | 'streaming'): void {
    this.phase = phase
    this.retryAt = null
    this.interruption = null
  }

  /**
   * Hold what arrived of a domain against what was committed. False when it is of no use and is read once
   * more, from its begin, if `anew` allows it; what is missing after that is a shortfall.
   */
  async endDomain(domain: Domain, line: DomainEndLine, anew: boolean): Promise<boolean> {
    const shortfalls = await domain.end(line)
    if (line.status !== 'ok') this.partial[line.domain] = line.containers.failed
    if (shortfalls.length > 0 && anew && !domain.reread) {
      domain.reread = true
      domain.reset()
      const message = `What arrived of ${domain.name} is not what the server committed; it is read anew.`
      this.interrupt(faultOf('RESULT_DIFFERS', message, { retryable: true }))
      return false
    }
    this.shortfalls.push(...shortfalls)
    return true
  }

  /** Note when the last line names another count of a domain than has come. */
  compare(domain: Domain, count: number): void {
    const known = this.shortfalls.some((shortfall) => shortfall.domain === domain.name)
    if (domain.received === count || domain.windowed || known) return
    this.shortfalls.push({ domain: domain.name, kind: 'records', expected: count, received: domain.received })
  }

  get unended(): string[] {
    return [...this.domains.values()].filter((domain) => !domain.ended).map((domain) => domain.name)
  }

  takeStatus(status: JobStatus): void {
    this.jobId = status.job_id
    this.profile = status.profile
    this.containers = status.cid_count
    this.createdAt = status.created_at
    this.expiresAt = status.expires_at
    this.attempt = status.attempt
    this.queued = status.status === 'queued'
    this.serverDone = !this.queued && status.status !== 'running'
    for (const name of status.domains) this.domain(name)
    for (const [name, seen] of Object.entries(status.progress.domains)) this.#takeCounts(name, seen)
    this.#takeStage(status.stage)
  }

  /** Lines that say how it goes; those that carry records are the trace's own matter. */
  take(message: Message): void {
    switch (message.type) {
      case 'meta':
        this.profile = message.profile ?? this.profile
        this.containers = message.cid_count ?? this.containers
        this.createdAt = message.created_at ?? this.createdAt
        this.serverDone = !message.live
        // Of a job they are known: its streams may be of some of them only.
        if (this.jobId === null) for (const name of message.domains) this.domain(name)
        break
      case 'domain_start': {
        const domain = this.domain(message.domain)
        domain.batchesTotal = message.total_batches ?? domain.batchesTotal
        domain.announced = Math.max(domain.announced, message.total ?? 0)
        this.#takeStage('events')
        this.#started()
        break
      }
      case 'progress':
        if (message.status !== 'queued') this.#started()
        this.#takeStage(message.stage)
        for (const [name, seen] of Object.entries(message.domains)) this.#takeCounts(name, seen)
        break
      case 'seeds':
      case 'lineage':
      case 'aggregation':
        this.stages[message.type] = 'done'
        break
      case 'warning':
        for (const name of message.failed_domains) this.partial[name] = message.failed[name] ?? 0
        break
      case 'complete':
        this.serverDone = true
    }
  }

  firstRow(): void {
    this.#firstRowSeconds ??= this.#seconds
  }

  end(phase: 'complete' | 'failed' | 'cancelled' | 'gone', error: TraceFault | null): void {
    this.phase = phase
    this.error = error
    this.retryAt = null
    this.interruption = null
    this.#endedSeconds = this.#seconds
    for (const stage of Object.keys(this.stages) as Stage[]) {
      if (phase === 'complete' && this.stages[stage] !== 'absent') this.stages[stage] = 'done'
      else if (this.stages[stage] === 'running') this.stages[stage] = 'failed'
    }
  }

  /** It goes on after all. */
  reopen(): void {
    this.error = null
    this.#endedSeconds = null
  }

  interrupt(fault: TraceFault): void {
    this.interruption = fault
    this.interruptions.push(fault)
    if (this.interruptions.length > INTERRUPTIONS_KEPT) this.interruptions.splice(1, 1)
  }

  get received(): number {
    return this.#sum((domain) => domain.received)
  }

  get bytes(): number {
    return this.#sum((domain) => domain.bytes)
  }

  snapshot(): Omit<Progress, 'seeds' | 'lineage' | 'aggregation'> {
    const seconds = this.#seconds
    const running = this.#endedSeconds === null
    for (const domain of this.domains.values()) domain.sample(seconds)
    this.#rate.add(seconds, this.received)
    const percent = this.#share()
    return {
      phase: this.phase,
      jobId: this.jobId,
      deduplicated: this.deduplicated,
      profile: this.profile,
      containers: this.containers,
      createdAt: this.createdAt,
      expiresAt: this.expiresAt,
      transport: this.transport,
      stages: { ...this.stages },
      domains: [...this.domains.values()].map((domain) => domain.state),
      percent,
      records: this.#sum((domain) => Math.max(domain.announced, domain.received)),
      received: this.received,
      recordsPerSecond: running ? Math.round(this.#rate.value) : 0,
      etaSeconds: this.#eta(percent, seconds),
      elapsedSeconds: this.#endedSeconds ?? seconds,
      firstRowSeconds: this.#firstRowSeconds,
      attempt: this.attempt,
      resumes: this.resumes,
      retryAt: this.retryAt,
      partial: { ...this.partial },
      shortfalls: [...this.shortfalls],
      error: this.error,
      interruption: this.interruption,
      interruptions: [...this.interruptions],
      memoryBytes: this.bytes,
    }
  }

  get hasEnded(): boolean {
    return this.#endedSeconds !== null
  }

  #started(): void {
    this.queued = false
    if (this.phase === 'queued') this.phase = 'streaming'
  }

  get #seconds(): number {
    return (performance.now() - this.#begunAt) / 1000
  }

  #sum(of: (domain: Domain) => number): number {
    let sum = 0
    for (const domain of this.domains.values()) sum += of(domain)
    return sum
  }

  #takeStage(stage: string): void {
    const order: readonly Stage[] = ['seeds', 'lineage', 'events', 'aggregation']
    const now = order.indexOf(stage as Stage)
    if (now < 0) return
    order.forEach((each, at) => {
      if (at === now && this.stages[each] !== 'done') this.stages[each] = 'running'
      // Stages that were never spoken of are none of this trace.
      else if (at < now && this.stages[each] === 'running') this.stages[each] = 'done'
    })
  }

  #takeCounts(name: string, seen: { status?: string; batches_done: number; batches_total: number; records: number }): void {
    const domain = this.domain(name)
    domain.batchesDone = Math.max(domain.batchesDone, seen.batches_done)
    domain.batchesTotal = Math.max(domain.batchesTotal ?? 0, seen.batches_total)
    domain.announced = Math.max(domain.announced, seen.records)
    if (domain.status === 'waiting' && seen.batches_done > 0) domain.status = 'running'
  }

  /** Units done on the server, times what of their records is here; never back, 100 only at the end. */
  #share(): number | null {
    if (this.phase === 'complete') return (this.#percent = 100)
    const total = this.#sum((domain) => domain.batchesTotal ?? 0)
    if (total === 0 && !this.serverDone) return this.#percent
    const onServer = this.serverDone ? 1 : Math.min(this.#sum((domain) => domain.batchesDone) / total, 1)
    const wanted = this.#sum((domain) => (domain.windowed ? domain.received : domain.announced))
    const here = wanted > 0 ? Math.min(this.received / wanted, 1) : 1
    this.#percent = Math.max(this.#percent ?? 0, Math.min(100 * onServer * here, 99.9))
    return this.#percent
  }

  #eta(percent: number | null, seconds: number): number | null {
    if (percent === null || this.#endedSeconds !== null) return null
    this.#percentRate.add(seconds, percent)
    return this.#percentRate.value > 0 ? (100 - percent) / this.#percentRate.value : null
  }
}
