import { type ShallowRef, getCurrentScope, onScopeDispose, shallowReadonly, shallowRef } from 'vue'

import { ApiFault, faultOf } from '@/api/client'
import { pageLimits } from '@/api/limits'
import { type EngineHost, IDLE, WorkerSession, startWorker } from '@/engine/session'
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
  /** Stop the job and free its result; when that was not possible, `progress.error` says why. */
  cancel(): Promise<void>
  /** Try again now what waits or failed. */
  retry(): void
  /** Let go of the trace, back to `idle`; a job goes on without us. */
  reset(): void
}

/** One trace at a time; its worker ends with the component's scope. `start` makes what the engine runs in. */
export function useTraceProgress(start: () => EngineHost = startWorker): UseTraceProgress {
  const progress = shallowRef<Progress>(IDLE)
  const session = shallowRef<WorkerSession | null>(null)

  async function begin(): Promise<WorkerSession | null> {
    reset()
    progress.value = { ...IDLE, phase: 'asking' }
    const mine = {}
    latest = mine
    const { memoryBytes } = await pageLimits()
    // Meanwhile somebody may have asked for something else.
    if (latest !== mine) return null
    const begun = new WorkerSession(start(), { zstd: !undoesZstd(), memoryBytes })
    begun.subscribe((told) => {
      progress.value = told
    })
    session.value = begun
    return begun
  }

  let latest: object | null = null

  function reset(): void {
    latest = null
    session.value?.close()
    session.value = null
    progress.value = IDLE
  }

  if (getCurrentScope() !== undefined) onScopeDispose(reset)

  return {
    progress: shallowReadonly(progress),
    session: shallowReadonly(session),
    execute: async (request, options = {}) => (await begin())?.ask(request, options) ?? null,
    open: (jobId) => {
      void begin().then((begun) => begun?.open(jobId))
    },
    cancel: async () => {
      try {
        await session.value?.cancel()
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        const fault = error instanceof ApiFault ? error.fault : faultOf('ENGINE', message, { retryable: true })
        progress.value = { ...progress.value, error: fault }
      }
    },
    retry: () => session.value?.retry(),
    reset,
  }
}

/** Browsers offer zstd where the page is trusted: over TLS and on localhost. */
function undoesZstd(): boolean {
  return globalThis.isSecureContext
}
