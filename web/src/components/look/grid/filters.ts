import type { FilterModel, SortModelItem } from 'ag-grid-community'

import type { Filter, OrderOp, SortKey, TextOp } from '@/engine/types'

/** What the grid's own filters say, in the worker's words. */

interface Simple {
  readonly filterType: 'text' | 'number' | 'date'
  readonly type: string
  readonly filter?: string | number | null
  readonly filterTo?: number | null
  readonly dateFrom?: string | null
  readonly dateTo?: string | null
}

interface Combined {
  readonly operator: 'AND' | 'OR'
  readonly conditions: readonly Simple[]
}

const DAY = 10

export function filtersOf(model: FilterModel): Filter[] {
  return Object.entries(model).flatMap(([column, one]) => {
    const filter = filterOf(column, one as Simple | Combined)
    return filter === null ? [] : [filter]
  })
}

export function sortOf(model: readonly SortModelItem[]): SortKey[] {
  return model.map((one) => ({ column: one.colId, descending: one.sort === 'desc' }))
}

function filterOf(column: string, model: Simple | Combined): Filter | null {
  if (!('conditions' in model)) return simple(column, model)
  const filters = model.conditions.map((one) => simple(column, one)).filter((one) => one !== null)
  return filters.length === 0 ? null : { kind: model.operator === 'AND' ? 'all' : 'any', filters }
}

function simple(column: string, model: Simple): Filter | null {
  if (model.type === 'blank' || model.type === 'notBlank') return { kind: 'blank', column, blank: model.type === 'blank' }
  switch (model.filterType) {
    case 'text':
      return typeof model.filter === 'string' ? { kind: 'text', column, op: model.type as TextOp, value: model.filter } : null
    case 'number':
      return numeric(column, model)
    case 'date':
      return time(column, model)
  }
}

function numeric(column: string, { type, filter, filterTo }: Simple): Filter | null {
  if (typeof filter !== 'number') return null
  const op = type as OrderOp
  return op === 'inRange'
    ? { kind: 'number', column, op, value: filter, to: filterTo ?? filter }
    : { kind: 'number', column, op, value: filter }
}

/** The grid compares whole days; `after a day` begins with the next one. */
function time(column: string, { type, dateFrom, dateTo }: Simple): Filter | null {
  if (typeof dateFrom !== 'string') return null
  const day = dateFrom.slice(0, DAY)
  const within = (to: string): Filter => ({ kind: 'time', column, op: 'inRange', value: day, to })
  switch (type) {
    case 'equals':
      return within(day)
    case 'inRange':
      return within((dateTo ?? dateFrom).slice(0, DAY))
    case 'notEqual':
      return {
        kind: 'any',
        filters: [
          { kind: 'time', column, op: 'lessThan', value: day },
          { kind: 'time', column, op: 'greaterThanOrEqual', value: dayAfter(day) },
        ],
      }
    case 'greaterThan':
      return { kind: 'time', column, op: 'greaterThanOrEqual', value: dayAfter(day) }
    default:
      return { kind: 'time', column, op: 'lessThan', value: day }
  }
}

export function dayAfter(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, DAY)
}
