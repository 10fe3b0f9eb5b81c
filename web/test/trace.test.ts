import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { Engine } from '@/engine/engine'
import type { Answer, Listener } from '@/engine/trace/options'
import { EVERYTHING, type GridRow, type Phase, type Progress } from '@/engine/types'

import { expectedRows } from './recording'
import { type Meddle, Replay } from './replay'

type Told = Omit<Progress, Answer>

const DOMAINS = ['history', 'holds']
const ENDED: Phase[] = ['complete', 'failed', 'cancelled', 'gone']
const QUESTION = { profile: 'query_tool', container_ids: ['a', 'b', 'c'] } as const

let server: Replay
beforeEach(async () => (server = await new Replay().start()))
afterEach(() => server.stop())

/** An engine, and what it tells. Waits before trying again are cut short. */
class Watcher implements Listener {
  readonly engine = new Engine()
  readonly phases: Phase[] = []
  last: Told | null = null
  #wanted: ((told: Told) => boolean) | null = null
  #found: ((told: Told) => void) | null = null

  constructor(options: { zstd?: boolean; memoryBytes?: number; patient?: boolean } = {}) {
    this.patient = options.patient ?? false
    this.engine.start({ zstd: options.zstd ?? false, memoryBytes: options.memoryBytes ?? 1e9 }, this, null)
  }

  readonly patient: boolean

  progress(told: Told): void {
    this.last = told
    if (this.phases.at(-1) !== told.phase) this.phases.push(told.phase)
    if (told.phase === 'resuming' && !this.patient) setTimeout(() => this.engine.retry(), 1)
    if (this.#wanted?.(told) === true) this.#found?.(told)
  }

  answer(): void {
    // The recording has no seeds, lineage or analysis.
  }

  rows(): void {
    // Windows are asked for when it is over.
  }

  until(wanted: (told: Told) => boolean): Promise<Told> {
    if (this.last !== null && wanted(this.last)) return Promise.resolve(this.last)
    return new Promise((resolve) => {
      this.#wanted = wanted
      this.#found = resolve
    })
  }

  async ended(): Promise<Told> {
    const told = await this.until(({ phase }) => ENDED.includes(phase))
    this.engine.close()
    return told
  }
}

async function opened(options: ConstructorParameters<typeof Watcher>[0] = {}): Promise<{ watcher: Watcher; told: Told }> {
  const watcher = new Watcher(options)
  watcher.engine.open(server.jobId)
  return { watcher, told: await watcher.ended() }
}

async function rows(watcher: Watcher, domain: string): Promise<readonly GridRow[]> {
  return (await watcher.engine.window(domain, 0, 100)).rows
}

async function expectEverythingOnce(watcher: Watcher): Promise<void> {
  for (const domain of DOMAINS) {
    const cells = (await rows(watcher, domain)).map((row) => (row.kind === 'record' ? row.cells : []))
    expect(cells).toEqual(expectedRows(domain))
  }
}

/** Does something to the first streams only. */
function atFirst(times: number, meddle: Meddle): Meddle {
  let left = times
  return (answer) => {
    if (answer.path.endsWith('/stream') && left-- > 0) meddle(answer)
    else answer.send(answer.body)
  }
}

describe('a job', () => {
  it('is read, proven, and over', async () => {
    const { watcher, told } = await opened()
    expect(told).toMatchObject({ phase: 'complete', error: null, received: 8, percent: 100, resumes: 0, transport: 'stream', shortfalls: [] })
    expect(told.domains.map(({ name, status, verified }) => [name, status, verified])).toEqual([
      ['history', 'ok', true], ['holds', 'ok', true]])
    expect(told.domains[0]?.containers).toEqual({ asked: 3, with_records: 3, without_records: 0, failed: 0 })
    expect(told.firstRowSeconds).not.toBeNull()
    await expectEverythingOnce(watcher)
  })

  it.each([0, 1, 200, 1200, 2400, 3000, 3600, 4200, 5000, 5700])('that is cut after %i bytes is read on', async (bytes) => {
    server.meddle = atFirst(1, ({ send, body }) => send(body.subarray(0, bytes), bytes % 400 === 0 ? 'cut' : 'whole'))
    const { watcher, told } = await opened()
    expect(told).toMatchObject({ phase: 'complete', resumes: 1, received: 8 })
    expect(told.interruptions).toHaveLength(1)
    expect(told.domains.every(({ verified }) => verified === true)).toBe(true)
    await expectEverythingOnce(watcher)
  })

  it('that is cut after each line is read on from its cursor', async () => {
    let allowed = 0
    server.meddle = (answer) => {
      if (!answer.path.endsWith('/stream')) {
        answer.send(answer.body)
        return
      }
      // Meta and domain_start and one line more, each time.
      const lines = answer.body.toString().split('\n').slice(0, 3)
      allowed++
      answer.send(allowed < 9 ? Buffer.from(lines.join('\n') + '\n') : answer.body)
    }
    const { watcher, told } = await opened()
    expect(told.phase).toBe('complete')
    expect(server.asked.filter((asked) => asked.includes('after=history%3A1'))).toHaveLength(1)
    await expectEverythingOnce(watcher)
  })

  it('with a damaged line tells of it and is read on', async () => {
    server.meddle = atFirst(1, ({ send, body }) => {
      const damaged = Buffer.from(body)
      damaged[body.indexOf('"MD-成型"')] = 0x7b
      send(damaged)
    })
    const { watcher, told } = await opened()
    expect(told.phase).toBe('complete')
    expect(told.interruptions[0]).toMatchObject({ code: 'LINE_MALFORMED', line: { number: 3 } })
    expect(told.interruptions[0]?.line?.excerpt).toMatch(/^\{"type":"records","domain":"history","batch":0/)
    await expectEverythingOnce(watcher)
  })

  it('with a changed value is not believed, and that domain is read anew', async () => {
    server.meddle = atFirst(1, ({ send, body }) => send(Buffer.from(body.toString().replace('"TRACKOUTQTY":6000', '"TRACKOUTQTY":6001'))))
    const { watcher, told } = await opened()
    expect(told.phase).toBe('complete')
    expect(told.interruptions.map(({ code }) => code)).toEqual(['RESULT_DIFFERS'])
    await expectEverythingOnce(watcher)
  })

  it('with a value that changes each time ends as a failure that names the domain', async () => {
    server.meddle = ({ send, body }) => send(Buffer.from(body.toString().replace('"TRACKOUTQTY":6000', '"TRACKOUTQTY":6001')))
    const { told } = await opened()
    expect(told).toMatchObject({ phase: 'failed', error: { code: 'RESULT_DIFFERS' }, shortfalls: [{ domain: 'history', kind: 'digest' }] })
    expect(told.domains.map(({ verified }) => verified)).toEqual([false, true])
  })

  it('with a batch too few is not taken for whole', async () => {
    server.meddle = ({ path, send, body }) =>
      send(path.endsWith('/stream') ? Buffer.from(body.toString().split('\n').filter((line) => !line.includes('"domain":"holds","batch":1')).join('\n')) : body)
    const { told } = await opened()
    expect(told.phase).toBe('failed')
    expect(told.shortfalls).toContainEqual({ domain: 'holds', kind: 'records', expected: 3, received: 2 })
  })

  it('waits as long as the server asks', async () => {
    server.meddle = atFirst(1, ({ refuse }) => refuse(503, { code: 'QUEUE_UNAVAILABLE', detail: 'Redis is away.' }, { 'Retry-After': '30' }))
    const watcher = new Watcher({ patient: true })
    watcher.engine.open(server.jobId)
    const told = await watcher.until(({ phase }) => phase === 'resuming')
    expect(told.interruption).toMatchObject({ code: 'QUEUE_UNAVAILABLE', retryAfterSeconds: 30, status: 503 })
    expect(told.retryAt! - Date.now()).toBeGreaterThan(20_000)
    watcher.engine.retry()
    expect((await watcher.ended()).phase).toBe('complete')
  })

  it('whose streams bring nothing is fetched by pages', async () => {
    server.meddle = ({ path, send, body }) => send(path.endsWith('/stream') ? body.subarray(0, 5) : body, path.endsWith('/stream') ? 'cut' : 'whole')
    const { watcher, told } = await opened()
    expect(told).toMatchObject({ phase: 'complete', transport: 'pages', received: 8 })
    expect(watcher.phases).toContain('polling')
    // Pages carry no proof.
    expect(told.domains.map(({ verified, status }) => [verified, status])).toEqual([[null, 'ok'], [null, 'ok']])
    await expectEverythingOnce(watcher)
  })

  it('larger than the page may hold is read by windows', async () => {
    const { watcher, told } = await opened({ memoryBytes: 1 })
    expect(told.phase).toBe('complete')
    const history = told.domains[0]!
    expect(history.windowed).toBe(true)
    expect(history.received).toBeLessThan(5)
    const { rows: found, count } = await watcher.engine.window('history', 0, 4)
    expect(count).toBe(5)
    expect(found.map((row) => (row.kind === 'record' ? row.cells : []))).toEqual(expectedRows('history').slice(0, 4))
    expect(watcher.engine.query('history', { ...EVERYTHING, sort: [{ column: 'TRACKINQTY', descending: true }] })).toMatchObject({
      count: history.received, windowed: true })
  })

  it('that failed says why, and keeps what had come', async () => {
    const error = '{"type":"error","code":"WORKER_LOST","message":"Gone.","retryable":false,"resume_after":null}\n'
    server.meddle = ({ path, send, body }) => {
      const lines = body.toString().split('\n')
      send(path.endsWith('/stream') ? Buffer.from(lines.slice(0, 4).join('\n') + '\n' + error) : body)
    }
    const { told } = await opened()
    expect(told).toMatchObject({ phase: 'failed', error: { code: 'WORKER_LOST', message: 'Gone.' }, received: 4 })
  })

  it('that is not there is told from one that failed', async () => {
    const watcher = new Watcher()
    watcher.engine.open('trace-evt-other')
    expect(await watcher.ended()).toMatchObject({ phase: 'gone', error: { code: 'JOB_NOT_FOUND', status: 404 } })
  })

  it('is cancelled on the server', async () => {
    server.meddle = ({ path, send, body }) => {
      if (!path.endsWith('/stream')) send(body)
    }
    const watcher = new Watcher()
    watcher.engine.open(server.jobId)
    await watcher.until(({ transport }) => transport === 'stream')
    await watcher.engine.cancel()
    expect((await watcher.ended()).phase).toBe('cancelled')
    expect(server.asked.at(-1)).toBe(`DELETE /job/${server.jobId}`)
  })

  it('gives a domain that is looked at a stream of its own', async () => {
    let hold: (() => void) | null = null
    server.meddle = ({ query, send, body, path }) => {
      if (path.endsWith('/stream') && query.getAll('domain').length === 2) {
        hold = () => send(body)
      } else send(body)
    }
    const watcher = new Watcher()
    watcher.engine.open(server.jobId)
    await watcher.until(({ transport }) => transport === 'stream')
    await expect.poll(() => hold).not.toBeNull()
    watcher.last = null
    watcher.engine.prefer('holds')
    hold!()
    const told = await watcher.ended()
    expect(told).toMatchObject({ phase: 'complete', received: 8 })
    await expectEverythingOnce(watcher)
  })
})

describe('a small trace', () => {
  it('is answered at once', async () => {
    const watcher = new Watcher()
    expect(await watcher.engine.ask(QUESTION, {})).toBeNull()
    expect(await watcher.ended()).toMatchObject({ phase: 'complete', transport: 'at-once', jobId: null, received: 8 })
    await expectEverythingOnce(watcher)
  })

  it('that was cut is a failure, and asking again looks at it the same way', async () => {
    let cut = true
    server.meddle = ({ path, send, body }) => {
      send(path === '/events' && cut ? body.subarray(0, 2000) : body)
      cut = false
    }
    const watcher = new Watcher()
    await watcher.engine.ask(QUESTION, {})
    expect(await watcher.until(({ phase }) => ENDED.includes(phase))).toMatchObject({ phase: 'failed' })
    const query = { ...EVERYTHING, filters: [{ kind: 'text', column: 'SPECNAME', op: 'contains', value: 'totai' } as const] }
    expect(watcher.engine.query('history', query).count).toBe(0)
    watcher.last = null
    watcher.engine.retry()
    expect(await watcher.ended()).toMatchObject({ phase: 'complete', received: 8 })
    const specs = expectedRows('history').filter((row) => row.some((cell) => String(cell).includes('PL-TOTAI')))
    expect((await rows(watcher, 'history')).length).toBe(specs.length)
  })

  it('can be a job', async () => {
    const watcher = new Watcher()
    expect(await watcher.engine.ask(QUESTION, { asJob: true })).toBe(server.jobId)
    expect(await watcher.ended()).toMatchObject({ phase: 'complete', jobId: server.jobId })
  })

  it('that is refused says what is wrong with it', async () => {
    server.meddle = ({ refuse }) =>
      refuse(422, { code: 'INVALID_PARAMS', detail: 'Two things are wrong.', errors: [{ loc: ['container_ids', 3], msg: 'too long', type: 'x' }] })
    const watcher = new Watcher()
    expect(await watcher.engine.ask(QUESTION, {})).toBeNull()
    expect(await watcher.ended()).toMatchObject({
      phase: 'failed', error: { code: 'INVALID_PARAMS', status: 422, retryable: false, fields: [{ where: 'container_ids.3', message: 'too long' }] } })
  })
})

it('does not believe a stream with any byte changed', async () => {
  let at = 0
  let first = true
  server.meddle = ({ path, send, body }) => {
    const changed = Buffer.from(body)
    if (path.endsWith('/stream') && first) {
      changed[at]! ^= 0x01
      first = false
    }
    send(changed)
  }
  for (at = 0; at < 5800; at += 149) {
    first = true
    const { watcher, told } = await opened()
    expect(told.phase === 'failed' || told.phase === 'complete').toBe(true)
    // Whatever became of the stream: what is called complete and proven is what was recorded.
    if (told.phase === 'complete') await expectEverythingOnce(watcher)
  }
})
