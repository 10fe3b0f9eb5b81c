import { ref, shallowRef } from 'vue'

import type { TraceRequest } from '@/engine/types'

import { keepQuestion } from './question'
import { go, route } from './route'
import { useTrace } from './trace'

/** Ask, and show the answer: as soon as it is on its way the page turns to it. */
export function useAsking() {
  const trace = useTrace()
  const busy = ref(false)

  async function ask(request: TraceRequest, options: { asJob?: boolean; fresh?: boolean } = {}): Promise<void> {
    busy.value = true
    try {
      lastAsked.value = { request, options }
      go({ page: 'trace', jobId: null, view: null, domain: null })
      const jobId = await trace.execute(request, options)
      if (jobId === null) return
      keepQuestion(jobId, request)
      // Whoever went elsewhere meanwhile is left there.
      if (route.value.page === 'trace' && route.value.jobId === null)
        go({ page: 'trace', jobId, view: route.value.view, domain: route.value.domain }, 'replace')
    } finally {
      busy.value = false
    }
  }

  return { ask, busy }
}

/** The question that this page asked last; answered at once it has no job to be found by. */
export const lastAsked = shallowRef<{ request: TraceRequest; options: { asJob?: boolean } } | null>(null)
