import { theme } from '@/state/prefs'

/** Colours of charts: the page's own variables, read when a chart is drawn. Hues stay apart for the colour-blind. */
export interface Palette {
  readonly text: string
  readonly faint: string
  readonly line: string
  readonly surface: string
  readonly bar: string
  readonly barSoft: string
  readonly over: string
  readonly mark: string
  readonly hues: readonly string[]
}

const LIGHT_HUES = ['#3b6fd4', '#d9822b', '#2f9e77', '#b04a9c', '#8a6d3b', '#5b5fc7', '#c2455b', '#3a8fa8']
const DARK_HUES = ['#7fa6ff', '#f0a35a', '#5cc79d', '#dd86cb', '#c6a66b', '#a3a6ff', '#f08a9c', '#6fc0d8']

export function palette(): Palette {
  const style = getComputedStyle(document.documentElement)
  const read = (name: string): string => style.getPropertyValue(name).trim()
  const hues = theme.value === 'dark' ? DARK_HUES : LIGHT_HUES
  return {
    text: read('--text'),
    faint: read('--text-2'),
    line: read('--line'),
    surface: read('--surface'),
    bar: hues[0]!,
    barSoft: read('--accent-line'),
    over: hues[1]!,
    mark: read('--bad-bar'),
    hues,
  }
}
