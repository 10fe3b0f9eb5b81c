import { ApiFault, faultOf, isAbort } from '@/api/client'
import { deleteJob, jobStatus } from '@/api/jobs'

import { MalformedLine } from '../net/lines'
import type { Message } from '../net/messages'
import type { TraceFault, TraceRequest } from '../types'
import { readAtOnce } from './atOnce'
import type { Domain } from './domain'
import { Detour, Lane, type LaneOwner, type Outcome, faultOfError } from './lane'
import { Ledger } from './ledger'
import { Pager, type PagerOwner } from './pager'
import type { AskOptions, Listener, TraceOptions } from './options'
import { post } from './posting'
import { Pulse } from './pulse'

/** Raised when the columns are as large as they may be. */
class MemoryFull extends Error {}

/** Streams at once: the job's own, and one for a domain that somebody looks at. Browsers allow a host six. */
const LANES = 3

/** A trace from the question to its last record, through whatever happens on the way. */
export class Trace implements LaneOwner, PagerOwner {
  ledger = new Ledger()
  readonly pulse: Pulse
  #abort = new AbortController()
  #again: (() => void) | null = null
  #lanes = new Map<Lane, readonly string[] | null>()
  #pager: Pager | null = null
  #cancelling = false
  #preferred: string | null = null

  constructor(
    readonly options: TraceOptions,
    readonly listener: Listener,
  ) {
    this.pulse = new Pulse(this, listener)
  }

  get zstd(): boolean {
    return this.options.zstd
  }

  /** Ask; resolves once the answer began, to the id when it became a job, null when not. */
  async ask(request: TraceRequest, how: AskOptions = {}): Promise<string | null> {
    this.#begin(() => void this.ask(request, how))
    const { signal } = this.#abort
    try {
      const posted = await post(request, how, signal)
      if ('response' in posted) {
        void this.#settle(() => this.#readAtOnce(posted.response, signal))
        return null
      }
      const { job_id: jobId, deduplicated } = posted.job
      this.ledger.deduplicated = deduplicated
      this.#follow(jobId)
      return jobId
    } catch (error) {
      this.#fail(error)
      return null
    }
  }

  open(jobId: string): void {
    this.#begin(() => this.open(jobId))
    this.#follow(jobId)
  }

  retry(): void {
    if (this.ledger.phase === 'resuming') {
      for (const lane of this.#lanes.keys()) lane.pause.wake()
      this.#pager?.pause.wake()
    } else if (this.ledger.phase === 'failed' || this.ledger.phase === 'gone') this.#again?.()
  }

  /** Somebody looks at this domain: it gets a stream of its own where it would wait for others. */
  prefer(name: string): void {
    this.#preferred = name
    const { jobId, phase } = this.ledger
    if (jobId === null || phase !== 'streaming' || this.#lanes.size === 0 || this.#lanes.size >= LANES) return
    const domain = this.ledger.domains.get(name)
    if (domain === undefined || domain.ended || domain.table !== null || this.#isOfAnother(name)) return
    if (this.ledger.unended[0] === name) return
    const lane = new Lane(jobId, this)
    this.#lanes.set(lane, [name])
    void this.#settle(() => this.#drive(lane, this.#abort.signal))
  }

  /** Stop the job on the server and free its result. Raises `ApiFault` when that was not possible. */
  async cancel(): Promise<void> {
    this.#cancelling = true
    try {
      const { jobId } = this.ledger
      if (jobId !== null) await deleteJob(jobId)
    } catch (error) {
      if (!(error instanceof ApiFault && error.fault.status === 404)) throw error
    } finally {
      this.#cancelling = false
    }
    this.#end('cancelled', null)
  }

  close(): void {
    this.#abort.abort()
    this.pulse.stop()
  }

  // What lanes and pager ask for

  domain(name: string): Domain {
    const found = this.ledger.domains.get(name)
    if (found === undefined) throw new MalformedLine(`a domain ${name.slice(0, 40)} that was not announced`, 0, '')
    return found
  }

  wanted(lane: Lane): readonly string[] {
    const own = this.#lanes.get(lane)
    const left = own
      ? own.filter((name) => !this.domain(name).ended)
      : this.ledger.unended.filter((name) => !this.#isOfAnother(name))
    if (left.length > 0 || this.#lanes.size > 1) return left
    // All records are here, but the last line has not come, which alone proves that these were all.
    return [...this.ledger.domains.keys()].slice(-1)
  }

  async take(message: Message, line: Uint8Array, lane: Lane | null): Promise<void> {
    this.ledger.take(message)
    switch (message.type) {
      case 'domain_start': {
        if (lane !== null && this.#lanes.get(lane) === null && this.#isOfAnother(message.domain)) throw new Detour()
        this.domain(message.domain).begin(message.columns)
        if (this.#preferred !== null) this.prefer(this.#preferred)
        break
      }
      case 'records': {
        const domain = this.domain(message.domain)
        await domain.took(line)
        this.ledger.firstRow()
        if (lane !== null && !this.hasRoom(domain)) throw new MemoryFull()
        break
      }
      case 'domain_end': {
        const domain = this.domain(message.domain)
        if (!domain.ended && !(await this.ledger.endDomain(domain, message, lane !== null))) throw new Detour()
        break
      }
      case 'seeds':
      case 'lineage':
      case 'aggregation':
        this.listener.answer(message.type, message.data)
        break
      case 'complete':
        for (const [name, count] of Object.entries(message.domains)) this.ledger.compare(this.domain(name), count)
    }
    this.pulse.touch()
  }

  hasRoom(domain: Domain): boolean {
    return domain.received === 0 || this.ledger.bytes < this.options.memoryBytes
  }

  interrupted(fault: TraceFault, seconds: number): void {
    this.ledger.halt(fault, seconds)
    this.pulse.touch(true)
  }

  resumed(): void {
    this.ledger.goOn(this.#pager !== null ? 'polling' : this.ledger.queued ? 'queued' : 'streaming')
    this.pulse.touch(true)
  }

  changed(): void {
    this.pulse.touch()
  }

  /** End everything that is being read; what is held stays. */
  #letGo(): void {
    this.#abort.abort()
    this.#abort = new AbortController()
    this.#lanes.clear()
    this.#pager = null
  }

  #begin(again: () => void): void {
    this.#letGo()
    this.#again = again
    this.ledger = new Ledger(this.ledger)
    this.ledger.phase = 'asking'
    this.pulse.touch(true)
  }

  #follow(jobId: string): void {
    const { signal } = this.#abort
    this.ledger.jobId = jobId
    this.ledger.phase = 'queued'
    this.#again = () => {
      this.#goOn(jobId)
    }
    this.pulse.touch(true)
    void this.#settle(async () => {
      this.ledger.takeStatus(await jobStatus(jobId, { signal }))
      this.ledger.transport = this.zstd ? 'zstd' : 'stream'
      const lane = new Lane(jobId, this)
      this.#lanes.set(lane, null)
      await this.#drive(lane, signal)
    })
  }

  /** After a failure: with what is held, from where it ended. */
  #goOn(jobId: string): void {
    this.#letGo()
    this.ledger.shortfalls.length = 0
    for (const domain of this.ledger.domains.values()) if (domain.verified === false) domain.reset()
    this.ledger.reopen()
    this.#follow(jobId)
  }

  async #drive(lane: Lane, signal: AbortSignal): Promise<void> {
    let outcome: Outcome
    try {
      outcome = await lane.run(signal)
    } catch (error) {
      if (!(error instanceof MemoryFull)) throw error
      await this.#byPages()
      return
    } finally {
      if (!signal.aborted) this.#lanes.delete(lane)
    }
    if (outcome.kind === 'failed') throw new ApiFault(outcome.fault)
    if (outcome.kind === 'unstreamable') {
      this.ledger.interrupt(outcome.fault)
      await this.#byPages()
    } else if (outcome.kind === 'complete' && this.#lanes.size === 0) await this.#finish(signal)
  }

  /** Everything that is left, by pages; other streams of this trace are given up for it. */
  async #byPages(): Promise<void> {
    const { jobId } = this.ledger
    if (jobId === null || this.#pager !== null) return
    this.#letGo()
    const pager = (this.#pager = new Pager(jobId, this))
    if ([...this.ledger.domains.values()].every((domain) => this.hasRoom(domain))) this.ledger.transport = 'pages'
    await this.#settle(async () => {
      await pager.run(this.#abort.signal)
      await this.#finish(this.#abort.signal)
    })
  }

  async #readAtOnce(response: Response, signal: AbortSignal): Promise<void> {
    this.ledger.transport = 'at-once'
    this.ledger.phase = 'streaming'
    this.pulse.touch(true)
    await readAtOnce(response, this)
    signal.throwIfAborted()
    await this.#finish(signal)
  }

  async #finish(signal: AbortSignal): Promise<void> {
    const { jobId, shortfalls } = this.ledger
    if (shortfalls.length > 0) {
      this.#end('failed', faultOf('RESULT_DIFFERS', 'What arrived is not what the server committed.', { retryable: true }))
      return
    }
    this.#end('complete', null)
    if (jobId === null) return
    // How long the result stays is known only now; that this fails changes nothing of the result.
    const status = await jobStatus(jobId, { signal }).catch(() => null)
    if (status !== null) this.ledger.expiresAt = status.expires_at
    this.pulse.touch(true)
  }

  /** Run a part of the way; what it raises ends the trace. */
  async #settle(part: () => Promise<void>): Promise<void> {
    try {
      await part()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    if (isAbort(error)) return
    const fault = faultOfError(error)
    if (this.#cancelling && fault.status === 404) return
    if (fault.code === 'JOB_CANCELLED') this.#end('cancelled', fault)
    else if (fault.code === 'JOB_NOT_FOUND') this.#end('gone', fault)
    else this.#end('failed', fault)
  }

  #end(phase: 'complete' | 'failed' | 'cancelled' | 'gone', fault: TraceFault | null): void {
    if (phase !== 'complete') this.#abort.abort()
    this.ledger.end(phase, fault)
    this.pulse.touch(true)
  }

  #isOfAnother(name: string): boolean {
    return [...this.#lanes.values()].some((domains) => domains?.includes(name) === true)
  }
}
