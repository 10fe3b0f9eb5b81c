import { ApiFault, call } from '@/api/client'
import { jobStatus, throwUnlessFinished, type JobStatus } from '@/api/jobs'

import type { Column, TraceFault } from '../types'
import type { Domain } from './domain'
import type { Ledger } from './ledger'
import { PAGE_RECORDS, addPage, catalogueColumns } from './pages'
import { Backoff, Breather, Pause } from './pauses'

const WAIT_SECONDS = 20
/** Damaged pages in a row: then it is no accident. */
const DAMAGED = 3
const ENDED = new Set(['finished', 'failed', 'cancelled'])

export interface PagerOwner {
  readonly ledger: Ledger
  /** Whether there is room for more records of the domain; windows are used when not. */
  hasRoom(domain: Domain): boolean
  interrupted(fault: TraceFault, seconds: number): void
  resumed(): void
  changed(): void
}

/** Follows a job by its status, and fetches its records page by page while there is room. */
export class Pager {
  readonly pause = new Pause()
  readonly #backoff = new Backoff()
  readonly #breather = new Breather()
  #columns: Map<string, readonly Column[]> | null = null

  constructor(
    readonly jobId: string,
    readonly owner: PagerOwner,
  ) {}

  /** The job's last status, once all that can be held is here. Raises `ApiFault` for what will not pass. */
  async run(signal: AbortSignal): Promise<void> {
    for (let wait = 0; ; ) {
      try {
        const status = await this.#round(wait, signal)
        if (status !== null) {
          throwUnlessFinished(status)
          return
        }
        this.#backoff.reset()
        wait = WAIT_SECONDS
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof ApiFault) || !error.fault.retryable) throw error
        const seconds = this.#backoff.next(error.fault)
        if (error.fault.code === 'LINE_MALFORMED' && this.#backoff.failures >= DAMAGED) throw error
        this.owner.interrupted(error.fault, seconds)
        await this.pause.wait(seconds, signal)
        signal.throwIfAborted()
        wait = 0
      }
    }
  }

  async #round(wait: number, signal: AbortSignal): Promise<JobStatus | null> {
    const status = await jobStatus(this.jobId, { wait, signal })
    this.#columns ??= await catalogueColumns(signal)
    this.owner.resumed()
    this.owner.ledger.takeStatus(status)
    for (const name of this.owner.ledger.unended) await this.#fetch(this.owner.ledger.domain(name), signal)
    this.owner.changed()
    if (!ENDED.has(status.status)) return null
    const coverage = await call('get', '/api/trace/job/{job_id}/coverage', { path: { job_id: this.jobId }, signal })
    const domains = 'domains' in coverage ? coverage.domains : {}
    for (const name of this.owner.ledger.unended) {
      const said = status.progress.domains[name]?.status
      this.owner.ledger.domain(name).endOfPages(said, domains[name] ?? null)
    }
    return status
  }

  async #fetch(domain: Domain, signal: AbortSignal): Promise<void> {
    const table = domain.begin(domain.table?.columns ?? this.#columns?.get(domain.name) ?? [])
    for (;;) {
      if (!this.owner.hasRoom(domain)) {
        domain.windowed = true
        return
      }
      if (domain.announced <= table.length && !this.owner.ledger.serverDone) return
      const page = await addPage(this.jobId, table, PAGE_RECORDS, signal)
      domain.announced = Math.max(domain.announced, page.total)
      domain.tookPage()
      if (table.length > 0) this.owner.ledger.firstRow()
      this.owner.changed()
      await this.#breather.breathe()
      if (page.next_offset === null || page.count === 0) return
    }
  }
}
