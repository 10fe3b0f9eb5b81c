import type { ShallowRef } from 'vue'

import type { Progress, TraceRequest, TraceSession } from '@/engine/types'

/** A trace as components see it: its progress, its rows, and what can be done about it. */
export interface UseTraceProgress {
  readonly progress: Readonly<ShallowRef<Progress>>
  /** The rows; null before anything is asked. */
  readonly session: Readonly<ShallowRef<TraceSession | null>>
  /**
   * Ask. Resolves once the answer began, to the job's id when it became a job; what went wrong stands in
   * `progress.error`. `asJob`: even when it is small; `fresh`: not what was asked before.
   */
  execute(request: TraceRequest, options?: { asJob?: boolean; fresh?: boolean }): Promise<string | null>
  /** Go on with a job, from its id: after a reload, from a shared link, out of the list of recent jobs. */
  open(jobId: string): void
  /** Stop the job and free its result. */
  cancel(): Promise<void>
  /** Try again now what waits or failed. */
  retry(): void
  /** Let go of the trace, back to `idle`; a job goes on without us. */
  reset(): void
}
