import { inject, type InjectionKey } from 'vue'

import type { useTraceProgress } from '@/composables/useTraceProgress'

/** The one trace that the page is about; made by the application's root, used by everything below it. */
export type Trace = ReturnType<typeof useTraceProgress>

export const TRACE: InjectionKey<Trace> = Symbol('trace')

export function useTrace(): Trace {
  const trace = inject(TRACE)
  if (trace === undefined) throw new Error('no trace is provided')
  return trace
}
