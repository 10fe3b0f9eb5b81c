import { computed, shallowRef } from 'vue'

import type { Cell, Filter } from '@/engine/types'

/** Values chosen in charts and lists; they hold in every domain that has the column, in grid and charts alike. */
export interface Pick {
  readonly column: string
  readonly values: readonly Cell[]
  /** A day or month of a time column instead of single values. */
  readonly day?: string
}

const picks = shallowRef<readonly Pick[]>([])

export function useFocus() {
  /** Choose a value, or give it up when it is all that is chosen. */
  function pick(column: string, values: readonly Cell[], day?: string): void {
    const same = picks.value.find((one) => one.column === column)
    const others = picks.value.filter((one) => one.column !== column)
    const again = same !== undefined && same.day === day && JSON.stringify(same.values) === JSON.stringify(values)
    picks.value = again || (values.length === 0 && day === undefined) ? others : [...others, { column, values, ...(day === undefined ? {} : { day }) }]
  }

  function drop(column: string): void {
    picks.value = picks.value.filter((one) => one.column !== column)
  }

  function clear(): void {
    picks.value = []
  }

  /** The filters that hold for a domain with these columns; `without` leaves one column's out, for the chart of that column. */
  function filtersFor(columns: readonly string[], without?: string): Filter[] {
    return picks.value
      .filter((one) => columns.includes(one.column) && one.column !== without)
      .map((one) =>
        one.day === undefined
          ? { kind: 'in', column: one.column, values: one.values }
          : { kind: 'time', column: one.column, op: 'inRange', value: one.day, to: one.day },
      )
  }

  return { picks: computed(() => picks.value), pick, drop, clear, filtersFor }
}
