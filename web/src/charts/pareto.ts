import { number, percent } from '@/i18n'

import type { EChartsOption } from './echarts'
import { palette } from './palette'

export interface ParetoBar {
  readonly name: string
  readonly value: number
  /** Percent, where the chart has a rate. */
  readonly rate?: number | null
}

export interface ParetoText {
  readonly value: string
  readonly cumulative: string
  readonly rate: string
}

/** Cumulative shares in percent; `rest` is what a cut list leaves out, which counts in the whole. */
export function cumulative(bars: readonly ParetoBar[], rest = 0): number[] {
  const total = bars.reduce((sum, bar) => sum + bar.value, rest)
  let sum = 0
  return bars.map((bar) => {
    sum += bar.value
    return total === 0 ? 0 : (100 * sum) / total
  })
}

/** Bars from the greatest, the cumulative line over them, and a mark at 80 %. `chosen` stand out, the others fade. */
export function paretoOption(bars: readonly ParetoBar[], text: ParetoText, chosen: ReadonlySet<string>, shares: readonly number[]): EChartsOption {
  const colours = palette()
  const rated = bars.some((bar) => bar.rate !== undefined)
  const faded = (bar: ParetoBar): boolean => chosen.size > 0 && !chosen.has(bar.name)
  const axisText = { color: colours.faint, fontSize: 11 }
  return {
    animationDuration: 200,
    aria: { enabled: true },
    grid: { left: 8, right: 8, top: 30, bottom: 4, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    legend: { top: 0, right: 4, itemWidth: 14, itemHeight: 8, textStyle: { color: colours.faint, fontSize: 11 } },
    tooltip: {
      trigger: 'axis',
      axisPointer: { type: 'shadow' },
      backgroundColor: colours.surface,
      borderColor: colours.line,
      textStyle: { color: colours.text, fontSize: 12 },
      confine: true,
    },
    xAxis: {
      type: 'category',
      data: bars.map((bar) => bar.name),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colours.line } },
      axisLabel: { ...axisText, interval: 0, rotate: bars.length > 5 ? 32 : 0, width: bars.length > 5 ? 96 : 110, overflow: 'truncate' },
    },
    yAxis: [
      {
        type: 'value',
        splitLine: { lineStyle: { color: colours.line } },
        axisLabel: { ...axisText, formatter: (value: number) => compact(value) },
      },
      {
        type: 'value',
        min: 0,
        max: 100,
        interval: 20,
        splitLine: { show: false },
        axisLabel: { ...axisText, formatter: '{value} %' },
      },
    ],
    series: [
      {
        type: 'bar',
        name: text.value,
        barMaxWidth: 46,
        itemStyle: { borderRadius: [2, 2, 0, 0] },
        tooltip: { valueFormatter: (value) => number(Number(value)) },
        data: bars.map((bar) => ({
          value: bar.value,
          itemStyle: { color: colours.bar, opacity: faded(bar) ? 0.3 : 1 },
        })),
      },
      {
        type: 'line',
        name: text.cumulative,
        yAxisIndex: 1,
        symbolSize: 5,
        color: colours.over,
        lineStyle: { width: 1.8 },
        tooltip: { valueFormatter: (value) => percent(Number(value)) },
        data: shares.map((share) => Number(share.toFixed(2))),
        markLine: {
          silent: true,
          symbol: 'none',
          label: { show: false },
          lineStyle: { color: colours.mark, type: 'dashed', width: 1 },
          data: [{ yAxis: 80 }],
        },
      },
      ...(rated
        ? [
            {
              type: 'line' as const,
              name: text.rate,
              yAxisIndex: 1,
              symbol: 'diamond',
              symbolSize: 8,
              color: colours.hues[2]!,
              lineStyle: { width: 0 },
              tooltip: { valueFormatter: (value: unknown) => percent(Number(value), 4) },
              data: bars.map((bar) => bar.rate ?? null),
            },
          ]
        : []),
    ],
  }
}

export function compact(value: number): string {
  if (Math.abs(value) >= 1e6) return `${number(value / 1e6, 1)} M`
  return Math.abs(value) >= 1e4 ? `${number(value / 1e3, 0)} k` : number(value, 2)
}
