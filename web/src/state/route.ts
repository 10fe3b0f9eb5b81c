import { computed, readonly, ref } from 'vue'

/**
 * Where the page is, in the fragment of its address: `#/`, `#/trace`, `#/job/{id}/{view}/{domain}`.
 *
 * Job ids are secrets. A fragment is never sent, so no proxy and no log gets to know one.
 */
export interface Route {
  readonly page: 'ask' | 'trace'
  readonly jobId: string | null
  readonly view: string | null
  readonly domain: string | null
}

const JOB_ID = /^trace-evt-[\w-]{1,64}$/

export function routeOf(hash: string): Route {
  const [page, ...rest] = hash.replace(/^#?\/?/, '').split('/').map(decoded)
  if (page === 'job' && rest[0] !== undefined && JOB_ID.test(rest[0]))
    return { page: 'trace', jobId: rest[0], view: rest[1] ?? null, domain: rest[2] ?? null }
  if (page === 'trace') return { page: 'trace', jobId: null, view: rest[0] ?? null, domain: rest[1] ?? null }
  return { page: 'ask', jobId: null, view: null, domain: null }
}

export function hashOf(route: Route): string {
  if (route.page === 'ask') return '#/'
  const parts = route.jobId === null ? ['trace'] : ['job', route.jobId]
  if (route.view !== null) parts.push(route.view, ...(route.domain === null ? [] : [route.domain]))
  return `#/${parts.map(encodeURIComponent).join('/')}`
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const current = ref(routeOf(location.hash))
addEventListener('hashchange', () => (current.value = routeOf(location.hash)))

export const route = readonly(current)
export const atTrace = computed(() => current.value.page === 'trace')

/** Go there; `replace` leaves no step in the history, for views of the same trace. */
export function go(to: Route, how: 'push' | 'replace' = 'push'): void {
  const hash = hashOf(to)
  if (how === 'push') history.pushState(null, '', hash)
  else history.replaceState(null, '', hash)
  current.value = to
}

export const askPage: Route = { page: 'ask', jobId: null, view: null, domain: null }

/** The address that opens this job in another browser. */
export function linkTo(jobId: string): string {
  return location.href.replace(/#.*$/, '') + hashOf({ page: 'trace', jobId, view: null, domain: null })
}
