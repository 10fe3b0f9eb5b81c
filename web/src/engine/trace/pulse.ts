import type { GridState } from '../types'
import type { Domain } from './domain'
import type { Listener } from './options'
import type { Trace } from './trace'

const BEAT_MS = 100
const IDLE_MS = 500

/** Tells the page how it goes: at most ten times a second, and only when there is something to tell. */
export class Pulse {
  #soon: ReturnType<typeof setTimeout> | null = null
  #idle: ReturnType<typeof setTimeout> | null = null
  readonly #told = new Map<string, string>()

  constructor(
    readonly trace: Trace,
    readonly listener: Listener,
  ) {}

  /** Something changed; `now` for what the page should know at once. */
  touch(now = false): void {
    if (now) this.#beat()
    else this.#soon ??= setTimeout(() => this.#beat(), BEAT_MS)
  }

  stop(): void {
    if (this.#soon !== null) clearTimeout(this.#soon)
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#soon = this.#idle = null
  }

  #beat(): void {
    this.stop()
    const { ledger } = this.trace
    for (const domain of ledger.domains.values()) this.#rows(domain)
    this.listener.progress(ledger.snapshot())
    // Rates fall and clocks go on while nothing comes.
    if (!ledger.hasEnded) this.#idle = setTimeout(() => this.#beat(), IDLE_MS)
  }

  #rows(domain: Domain): void {
    if (domain.view === null) return
    domain.view.refresh(domain.ended)
    const state = stateOf(domain)
    const key = JSON.stringify(state)
    if (this.#told.get(domain.name) === key) return
    this.#told.set(domain.name, key)
    this.listener.rows(domain.name, state)
  }
}

/** The grid's state; a plain view of a windowed domain counts the rows on the server too. */
export function stateOf(domain: Domain): GridState {
  const { view } = domain
  if (view === null) return { count: 0, matching: 0, held: 0, version: 0, busy: false, windowed: false }
  const beyond = domain.windowed && view.isPlain ? Math.max(domain.announced - domain.received, 0) : 0
  return {
    count: view.count + beyond,
    matching: view.matching + beyond,
    held: domain.received,
    version: view.version,
    busy: false,
    windowed: domain.windowed,
  }
}
