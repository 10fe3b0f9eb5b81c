import type { GridState, Progress } from '../types'

export interface TraceOptions {
  /** Whether the page must undo zstd itself: where the browser does not offer it. */
  readonly zstd: boolean
  /** Bytes of columns that may be held; beyond, rows are read by windows. */
  readonly memoryBytes: number
}

export interface AskOptions {
  readonly asJob?: boolean
  readonly fresh?: boolean
}

export type Answer = 'seeds' | 'lineage' | 'aggregation'

/** Where news goes: progress and rows at most ten times a second, answers when they come. */
export interface Listener {
  progress(progress: Omit<Progress, Answer>): void
  answer(kind: Answer, data: unknown): void
  rows(domain: string, state: GridState): void
}
