import type { Cell, Column } from '../types'
import { type ColumnStore, makeColumn } from './columns'

/** The records of one domain, in columns. A row is there once `length` counts it. */
export class Table {
  readonly stores: readonly ColumnStore[]
  /** `"NAME":` of each column as bytes: what stands before its value. */
  readonly keys: readonly Uint8Array[]
  length = 0
  readonly #byName: Map<string, ColumnStore>

  constructor(
    readonly domain: string,
    readonly columns: readonly Column[],
  ) {
    this.stores = columns.map(makeColumn)
    this.keys = columns.map((column) => new TextEncoder().encode(`${JSON.stringify(column.name)}:`))
    this.#byName = new Map(columns.map((column, at) => [column.name, this.stores[at]!]))
  }

  /** Raises `RangeError` for a column that the domain does not have. */
  store(name: string): ColumnStore {
    const found = this.#byName.get(name)
    if (found === undefined) throw new RangeError(`${this.domain} has no column ${name}`)
    return found
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  cells(row: number): Cell[] {
    return this.stores.map((store) => store.cell(row))
  }

  /** Give up the rows from `rows` on: of a line that turned out to be damaged. */
  truncate(rows: number): void {
    this.length = rows
    for (const store of this.stores) store.truncate(rows)
  }

  get bytes(): number {
    return this.stores.reduce((sum, store) => sum + store.bytes, 0)
  }
}
