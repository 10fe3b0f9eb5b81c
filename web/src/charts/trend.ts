import { number, percent } from '@/i18n'

import type { EChartsOption } from './echarts'
import { palette } from './palette'
import { compact } from './pareto'

export interface TrendDay {
  readonly day: string
  readonly value: number
  readonly rate?: number | null
}

/** Days without a value between the first and the last are shown as nothing, so that the axis is a calendar. */
export function withGaps(days: readonly TrendDay[]): TrendDay[] {
  const [first, last] = [days[0], days.at(-1)]
  if (first === undefined || last === undefined) return []
  const found = new Map(days.map((one) => [one.day, one]))
  const all: TrendDay[] = []
  const end = Date.parse(`${last.day}T00:00:00Z`)
  for (let at = Date.parse(`${first.day}T00:00:00Z`); at <= end && all.length < 4000; at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10)
    all.push(found.get(day) ?? { day, value: 0 })
  }
  return all
}

export function trendOption(days: readonly TrendDay[], text: { value: string; rate: string }, chosen: string | null): EChartsOption {
  const colours = palette()
  const rated = days.some((one) => one.rate !== undefined && one.rate !== null)
  const axisText = { color: colours.faint, fontSize: 11 }
  return {
    animationDuration: 200,
    aria: { enabled: true },
    grid: { left: 8, right: 8, top: 30, bottom: days.length > 60 ? 34 : 4, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    legend: { show: rated, top: 0, right: 4, itemWidth: 14, itemHeight: 8, textStyle: { color: colours.faint, fontSize: 11 } },
    tooltip: {
      trigger: 'axis',
      backgroundColor: colours.surface,
      borderColor: colours.line,
      textStyle: { color: colours.text, fontSize: 12 },
      confine: true,
    },
    ...(days.length > 60
      ? { dataZoom: [{ type: 'slider', height: 18, bottom: 4, borderColor: colours.line, textStyle: axisText }, { type: 'inside', zoomOnMouseWheel: 'ctrl' }] }
      : {}),
    xAxis: {
      type: 'category',
      data: days.map((one) => one.day),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colours.line } },
      axisLabel: { ...axisText, hideOverlap: true },
    },
    yAxis: [
      { type: 'value', splitLine: { lineStyle: { color: colours.line } }, axisLabel: { ...axisText, formatter: (value: number) => compact(value) } },
      { type: 'value', show: rated, min: 0, splitLine: { show: false }, axisLabel: { ...axisText, formatter: '{value} %' } },
    ],
    series: [
      {
        type: 'bar',
        name: text.value,
        barMaxWidth: 22,
        tooltip: { valueFormatter: (value) => number(Number(value)) },
        data: days.map((one) => ({
          value: one.value,
          itemStyle: { color: colours.bar, borderRadius: [2, 2, 0, 0], opacity: chosen !== null && chosen !== one.day ? 0.3 : 1 },
        })),
      },
      ...(rated
        ? [
            {
              type: 'line' as const,
              name: text.rate,
              yAxisIndex: 1,
              symbolSize: 4,
              connectNulls: true,
              color: colours.over,
              tooltip: { valueFormatter: (value: unknown) => percent(Number(value), 4) },
              data: days.map((one) => one.rate ?? null),
            },
          ]
        : []),
    ],
  }
}
