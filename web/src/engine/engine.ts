import { setCredential } from '@/api/credential'

import type { Domain } from './trace/domain'
import type { AskOptions, Listener, TraceOptions } from './trace/options'
import { windowOf } from './trace/pages'
import { Breather } from './trace/pauses'
import { stateOf } from './trace/pulse'
import { Trace } from './trace/trace'
import type {
  Cell,
  Filter,
  GridQuery,
  GridState,
  GridWindow,
  GroupAnswer,
  GroupRequest,
  TraceRecord,
  TraceRequest,
} from './types'
import { compile } from './views/filter'
import { groupRows } from './views/group'
import { csvParts, tabbed } from './views/text'
import type { View } from './views/view'

/** What the worker does for the page: one trace, and every question about its rows. */
export class Engine {
  #trace: Trace | null = null

  /** Before everything else. `credential`: what every call carries, if anything. */
  start(options: TraceOptions, listener: Listener, credential: string | null): void {
    setCredential(credential)
    this.#trace = new Trace(options, listener)
  }

  ask(request: TraceRequest, how: AskOptions): Promise<string | null> {
    return this.#running.ask(request, how)
  }

  open(jobId: string): void {
    this.#running.open(jobId)
  }

  retry(): void {
    this.#running.retry()
  }

  prefer(domain: string): void {
    this.#running.prefer(domain)
  }

  cancel(): Promise<void> {
    return this.#running.cancel()
  }

  close(): void {
    this.#trace?.close()
  }

  query(name: string, query: GridQuery): GridState {
    const domain = this.#domain(name)
    viewOf(domain).ask(query)
    return stateOf(domain)
  }

  async window(name: string, first: number, last: number): Promise<GridWindow> {
    const domain = this.#domain(name)
    const view = viewOf(domain)
    const { version } = view
    const rows = view.rows(first, last)
    const { count } = stateOf(domain)
    const { jobId } = this.#running.ledger
    const from = Math.max(first, view.count)
    const until = Math.min(last, count)
    if (from < until && jobId !== null) {
      const cells = await windowOf(jobId, name, view.table.columns, from, until)
      rows.push(...cells.map((each, at) => ({ kind: 'record' as const, index: from + at, cells: each })))
    }
    return { rows, count, version }
  }

  values(name: string, column: string, search: string, limit: number): { value: Cell; count: number }[] {
    const { table } = viewOf(this.#domain(name))
    const filters: Filter[] = search === '' ? [] : [{ kind: 'text', column, op: 'contains', value: search }]
    const { groups } = groupRows(table, { keys: [{ column }], measures: [{ op: 'count' }], filters, limit }, 0)
    return groups.map(({ keys, values }) => ({ value: keys[0] ?? null, count: values[0] ?? 0 }))
  }

  copy(name: string, first: number, last: number, columns: readonly string[]): string {
    return tabbed(viewOf(this.#domain(name)), first, last, columns)
  }

  async csv(name: string, columns: readonly string[], told: (done: number, of: number) => void): Promise<Blob> {
    const view = viewOf(this.#domain(name))
    const parts: Blob[] = []
    const breather = new Breather()
    for (const { part, rows } of csvParts(view, columns)) {
      // As a blob a part is the browser's to keep, on disk when it is large.
      if (part !== null) parts.push(new Blob([part]))
      told(rows, view.matching)
      await breather.breathe()
    }
    return new Blob(parts, { type: 'text/csv;charset=utf-8' })
  }

  group(name: string, request: GroupRequest): GroupAnswer | null {
    const view = this.#running.ledger.domains.get(name)?.view
    return view ? groupRows(view.table, request, view.version) : null
  }

  records(name: string, filters: readonly Filter[], limit: number): TraceRecord[] {
    const table = this.#running.ledger.domains.get(name)?.table
    if (!table) return []
    const test = compile(table, filters, '')
    const found: TraceRecord[] = []
    for (let row = 0; row < table.length && found.length < limit; row++) {
      if (test !== null && !test(row)) continue
      found.push(Object.fromEntries(table.stores.map((store) => [store.column.name, store.cell(row)])))
    }
    return found
  }

  get #running(): Trace {
    if (this.#trace === null) throw new Error('the engine has not been started')
    return this.#trace
  }

  #domain(name: string): Domain {
    const found = this.#running.ledger.domains.get(name)
    if (found === undefined) throw new RangeError(`the trace has no domain ${name}`)
    return found
  }
}

function viewOf(domain: Domain): View {
  if (domain.view === null) throw new RangeError(`nothing of ${domain.name} has come yet`)
  return domain.view
}
