/** Columns and cells, which rows of a domain are asked for, and what comes back: plain data, or a promise of it. */

export type ColumnType = 'string' | 'integer' | 'number' | 'boolean' | 'timestamp'

export interface Column {
  readonly name: string
  readonly type: ColumnType
}

/**
 * A value as people read it: text, number, boolean, or null for a missing one. Times are text as the plant
 * stored them (`2026-01-01T00:30:00`); a number that a double cannot hold exactly is its digits as text.
 */
export type Cell = string | number | boolean | null

export type TextOp = 'contains' | 'notContains' | 'equals' | 'notEqual' | 'startsWith' | 'endsWith'
export type OrderOp =
  | 'equals'
  | 'notEqual'
  | 'lessThan'
  | 'lessThanOrEqual'
  | 'greaterThan'
  | 'greaterThanOrEqual'
  | 'inRange'

/** Text is compared without case. A missing value fits no comparison but `notEqual` and `notContains`. */
export type Filter =
  | { readonly kind: 'text'; readonly column: string; readonly op: TextOp; readonly value: string }
  | { readonly kind: 'number'; readonly column: string; readonly op: OrderOp; readonly value: number; readonly to?: number }
  /** `value` and `to` as the plant writes times, or a day (`2026-01-01`): then `inRange` includes the whole of `to`. */
  | { readonly kind: 'time'; readonly column: string; readonly op: OrderOp; readonly value: string; readonly to?: string }
  | { readonly kind: 'in'; readonly column: string; readonly values: readonly Cell[] }
  | { readonly kind: 'blank'; readonly column: string; readonly blank: boolean }
  | { readonly kind: 'all'; readonly filters: readonly Filter[] }
  | { readonly kind: 'any'; readonly filters: readonly Filter[] }

export interface SortKey {
  readonly column: string
  readonly descending: boolean
}

/** Which rows of a domain, in which order. Missing values sort last either way. */
export interface GridQuery {
  /** All of them hold. */
  readonly filters: readonly Filter[]
  /** Words that must each stand somewhere in the row; empty for none. */
  readonly search: string
  readonly sort: readonly SortKey[]
  /** Rows under a heading per value of this column, folded unless in `expanded`. */
  readonly groupBy: string | null
  readonly expanded: readonly Cell[]
}

/** A row of a window: a record's cells in the order of the domain's columns, or a group's heading. */
export type GridRow =
  | { readonly kind: 'record'; readonly index: number; readonly cells: readonly Cell[] }
  | { readonly kind: 'group'; readonly key: Cell; readonly count: number; readonly expanded: boolean }

export interface GridWindow {
  readonly rows: readonly GridRow[]
  /** Rows of the view (headings included) when this window was cut. */
  readonly count: number
  readonly version: number
}

export interface GridState {
  /** Rows of the current view, headings included; grows while records arrive. */
  readonly count: number
  /** Records that fit the query, and records held. */
  readonly matching: number
  readonly held: number
  /** Changes whenever windows fetched before may be out of date: after `ask`, or when sorted rows arrive. */
  readonly version: number
  /** The view is being made anew. */
  readonly busy: boolean
  /** Only records held here are sorted, filtered and grouped; the rest is on the server. */
  readonly windowed: boolean
}

/** The rows of one domain. Cheap to hold; the rows themselves stay in the worker. */
export interface GridSource {
  readonly domain: string
  readonly columns: readonly Column[]
  readonly state: GridState
  /** Called at most 10 times a second, and at once when the query changed; gives the way to stop. */
  subscribe(listener: (state: GridState) => void): () => void
  /** Replace the query; resolves once the view is made. A later `ask` overtakes an earlier one. */
  ask(query: Partial<GridQuery>): Promise<GridState>
  readonly query: GridQuery
  /** Rows `first` to `last` (exclusive) of the view. */
  window(first: number, last: number): Promise<GridWindow>
  /** Distinct values with counts, most frequent first, that contain `search`; of all records held. */
  values(column: string, search: string, limit: number): Promise<readonly { value: Cell; count: number }[]>
  /** Rows of the view as tab-separated text with a heading, as spreadsheets take it. */
  copy(first: number, last: number, columns: readonly string[]): Promise<string>
  /** The whole view as CSV (RFC 4180, UTF-8 with a byte order mark). */
  csv(columns: readonly string[], onProgress?: (done: number, of: number) => void): Promise<Blob>
}

export const EVERYTHING: GridQuery = { filters: [], search: '', sort: [], groupBy: null, expanded: [] }

// ---------------------------------------------------------------- charts

export interface GroupKey {
  readonly column: string
  /** For times: the part of them to group by. */
  readonly by?: 'day' | 'hour' | 'month'
}

export type Measure =
  | { readonly op: 'count' }
  | { readonly op: 'sum' | 'min' | 'max' | 'distinct'; readonly column: string }

export interface GroupRequest {
  readonly keys: readonly GroupKey[]
  readonly measures: readonly Measure[]
  readonly filters?: readonly Filter[]
  readonly search?: string
  /** By a measure (its position) from the greatest, or by the keys. Default: measure 0. */
  readonly order?: number | 'keys'
  readonly limit?: number
}

export interface GroupAnswer {
  readonly groups: readonly { readonly keys: readonly Cell[]; readonly values: readonly (number | null)[] }[]
  /** Groups there were before `limit`, and what the rest adds up to (`distinct`, `min`, `max`: null). */
  readonly groupCount: number
  readonly rest: readonly (number | null)[]
  /** Records that fit the filters. */
  readonly matching: number
  readonly version: number
}

/** A record by column name, for time lines and details. */
export type TraceRecord = Readonly<Record<string, Cell>>
