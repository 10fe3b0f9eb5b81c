import type { Cell, GroupAnswer } from '@/engine/types'
import { number } from '@/i18n'

import type { EChartsOption } from './echarts'
import { palette } from './palette'
import { escaped } from './pareto'

export interface Matrix {
  readonly rows: readonly Cell[]
  readonly columns: readonly Cell[]
  readonly cells: readonly (readonly [column: number, row: number, value: number])[]
  readonly max: number
}

const MOST_ROWS = 12
const MOST_COLUMNS = 14

/** Two keys as a table, each side cut to its largest; what is cut is in the table view and the records. */
export function matrixOf(answer: GroupAnswer): Matrix {
  const totals = [new Map<Cell, number>(), new Map<Cell, number>()]
  for (const { keys, values } of answer.groups)
    totals.forEach((sums, i) => sums.set(keys[i]!, (sums.get(keys[i]!) ?? 0) + (values[0] ?? 0)))
  const [rows, columns] = totals.map((sums, i) =>
    [...sums].filter(([, sum]) => sum > 0).sort((a, b) => b[1] - a[1]).slice(0, i === 0 ? MOST_ROWS : MOST_COLUMNS).map(([key]) => key),
  ) as [Cell[], Cell[]]
  rows.reverse()
  const cells = answer.groups.flatMap(({ keys, values }) => {
    const at = [columns.indexOf(keys[1]!), rows.indexOf(keys[0]!), values[0] ?? 0] as const
    return at[0] < 0 || at[1] < 0 || at[2] === 0 ? [] : [at]
  })
  return { rows, columns, cells, max: Math.max(1, ...cells.map((cell) => cell[2])) }
}

export function matrixOption(matrix: Matrix, name: (key: Cell) => string, unit: string): EChartsOption {
  const colours = palette()
  const axisText = { color: colours.faint, fontSize: 11 }
  const common = { type: 'category' as const, axisTick: { show: false }, axisLine: { show: false }, splitArea: { show: false } }
  return {
    animation: false,
    aria: { enabled: true },
    grid: { left: 8, right: 8, top: 8, bottom: 4, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    tooltip: {
      backgroundColor: colours.surface,
      borderColor: colours.line,
      textStyle: { color: colours.text, fontSize: 12 },
      confine: true,
      formatter: (one) => {
        const [column, row, value] = (one as unknown as { data: [number, number, number] }).data
        return `${escaped(name(matrix.rows[row] ?? null))}<br>${escaped(name(matrix.columns[column] ?? null))}: <b>${number(value)}</b> ${unit}`
      },
    },
    visualMap: { show: false, min: 0, max: matrix.max, dimension: 2, inRange: { color: [colours.surface, colours.barSoft, colours.bar] } },
    xAxis: { ...common, data: matrix.columns.map(name), axisLabel: { ...axisText, rotate: 32, interval: 0, width: 96, overflow: 'truncate' } },
    yAxis: { ...common, data: matrix.rows.map(name), axisLabel: { ...axisText, width: 110, overflow: 'truncate' } },
    series: [
      {
        type: 'heatmap',
        data: matrix.cells.map((cell) => [...cell]),
        itemStyle: { borderColor: colours.surface, borderWidth: 2, borderRadius: 3 },
      },
    ],
  }
}
