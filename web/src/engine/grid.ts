import { type Remote, proxy } from 'comlink'

import type { Engine } from './engine'
import { type Cell, type Column, EVERYTHING, type GridQuery, type GridSource, type GridState, type GridWindow } from './types'

export const NO_ROWS: GridState = { count: 0, matching: 0, held: 0, version: 0, busy: false, windowed: false }

/** A domain's rows as the page sees them; the rows themselves are the worker's. */
export class WorkerGrid implements GridSource {
  state: GridState = NO_ROWS
  query: GridQuery = EVERYTHING
  readonly #listeners = new Set<(state: GridState) => void>()
  #asking: Promise<GridState> | null = null
  #next: { query: GridQuery; promise: Promise<GridState> } | null = null

  constructor(
    readonly engine: Remote<Engine>,
    readonly domain: string,
    readonly columns: readonly Column[],
  ) {}

  subscribe(listener: (state: GridState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What the worker says of the rows. */
  told(state: GridState): void {
    this.state = { ...state, busy: this.#asking !== null }
    for (const listener of this.#listeners) listener(this.state)
  }

  ask(query: Partial<GridQuery>): Promise<GridState> {
    this.query = { ...this.query, ...query }
    if (this.#asking === null) return this.#send(this.query)
    // While one is being made only the latest waits: what was typed in between is not worth a view.
    if (this.#next !== null) {
      this.#next.query = this.query
      return this.#next.promise
    }
    const next = { query: this.query, promise: this.#asking }
    next.promise = this.#asking.catch(() => this.state).then(() => {
      this.#next = null
      return this.#send(next.query)
    })
    this.#next = next
    return next.promise
  }

  window(first: number, last: number): Promise<GridWindow> {
    return this.engine.window(this.domain, first, last)
  }

  values(column: string, search: string, limit: number): Promise<readonly { value: Cell; count: number }[]> {
    return this.engine.values(this.domain, column, search, limit)
  }

  copy(first: number, last: number, columns: readonly string[]): Promise<string> {
    return this.engine.copy(this.domain, first, last, columns)
  }

  csv(columns: readonly string[], onProgress?: (done: number, of: number) => void): Promise<Blob> {
    return this.engine.csv(this.domain, columns, proxy(onProgress ?? (() => undefined)))
  }

  async #send(query: GridQuery): Promise<GridState> {
    const asking = this.engine.query(this.domain, query)
    this.#asking = asking
    this.told(this.state)
    try {
      const state = await asking
      this.#asking = null
      this.told(state)
      return state
    } catch (error) {
      this.#asking = null
      this.told(this.state)
      throw error
    }
  }
}
