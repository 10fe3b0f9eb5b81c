import type { ColumnStore, TextColumn } from '../store/columns'
import type { Dictionary } from '../store/dictionary'
import type { Cell } from '../types'
import type { View } from './view'

const PART_BYTES = 1 << 20
const ROWS_A_TURN = 16_384
const COMMA = 0x2c
/** Quote, comma, line breaks. */
const SPECIAL = [0x22, COMMA, 0x0a, 0x0d]
const encoder = new TextEncoder()

/** Rows of the view as tab-separated text with a heading; cells are quoted as spreadsheets read them. */
export function tabbed(view: View, first: number, last: number, columns: readonly string[]): string {
  const stores = columns.map((name) => view.table.store(name))
  const lines = [columns.map(tabCell).join('\t')]
  for (const row of view.records(first, last)) lines.push(stores.map((store) => tabCell(store.cell(row))).join('\t'))
  return lines.join('\r\n') + '\r\n'
}

function tabCell(cell: Cell): string {
  const text = cell === null ? '' : String(cell)
  return /[\t\r\n"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/**
 * The whole view as CSV (RFC 4180, UTF-8 with a byte order mark, by which spreadsheets know it), in parts;
 * after some rows each it yields, so that windows are served meanwhile. A missing value is an empty cell.
 */
export function* csvParts(view: View, columns: readonly string[]): Generator<{ part: Uint8Array<ArrayBuffer> | null; rows: number }> {
  const stores = columns.map((name) => view.table.store(name))
  const writers = stores.map(writer)
  let out = new Output()
  out.text('\ufeff' + columns.map(csvCell).join(',') + '\r\n')
  let rows = 0
  for (const row of view.records()) {
    for (let at = 0; at < writers.length; at++) {
      if (at > 0) out.byte(COMMA)
      writers[at]!(row, out)
    }
    out.byte(0x0d)
    out.byte(0x0a)
    rows++
    if (out.length > PART_BYTES) {
      yield { part: out.bytes(), rows }
      out = new Output()
    } else if (rows % ROWS_A_TURN === 0) yield { part: null, rows }
  }
  yield { part: out.bytes(), rows }
}

type Writer = (row: number, out: Output) => void

function writer(store: ColumnStore): Writer {
  if (store.kind === 'text') return textWriter(store)
  return (row, out) => {
    const cell = store.cell(row)
    if (cell === null) return
    if (store.exact.size > 0 && typeof cell === 'string') out.text(csvCell(cell))
    else out.ascii(String(cell))
  }
}

/** Values go from the dictionary's bytes as they are, once it is known that they need no quotes. */
function textWriter(store: TextColumn): Writer {
  const { dictionary, codes } = store
  const quoted = new Uint8Array(dictionary.size + 1)
  return (row, out) => {
    const code = codes.get(row)
    if (code === 0) return
    // A value that came after the writer was made has no place in `quoted`: it is looked at each time.
    const known = quoted[code] ?? 0
    const needs = known === 0 ? dictionary.hasAny(code, SPECIAL) : known === 2
    if (code < quoted.length) quoted[code] = needs ? 2 : 1
    if (needs) out.text(csvCell(dictionary.text(code)!))
    else out.value(dictionary, code)
  }
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

class Output {
  length = 0
  #buffer = new Uint8Array(PART_BYTES + (1 << 16))

  byte(value: number): void {
    if (this.length === this.#buffer.length) this.#grow(1)
    this.#buffer[this.length++] = value
  }

  value(dictionary: Dictionary, code: number): void {
    const length = dictionary.length(code)
    if (this.length + length > this.#buffer.length) this.#grow(length)
    dictionary.copy(code, this.#buffer, this.length)
    this.length += length
  }

  ascii(text: string): void {
    if (this.length + text.length > this.#buffer.length) this.#grow(text.length)
    for (let at = 0; at < text.length; at++) this.#buffer[this.length++] = text.charCodeAt(at)
  }

  text(text: string): void {
    if (this.length + text.length * 3 > this.#buffer.length) this.#grow(text.length * 3)
    this.length += encoder.encodeInto(text, this.#buffer.subarray(this.length)).written
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.slice(0, this.length)
  }

  #grow(needed: number): void {
    const longer = new Uint8Array((this.#buffer.length + needed) * 2)
    longer.set(this.#buffer.subarray(0, this.length))
    this.#buffer = longer
  }
}
