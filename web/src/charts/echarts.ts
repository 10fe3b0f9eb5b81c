import { BarChart, CustomChart, GraphChart, HeatmapChart, LineChart } from 'echarts/charts'
import {
  AriaComponent,
  DataZoomComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
  VisualMapComponent,
} from 'echarts/components'
import { init, use, type EChartsType } from 'echarts/core'
import { CanvasRenderer, SVGRenderer } from 'echarts/renderers'
import type { EChartsOption } from 'echarts'

use([
  AriaComponent,
  BarChart,
  CanvasRenderer,
  CustomChart,
  DataZoomComponent,
  GraphChart,
  GridComponent,
  HeatmapChart,
  LegendComponent,
  LineChart,
  MarkLineComponent,
  SVGRenderer,
  TooltipComponent,
  VisualMapComponent,
])

export type { EChartsOption, EChartsType }

export function chartIn(element: HTMLElement): EChartsType {
  return init(element, { textStyle: { fontFamily: getComputedStyle(element).fontFamily } }, { renderer: 'canvas' })
}

/** The chart as an SVG document, drawn anew by the SVG renderer at the size it has on screen. */
export function svgOf(chart: EChartsType): Blob {
  const drawn = init(null, null, { renderer: 'svg', ssr: true, width: chart.getWidth(), height: chart.getHeight() })
  drawn.setOption({ ...(chart.getOption() as EChartsOption), animation: false })
  const svg = drawn.renderToSVGString()
  drawn.dispose()
  return new Blob([svg], { type: 'image/svg+xml' })
}

export async function pngOf(chart: EChartsType, background: string): Promise<Blob> {
  const url = chart.getDataURL({ type: 'png', pixelRatio: 2, backgroundColor: background })
  const binary = atob(url.slice(url.indexOf(',') + 1))
  return Promise.resolve(new Blob([Uint8Array.from(binary, (c) => c.charCodeAt(0))], { type: 'image/png' }))
}
