import type { DomainEndLine } from '../net/messages'
import { DomainDigest } from '../net/digest'
import { MalformedLine } from '../net/lines'
import { Table } from '../store/table'
import { type Column, type Containers, type DomainState, type DomainStatus, EVERYTHING, type GridQuery, type Shortfall } from '../types'
import { View } from '../views/view'
import { Rate } from './rates'

const TYPES: ReadonlySet<string> = new Set(['string', 'integer', 'number', 'boolean', 'timestamp'])

/** One domain of a trace: what has been said of it, and its records. */
export class Domain {
  status: DomainStatus = 'waiting'
  table: Table | null = null
  view: View | null = null
  batchesDone = 0
  batchesTotal: number | null = null
  /** Records on the server, as far as is known. */
  announced = 0
  /** `records` lines taken in: the next one has this number. */
  batches = 0
  windowed = false
  containers: Containers | null = null
  error: DomainState['error'] = null
  verified: boolean | null = null
  /** It has told its end, and all of it is here (or windowed). */
  ended = false
  readonly rate = new Rate()
  /** It was read anew once, as what had come was not what the server committed. */
  reread = false
  #digest = new DomainDigest()
  /** Pages carry no lines: what came by them cannot be proven. */
  #provable = true

  constructor(
    readonly name: string,
    readonly query: GridQuery = EVERYTHING,
  ) {}

  get received(): number {
    return this.table?.length ?? 0
  }

  /**
   * Its columns are known. Raises `MalformedLine` when they are not those announced before, of which nobody
   * can tell which were damaged: its records are then to be read anew.
   */
  begin(columns: readonly Column[]): Table {
    if (!columns.every(({ type }) => TYPES.has(type))) throw new MalformedLine('a column of no known type', 0, '')
    const before = this.table
    const same = before !== null && JSON.stringify(before.columns) === JSON.stringify(columns)
    if (!same) this.#renew(columns)
    if (this.status === 'waiting') this.status = 'running'
    if (!same && before !== null && before.length > 0) {
      throw new MalformedLine(`the columns of ${this.name} changed while it was read`, 0, '')
    }
    return this.table!
  }

  /** Raises `MalformedLine` when these are not the records that come next. */
  expect(batch: number, offset: number): Table {
    if (this.table === null) throw new MalformedLine(`records of ${this.name} before its columns`, 0, '')
    if (batch !== this.batches || offset !== this.table.length) {
      throw new MalformedLine(`batch ${batch} of ${this.name} came where ${this.batches} was due`, 0, '')
    }
    return this.table
  }

  /** A line of records is in the table. */
  async took(line: Uint8Array): Promise<void> {
    this.batches++
    this.announced = Math.max(this.announced, this.received)
    if (this.#provable) await this.#digest.add(line)
  }

  /** Records came that carry no proof. */
  tookPage(): void {
    this.#provable = false
    this.announced = Math.max(this.announced, this.received)
  }

  /** Its end came: what does not add up is returned. */
  async end(line: DomainEndLine): Promise<Shortfall[]> {
    this.status = line.status
    this.containers = line.containers
    this.error = line.error
    this.announced = line.count
    this.batchesTotal ??= this.batchesDone
    this.batchesDone = Math.max(this.batchesDone, this.batchesTotal)
    this.ended = true
    const found: Shortfall[] = []
    if (line.count !== this.received) found.push(this.#shortfall('records', line.count, this.received))
    if (this.#provable && line.batches !== this.batches) found.push(this.#shortfall('batches', line.batches, this.batches))
    if (this.#provable && found.length === 0) {
      const digest = await this.#digest.hex()
      if (digest !== line.digest) found.push(this.#shortfall('digest', line.digest, digest))
    }
    this.verified = found.length > 0 ? false : this.#provable ? true : null
    return found
  }

  /** The job has ended and this is what its status and coverage say of it. */
  endOfPages(said: string | undefined, containers: Containers | null): void {
    this.status = said === 'partial' || said === 'failed' ? said : 'ok'
    this.containers = containers
    this.batchesDone = this.batchesTotal ?? this.batchesDone
    this.ended = true
  }

  /** Forget its records, to read them anew; the query of its view stays. */
  reset(): void {
    if (this.table !== null) this.#renew(this.table.columns)
  }

  #renew(columns: readonly Column[]): void {
    const query = this.view?.query ?? this.query
    this.table = new Table(this.name, columns)
    this.view = new View(this.table)
    try {
      this.view.ask(query)
    } catch {
      // Columns that were damaged are no longer there to be asked for.
      this.view.ask(EVERYTHING)
    }
    this.batches = 0
    this.ended = false
    this.status = 'running'
    this.verified = null
    this.#digest = new DomainDigest()
    this.#provable = true
  }

  /** The cursor after what is held. */
  get cursor(): string {
    return `${this.name}:${this.batches - 1}`
  }

  sample(seconds: number): void {
    this.rate.add(seconds, this.received)
  }

  get state(): DomainState {
    return {
      name: this.name,
      status: this.status,
      columns: this.table?.columns ?? [],
      batchesDone: this.batchesDone,
      batchesTotal: this.batchesTotal,
      records: this.announced,
      received: this.received,
      recordsPerSecond: this.ended ? 0 : Math.round(this.rate.value),
      windowed: this.windowed,
      containers: this.containers,
      verified: this.verified,
      error: this.error,
    }
  }

  get bytes(): number {
    return (this.table?.bytes ?? 0) + (this.view?.bytes ?? 0)
  }

  #shortfall(kind: Shortfall['kind'], expected: number | string, received: number | string): Shortfall {
    return { domain: this.name, kind, expected, received }
  }
}
