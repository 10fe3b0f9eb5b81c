import { ApiFault, faultOf, isAbort } from '@/api/client'

import { MalformedLine } from '../net/lines'
import { type ErrorLine, type Message, readLine } from '../net/messages'
import { consumeNDJSONStream } from '../net/stream'
import type { TraceFault } from '../types'
import type { Domain } from './domain'
import { Backoff, Breather, Pause } from './pauses'

/** The server writes a line at least every 5 s; so long without a byte, and the way is not open. */
export const SILENT_SECONDS = 20
/** Streams in a row that brought nothing: then pages are tried instead. */
const FRUITLESS = 3

/** What a lane works for. */
export interface LaneOwner {
  readonly zstd: boolean
  domain(name: string): Domain
  /** The domains that this lane is to bring, in order, without those that have ended. */
  wanted(lane: Lane): readonly string[]
  /** Take in what a line said. May raise `Reread`, `Detour`, or `MemoryFull`. */
  take(message: Message, line: Uint8Array, lane: Lane): Promise<void>
  /** The stream was cut or damaged and is taken up again after so many seconds. */
  interrupted(fault: TraceFault, seconds: number): void
  resumed(): void
}

export type Outcome =
  | { readonly kind: 'complete' | 'left' }
  | { readonly kind: 'failed' | 'unstreamable'; readonly fault: TraceFault }

/** Raised to leave a stream and open another one at once: it is no failure. */
export class Detour extends Error {}

/** One stream of a job, taken up again by its cursor until its last line has come. */
export class Lane {
  readonly pause = new Pause()
  readonly #backoff = new Backoff()
  readonly #breather = new Breather()
  #last: Message | null = null

  constructor(
    readonly jobId: string,
    readonly owner: LaneOwner,
  ) {}

  /** Raises an abort when the signal does, and what the owner's `take` raises. */
  async run(signal: AbortSignal): Promise<Outcome> {
    for (;;) {
      const wanted = this.owner.wanted(this)
      if (wanted.length === 0) return { kind: 'left' }
      const fault = await this.#attempt(wanted, signal)
      if (fault === null) return { kind: 'complete' }
      if (fault === 'detour') continue
      if (!fault.retryable) return { kind: 'failed', fault }
      const seconds = this.#backoff.next(fault)
      if (this.#backoff.failures >= FRUITLESS && isOfTheWay(fault)) return { kind: 'unstreamable', fault }
      this.owner.interrupted(fault, seconds)
      await this.pause.wait(seconds, signal)
      signal.throwIfAborted()
    }
  }

  /** One stream: null when it came to its good end, else why not. */
  async #attempt(wanted: readonly string[], signal: AbortSignal): Promise<TraceFault | 'detour' | null> {
    this.#last = null
    const watch = new Watch(signal)
    try {
      await consumeNDJSONStream(this.#url(wanted), (line, number) => this.#line(line, number, wanted), {
        signal: watch.signal,
        zstd: this.owner.zstd,
        onBytes: () => watch.touch(),
      })
    } catch (error) {
      if (error instanceof Detour) return 'detour'
      return faultOfAttempt(error, watch, signal)
    } finally {
      watch.stop()
    }
    return this.#ending()
  }

  #url(wanted: readonly string[]): string {
    const query = new URLSearchParams(wanted.map((name) => ['domain', name]))
    const first = this.owner.domain(wanted[0]!)
    if (first.table !== null) query.set('after', first.cursor)
    return `/job/${encodeURIComponent(this.jobId)}/stream?${query.toString()}`
  }

  async #line(line: Uint8Array, number: number, wanted: readonly string[]): Promise<void> {
    const message = readLine(line, number, (head) => this.owner.domain(head.domain).expect(head.batch, head.offset))
    if (number === 1) this.#begin(message, wanted)
    this.#last = message
    await this.owner.take(message, line, this)
    if (message.type === 'records' || message.type === 'domain_end') this.#backoff.reset()
    await this.#breather.breathe()
  }

  #begin(message: Message, wanted: readonly string[]): void {
    if (message.type !== 'meta') throw new MalformedLine('the stream does not begin as it should', 1, '')
    if (message.protocol !== 1) {
      throw new ApiFault(faultOf('PROTOCOL', 'The server speaks a newer protocol than this page: load the page again.'))
    }
    if (message.domains.join() !== wanted.join()) throw new MalformedLine('the stream is of other domains', 1, '')
    this.owner.resumed()
  }

  #ending(): TraceFault | null {
    const last = this.#last
    if (last?.type === 'complete') return null
    if (last?.type === 'error') return faultOfLine(last)
    return faultOf('STREAM_CUT', 'The stream ended without its last line.', { retryable: true })
  }
}

/** Faults of what lies between server and page, and not of the server. */
function isOfTheWay(fault: TraceFault): boolean {
  return fault.code === 'STREAM_CUT' || fault.code === 'STREAM_SILENT' || fault.code === 'LINE_MALFORMED'
}

export function faultOfLine(line: ErrorLine): TraceFault {
  return faultOf(line.code, line.message, { retryable: line.retryable })
}

/** Whatever was raised, as something to show. */
export function faultOfError(error: unknown): TraceFault {
  if (error instanceof ApiFault) return error.fault
  if (error instanceof MalformedLine) return faultOfMalformed(error)
  return faultOf('ENGINE', error instanceof Error ? error.message : String(error))
}

/** A malformed line as it is shown. */
export function faultOfMalformed(error: MalformedLine): TraceFault {
  const where = error.line > 0 ? { number: error.line, excerpt: error.excerpt } : null
  return faultOf('LINE_MALFORMED', `The stream is damaged: ${error.message}.`, { retryable: true, line: where })
}

function faultOfAttempt(error: unknown, watch: Watch, signal: AbortSignal): TraceFault {
  signal.throwIfAborted()
  if (isAbort(error) && watch.silent) {
    return faultOf('STREAM_SILENT', `Nothing came for ${SILENT_SECONDS} seconds.`, { retryable: true })
  }
  if (error instanceof MalformedLine) return faultOfMalformed(error)
  if (error instanceof ApiFault) return error.fault
  throw error
}

/** Breaks off a stream that has gone silent. */
class Watch {
  silent = false
  readonly #abort = new AbortController()
  #timer: ReturnType<typeof setTimeout>

  constructor(outer: AbortSignal) {
    this.signal = AbortSignal.any([outer, this.#abort.signal])
    this.#timer = this.#start()
  }

  readonly signal: AbortSignal

  touch(): void {
    clearTimeout(this.#timer)
    this.#timer = this.#start()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.silent = true
      this.#abort.abort()
    }, SILENT_SECONDS * 1000)
  }
}
