import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { ApiFault, queryOf } from '@/api/client'
import { resolveSeeds, traceLineage } from '@/api/stages'

const SEEDS = { stage: 'seed-resolve', seeds: [{ container_id: 'A', container_name: 'LOT-A', lot_id: 'LOT-A' }], seed_count: 1, not_found: ['B'], expansion: {} }
const JOB = { job_id: 'trace-seed-1', stage: 'seed-resolve', status: 'queued' }
const QUESTION = { profile: 'query_tool', params: { resolve_type: 'lot_id', values: ['LOT-A', 'B'] } }

type Answer = readonly [status: number, body: unknown]
let answers: Answer[] = []
let asked: string[] = []
const { fetch } = globalThis

beforeEach(() => {
  asked = []
  globalThis.fetch = (input, init) => {
    asked.push(`${init?.method ?? ''} ${input as string}`)
    const [status, body] = answers.shift() ?? [500, {}]
    return Promise.resolve(new Response(JSON.stringify(body), { status }))
  }
})
afterEach(() => {
  globalThis.fetch = fetch
})

describe('an answer of a stage', () => {
  it('is taken at once where the service gives it at once', async () => {
    answers = [[200, SEEDS]]
    expect(await resolveSeeds(QUESTION)).toEqual(SEEDS)
    expect(asked).toEqual(['POST /api/trace/seed-resolve'])
  })

  it('is waited for when it becomes a job', async () => {
    answers = [[202, JOB], [200, { status: 'running', error: null }], [200, { status: 'finished', error: null }], [200, SEEDS]]
    expect(await resolveSeeds(QUESTION)).toEqual(SEEDS)
    expect(asked).toEqual([
      'POST /api/trace/seed-resolve',
      'GET /api/trace/job/trace-seed-1?wait=0',
      'GET /api/trace/job/trace-seed-1?wait=30',
      'GET /api/trace/job/trace-seed-1/result',
    ])
  })

  it('is the fault of its job when that fails', async () => {
    answers = [[202, { ...JOB, job_id: 'j', stage: 'lineage' }], [200, { status: 'failed', error: { code: 'SOURCE_TIMEOUT', message: 'Too slow.' } }]]
    const fault: unknown = await traceLineage({ profile: 'query_tool', container_ids: ['A'] }).catch((error: unknown) => error)
    expect((fault as ApiFault).fault).toMatchObject({ code: 'SOURCE_TIMEOUT', message: 'Too slow.' })
  })

  it('is no other stage’s', async () => {
    answers = [[202, { ...JOB, stage: 'lineage' }], [200, { status: 'finished', error: null }], [200, SEEDS]]
    await expect(traceLineage({ profile: 'query_tool', container_ids: ['A'] })).rejects.toBeInstanceOf(ApiFault)
  })
})

describe('a query', () => {
  it('has a pair for each value of a list, and none for what is missing', () => {
    expect(queryOf({ a: ['x', 'y z'], b: null, c: undefined, d: 0, e: [] })).toBe('?a=x&a=y+z&d=0')
    expect(queryOf({})).toBe('')
  })
})
