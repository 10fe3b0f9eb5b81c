import type { CustomSeriesRenderItemAPI, CustomSeriesRenderItemParams } from 'echarts'
import { graphic } from 'echarts/core'

import { number, plantTime } from '@/i18n'

import type { EChartsOption } from './echarts'
import { rowOf, rowsOf, type Happening, type Lane } from './happenings'
import { palette, type Palette } from './palette'
import { escaped } from './pareto'

const HEIGHT = 13

function colourOf(lane: Lane, colours: Palette): string {
  return { sessions: colours.bar, holds: colours.over, rejects: colours.mark, materials: colours.hues[2]!, jobs: colours.hues[3]! }[lane]
}

/** The plant's clock has no zone: it is read and shown as if it were UTC, so that nobody's zone shifts it. */
const at = (time: string): number => Date.parse(`${time}Z`)

export interface TimelineText {
  readonly lane: (lane: Lane) => string
  readonly open: string
}

/** Bars for what lasts, diamonds for what takes no time, an open end for what goes on. */
export function timelineOption(all: readonly Happening[], text: TimelineText): EChartsOption {
  const colours = palette()
  const rows = rowsOf(all)
  const last = Math.max(...all.map((one) => at(one.to ?? one.from)))
  const first = Math.min(...all.map((one) => at(one.from)))
  const margin = Math.max((last - first) * 0.02, 3_600_000)
  const axisText = { color: colours.faint, fontSize: 11 }
  const data = all.map((one) => [at(one.from), one.to === null ? (one.open ? last + margin : at(one.from)) : at(one.to), rows.indexOf(rowOf(one))])
  return {
    animation: false,
    useUTC: true,
    aria: { enabled: true },
    grid: { left: 8, right: 16, top: 8, bottom: 40, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    tooltip: {
      backgroundColor: colours.surface,
      borderColor: colours.line,
      textStyle: { color: colours.text, fontSize: 12 },
      confine: true,
      formatter: (one) => tip(all[(one as { dataIndex: number }).dataIndex], text),
    },
    dataZoom: [
      { type: 'slider', height: 18, bottom: 6, borderColor: colours.line, textStyle: axisText, showDataShadow: false },
      { type: 'inside', zoomOnMouseWheel: 'ctrl', moveOnMouseWheel: false },
    ],
    xAxis: { type: 'time', min: first - margin, max: last + margin, axisLabel: { ...axisText, hideOverlap: true, formatter: dayAndTime }, splitLine: { show: true, lineStyle: { color: colours.line } } },
    yAxis: {
      type: 'category',
      inverse: true,
      data: rows.map((row) => (row.startsWith('sessions:') ? row.slice('sessions:'.length) || '–' : text.lane(row as Lane))),
      axisTick: { show: false },
      axisLine: { show: false },
      splitLine: { show: true, lineStyle: { color: colours.line } },
      axisLabel: { ...axisText, width: 130, overflow: 'truncate' },
    },
    series: [{ type: 'custom', data, encode: { x: [0, 1], y: 2 }, renderItem: (params, api) => shape(params, api, all, colours) }],
  }
}

/** Midnight is a day; anything else is a time of it. */
function dayAndTime(value: number): string {
  const iso = new Date(value).toISOString()
  return iso.slice(11, 16) === '00:00' ? iso.slice(0, 10) : iso.slice(5, 16).replace('T', ' ')
}

function shape(params: CustomSeriesRenderItemParams, api: CustomSeriesRenderItemAPI, all: readonly Happening[], colours: Palette) {
  const one = all[params.dataIndex]
  if (one === undefined) return null
  const [x = 0, y = 0] = api.coord([api.value(0), api.value(2)])
  const [end = x] = api.coord([api.value(1), api.value(2)])
  const box = params.coordSys as unknown as { x: number; y: number; width: number; height: number }
  const fill = colourOf(one.lane, colours)
  if (one.to === null && !one.open) {
    if (x < box.x || x > box.x + box.width) return null
    const r = one.lane === 'rejects' ? 6 : 4.5
    return { type: 'polygon' as const, shape: { points: [[x, y - r], [x + r, y], [x, y + r], [x - r, y]] }, style: { fill, opacity: 0.9 } }
  }
  const clipped = graphic.clipRectByRect({ x, y: y - HEIGHT / 2, width: Math.max(end - x, 2), height: HEIGHT }, box)
  return clipped && { type: 'rect' as const, shape: { ...clipped, r: 2 }, style: { fill, opacity: one.open ? 0.45 : 0.9 } }
}

function tip(one: Happening | undefined, text: TimelineText): string {
  if (one === undefined) return ''
  const until = one.to === null ? (one.open ? ` – ${text.open}` : '') : ` – ${plantTime(one.to)}`
  const amount = one.amount === null ? '' : ` · ${number(one.amount)}${one.out === null ? '' : ` → ${number(one.out)}`}`
  return [`<b>${escaped(text.lane(one.lane))}</b>${amount}`, escaped(one.what), escaped(one.where), plantTime(one.from) + escaped(until)].filter((line) => line !== '').join('<br>')
}
