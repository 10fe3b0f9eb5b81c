/** What people paste, told apart: tokens, and what kind of name each looks like (domain.md, 1 and 5). */

export const KINDS = [
  'container',
  'lot_id',
  'wafer_lot',
  'work_order',
  'gd_work_order',
  'gd_lot_id',
  'serial_number',
] as const

export type Kind = (typeof KINDS)[number]

export interface Pasted {
  /** Values by what they look like, in the order pasted, each once. */
  readonly groups: ReadonlyMap<Kind, readonly string[]>
  readonly count: number
  readonly repeated: number
  /** Values too long to be a name. */
  readonly tooLong: readonly string[]
}

export const MAX_NAME_CHARACTERS = 64

/** The first pattern that fits decides. A name of no known form is looked up as a serial, a lot and a wafer lot. */
const FORMS: readonly (readonly [Kind, RegExp])[] = [
  ['container', /^[0-9a-f]{16}$/i],
  ['gd_lot_id', /^GD[\w*%]*-/i],
  ['gd_work_order', /^GD[\d*%]/i],
  ['lot_id', /^G[AC][\w*%]*-/i],
  ['work_order', /^G[AC][\d*%]/i],
  ['serial_number', /^F\d+-\d+$/i],
  ['wafer_lot', /^[A-Z]{2,4}-?[\d*%]+$/i],
]

export function kindOf(token: string): Kind {
  return FORMS.find(([, form]) => form.test(token))?.[0] ?? 'serial_number'
}

export function tokensOf(text: string): string[] {
  return text
    .split(/[\s,;，；、|]+/u)
    .map((token) => token.replace(/^["'“”]+|["'“”]+$/gu, ''))
    .filter((token) => token !== '')
}

/** The tokens of `text`, each once, by kind; `overrides` are the user's corrections of what a kind is read as. */
export function pasted(text: string, overrides: ReadonlyMap<Kind, Kind> = new Map()): Pasted {
  const seen = new Set<string>()
  const groups = new Map<Kind, string[]>()
  const tooLong: string[] = []
  let repeated = 0
  for (const token of tokensOf(text)) {
    if (seen.has(token)) {
      repeated += 1
      continue
    }
    seen.add(token)
    if (token.length > MAX_NAME_CHARACTERS) {
      tooLong.push(token)
      continue
    }
    const looks = kindOf(token)
    const kind = overrides.get(looks) ?? looks
    const group = groups.get(kind)
    if (group) group.push(token)
    else groups.set(kind, [token])
  }
  return { groups, count: seen.size - tooLong.length, repeated, tooLong }
}

/** The kinds that only the reverse profile resolves. */
const REVERSE: ReadonlySet<Kind> = new Set(['gd_work_order', 'gd_lot_id', 'serial_number'])

export function profileOf(kinds: Iterable<Kind>): 'query_tool' | 'query_tool_reverse' {
  for (const kind of kinds) if (REVERSE.has(kind)) return 'query_tool_reverse'
  return 'query_tool'
}

export interface Table {
  readonly header: readonly string[]
  readonly columns: readonly (readonly string[])[]
}

/** A file of separated values (comma, semicolon or tab; RFC 4180 quotes); one column when it is a plain list. */
export function tableOf(text: string): Table {
  const clean = text.replace(/^\uFEFF/, '')
  const firstLine = clean.slice(0, clean.indexOf('\n') === -1 ? undefined : clean.indexOf('\n'))
  const separator = ['\t', ';', ','].find((one) => firstLine.includes(one)) ?? ','
  const rows = rowsOf(clean, separator).filter((row) => row.some((cell) => cell !== ''))
  const width = Math.max(0, ...rows.slice(0, 100).map((row) => row.length))
  const [first, ...others] = rows
  // A heading is a first row in which nothing looks like a name while what stands below does.
  const known = (row: readonly string[] | undefined) => row?.some((cell) => looksLikeName(cell)) ?? false
  const headed = first !== undefined && !known(first) && others.some(known)
  const body = headed ? others : rows
  const columns = Array.from({ length: width }, (_, i) => body.map((row) => row[i] ?? ''))
  return { header: Array.from({ length: width }, (_, i) => (headed ? (first[i] ?? '') : '') || `${i + 1}`), columns }
}

function looksLikeName(cell: string): boolean {
  return FORMS.some(([, form]) => form.test(cell))
}

/** The column in which most cells look like names; the first when none does. */
export function likelyColumn(table: Table): number {
  const scores = table.columns.map((column) => column.slice(0, 2000).filter(looksLikeName).length)
  return Math.max(0, scores.indexOf(Math.max(...scores)))
}

function rowsOf(text: string, separator: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let cell = ''
  let quoted = false
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i]!
    if (quoted) {
      if (c !== '"') cell += c
      else if (text[i + 1] === '"') cell += text[(i += 1)]!
      else quoted = false
    } else if (c === '"' && cell === '') quoted = true
    else if (c === separator) {
      row.push(cell.trim())
      cell = ''
    } else if (c === '\n') {
      rows.push([...row, cell.trim()])
      row = []
      cell = ''
    } else cell += c
  }
  if (cell !== '' || row.length > 0) rows.push([...row, cell.trim()])
  return rows
}
