import { expose, wrap } from 'comlink'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { effectScope } from 'vue'

import { ApiFault, call, retryAfter } from '@/api/client'
import { useTraceProgress } from '@/composables/useTraceProgress'
import { Engine } from '@/engine/engine'
import { type EngineHost, WorkerSession } from '@/engine/session'
import type { GridState } from '@/engine/types'

import { expectedRows } from './recording'
import { Replay } from './replay'

let server: Replay
const ended: string[] = []
beforeEach(async () => {
  ended.length = 0
  server = await new Replay().start()
})
afterEach(() => server.stop())

/** The engine behind a channel of messages, as in a worker. */
function host(): EngineHost {
  const { port1, port2 } = new MessageChannel()
  expose(new Engine(), port1)
  return {
    engine: wrap<Engine>(port2),
    end: () => {
      ended.push('host')
      port1.close()
    },
  }
}

const QUESTION = { profile: 'query_tool', container_ids: ['a'] } as const

describe('useTraceProgress', () => {
  it('asks, tells how it goes, and gives the rows', async () => {
    const scope = effectScope()
    const trace = scope.run(() => useTraceProgress(host))!
    expect(trace.progress.value.phase).toBe('idle')
    expect(await trace.execute(QUESTION, { asJob: true })).toBe(server.jobId)
    await expect.poll(() => trace.progress.value.phase).toBe('complete')
    expect(trace.progress.value.received).toBe(8)
    const grid = trace.session.value!.grid('history')
    const { rows } = await grid.window(0, 10)
    expect(rows.map((row) => (row.kind === 'record' ? row.cells : []))).toEqual(expectedRows('history'))
    scope.stop()
    expect(ended).toEqual(['host'])
    expect(trace.progress.value.phase).toBe('idle')
  })

  it('goes on with a job from its id', async () => {
    const trace = useTraceProgress(host)
    trace.open(server.jobId)
    await expect.poll(() => trace.progress.value.phase).toBe('complete')
    expect(trace.progress.value.jobId).toBe(server.jobId)
    trace.reset()
    expect(trace.session.value).toBeNull()
  })

  it('forgets a question that another one overtook', async () => {
    const trace = useTraceProgress(host)
    const first = trace.execute(QUESTION)
    trace.open(server.jobId)
    expect(await first).toBeNull()
    await expect.poll(() => trace.progress.value.phase).toBe('complete')
    expect(server.asked.some((asked) => asked.startsWith('POST'))).toBe(false)
    trace.reset()
  })

  it('cancels, and says when that was not possible', async () => {
    const trace = useTraceProgress(host)
    server.meddle = ({ path, send, body, refuse }) => {
      if (path.endsWith('/stream')) return
      if (path === `/job/${server.jobId}` && server.asked.at(-1)?.startsWith('DELETE') === true) {
        refuse(503, { code: 'QUEUE_UNAVAILABLE', detail: 'Redis is away.' })
      } else send(body)
    }
    trace.open(server.jobId)
    await expect.poll(() => trace.progress.value.transport).not.toBeNull()
    await trace.cancel()
    expect(trace.progress.value.error?.message).toBe('Redis is away.')
    server.meddle = ({ send, body }) => send(body)
    await trace.cancel()
    await expect.poll(() => trace.progress.value.phase).toBe('cancelled')
    trace.reset()
  })
})

describe('a session', () => {
  it('sends only the latest of the queries that wait', async () => {
    const session = new WorkerSession(host(), { zstd: false, memoryBytes: 1e9 })
    await session.open(server.jobId)
    await expect.poll(() => session.progress.phase).toBe('complete')
    const grid = session.grid('history')
    await grid.ask({})
    const states: GridState[] = []
    grid.subscribe((state) => states.push(state))
    const filter = (value: string) => ({ filters: [{ kind: 'text', column: 'SPECNAME', op: 'contains', value } as const] })
    const asks = ['n', 'no', 'now', 'nowhere'].map((value) => grid.ask(filter(value)))
    await Promise.all(asks)
    expect(grid.state).toMatchObject({ count: 0, busy: false })
    // The first, and the last of those that came while it was made.
    expect(new Set(states.map(({ version }) => version)).size).toBeLessThanOrEqual(3)
    await expect(grid.ask({ sort: [{ column: 'NO', descending: false }] })).rejects.toThrow('has no column NO')
    session.close()
  })
})

describe('calls', () => {
  it('fail with what the server says', async () => {
    server.meddle = ({ refuse }) => refuse(429, { code: 'RATE_LIMITED', detail: 'Too often.' }, { 'Retry-After': '7' })
    const fault = await call('get', '/api/trace/catalogue').catch((error: unknown) => error)
    expect(fault).toBeInstanceOf(ApiFault)
    expect((fault as ApiFault).fault).toMatchObject({ code: 'RATE_LIMITED', status: 429, retryable: true, retryAfterSeconds: 7, message: 'Too often.' })
  })

  it('fail as a matter of the network when nobody answers', async () => {
    await server.stop()
    globalThis.fetch = () => Promise.reject(new TypeError('fetch failed'))
    const fault = await call('get', '/api/trace/catalogue').catch((error: unknown) => error)
    expect((fault as ApiFault).fault).toMatchObject({ code: 'NETWORK', status: null, retryable: true })
    server = await new Replay().start()
  })

  it('read Retry-After as seconds or as a date', () => {
    expect(retryAfter('3')).toBe(3)
    expect(retryAfter('Thu, 01 Jan 2026 00:00:10 GMT', Date.UTC(2026, 0, 1))).toBe(10)
    expect(retryAfter('soon')).toBeNull()
    expect(retryAfter(null)).toBeNull()
  })
})
