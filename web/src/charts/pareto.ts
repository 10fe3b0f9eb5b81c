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
      formatter: (all) => tip(bars, shares, text, (all as unknown as { dataIndex: number }[])[0]?.dataIndex ?? -1),
    },
    xAxis: {
      type: 'category',
      data: bars.map((bar) => bar.name),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colours.line } },
      axisLabel: { ...axisText, interval: bars.length > 14 ? 'auto' : 0, rotate: bars.length > 5 ? 32 : 0, width: bars.length > 5 ? 96 : 110, overflow: 'truncate' },
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
        data: shares.map((share) => Number(share.toFixed(2))),
        markLine: {
          silent: true,
          symbol: 'none',
          label: { show: false },
          lineStyle: { color: colours.mark, type: 'dashed', width: 1 },
          data: [{ yAxis: 80 }],
        },
      },
    ],
  }
}

function tip(bars: readonly ParetoBar[], shares: readonly number[], text: ParetoText, index: number): string {
  const bar = bars[index]
  if (bar === undefined) return ''
  const lines = [`<b>${escaped(bar.name)}</b>`, `${escaped(text.value)}: ${number(bar.value)}`, `${escaped(text.cumulative)}: ${percent(shares[index] ?? 0)}`]
  if (bar.rate !== undefined && bar.rate !== null) lines.push(`${escaped(text.rate)}: ${percent(bar.rate, 4)}`)
  return lines.join('<br>')
}

/** Names come from the plant and go into a tooltip's HTML. */
export function escaped(value: string): string {
  return value.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}

export function compact(value: number): string {
  if (Math.abs(value) >= 1e6) return `${number(value / 1e6, 1)} M`
  return Math.abs(value) >= 1e4 ? `${number(value / 1e3, 0)} k` : number(value, 2)
}
