import { describe, expect, it } from 'vitest'

import { LineDecoder, MalformedLine } from '@/engine/net/lines'
import { readLine } from '@/engine/net/messages'
import { FrameDecoder } from '@/engine/net/zstd'
import { Table } from '@/engine/store/table'
import type { Column } from '@/engine/types'

import { FRAMES, LINES, PLAIN, expectedRows, readParts, rowsOf } from './recording'

const DOMAINS = ['history', 'holds']
const COLUMNS: Column[] = [
  { name: 'ID', type: 'string' },
  { name: 'QTY', type: 'number' },
  { name: 'AT', type: 'timestamp' },
  { name: 'OK', type: 'boolean' },
]

function expectWhole(parts: Iterable<Uint8Array>): void {
  const { types, tables, rest } = readParts(parts)
  expect(rest).toBe(0)
  expect(types).toEqual(LINES.map(({ type }) => type))
  for (const domain of DOMAINS) expect(rowsOf(tables.get(domain)!)).toEqual(expectedRows(domain))
}

function take(data: string, count: number, columns = COLUMNS): Table {
  const table = new Table('d', columns)
  const line = `{"type":"records","domain":"d","batch":0,"offset":0,"count":${count},"data":${data}}`
  readLine(new TextEncoder().encode(line), 1, () => table)
  return table
}

describe('a recorded stream', () => {
  it('gives what JSON.parse gives', () => {
    expectWhole([PLAIN])
    expect(expectedRows('history').length).toBe(5)
  })

  it('gives the same wherever it is cut in two', () => {
    for (let cut = 0; cut <= PLAIN.length; cut++) {
      const { types, tables, rest } = readParts([PLAIN.subarray(0, cut), PLAIN.subarray(cut)])
      if (rest !== 0 || types.length !== LINES.length) throw new Error(`lines are lost when cut at ${cut}`)
      // All cells each time would take a minute: the domain with the odd texts, and each length.
      if (cut % 16 === 0) expect(rowsOf(tables.get('holds')!)).toEqual(expectedRows('holds'))
      for (const domain of DOMAINS) expect(tables.get(domain)!.length).toBe(expectedRows(domain).length)
    }
  })

  it('gives the same byte by byte', () => {
    expectWhole(Array.from(PLAIN, (byte) => Uint8Array.of(byte)))
  })

  it('is never taken for whole when it ends early', () => {
    for (let cut = 0; cut < PLAIN.length; cut++) {
      const decoder = new LineDecoder()
      const lines = [...decoder.decode(PLAIN.subarray(0, cut))].length
      const whole = cut === 0 || PLAIN[cut - 1] === 0x0a
      if (lines >= LINES.length || (decoder.rest === 0) !== whole) throw new Error(`cut at ${cut} passed for whole`)
    }
  })
})

describe('zstd frames', () => {
  async function inflate(parts: Iterable<Uint8Array>): Promise<{ bytes: Uint8Array; rest: number }> {
    const decoder = new FrameDecoder()
    await decoder.init()
    const out: number[] = []
    for (const part of parts) for (const inflated of decoder.decode(part)) out.push(...inflated)
    return { bytes: Uint8Array.from(out), rest: decoder.rest }
  }

  it('inflate to the same lines, wherever they are cut', async () => {
    for (let cut = 0; cut <= FRAMES.length; cut += 7) {
      const { bytes, rest } = await inflate([FRAMES.subarray(0, cut), FRAMES.subarray(cut)])
      expect(rest).toBe(0)
      expect(Buffer.from(bytes).equals(Buffer.from(PLAIN))).toBe(true)
    }
  })

  it('inflate byte by byte', async () => {
    const { bytes } = await inflate(Array.from(FRAMES, (byte) => Uint8Array.of(byte)))
    expectWhole([bytes])
  })

  it('that were cut leave a rest, as the decoder itself raises nothing', async () => {
    const { rest } = await inflate([FRAMES.subarray(0, FRAMES.length - 1)])
    expect(rest).toBeGreaterThan(0)
  })

  it('are refused when they are none', async () => {
    await expect(inflate([PLAIN.subarray(0, 100)])).rejects.toThrow('no zstd frame')
  })
})

describe('records', () => {
  it('with white space, escapes and another order of keys are the same records', () => {
    const table = take('[ {"QTY": 1.50, "ID": "a\\n\\u4e2d\\ud83d\\ude00", "OK": true, "AT": "2026-01-01T00:30:00"} ]', 1)
    expect(rowsOf(table)).toEqual([['a\n中😀', 1.5, '2026-01-01T00:30:00', true]])
  })

  it('keep numbers that no double holds, and text where a number should be', () => {
    const digits = '12345678901234567890123456789012345678'
    const row = (qty: string): string => `{"ID":null,"QTY":${qty},"AT":null,"OK":null}`
    const table = take(`[${[digits, '0.1', '-7', '999999999999999', '9007199254740993', '1e3', '0.12345678901234567', 'null'].map(row).join()}]`, 8)
    expect(rowsOf(table).map((cells) => cells[1])).toEqual(
      [digits, 0.1, -7, 999999999999999, '9007199254740993', 1000, '0.12345678901234567', null])
  })

  it('keep times finer than a second, and what is no time', () => {
    const row = (at: string): string => `{"ID":null,"QTY":null,"AT":"${at}","OK":null}`
    const times = ['2024-02-29T23:59:59', '0001-01-01T00:00:00', '2026-01-01T00:00:00.125', '2026-02-30T00:00:00', 'soon']
    expect(rowsOf(take(`[${times.map(row).join()}]`, 5)).map((cells) => cells[2])).toEqual(times)
  })

  it.each([
    ['a record too few', '[{"ID":"a","QTY":1,"AT":null,"OK":null}]', 2],
    ['a column that was not announced', '[{"ID":"a","QTY":1,"AT":null,"OK":null,"X":1}]', 1],
    ['a column that lacks', '[{"ID":"a","QTY":1,"AT":null}]', 1],
    ['a value that is no plain one', '[{"ID":"a","QTY":[1],"AT":null,"OK":null}]', 1],
    ['a number that JSON does not know', '[{"ID":"a","QTY":01,"AT":null,"OK":null}]', 1],
    ['a text that does not end', '[{"ID":"a,"QTY":1,"AT":null,"OK":null}]', 1],
    ['a control character', '[{"ID":"a\u0001","QTY":1,"AT":null,"OK":null}]', 1],
  ])('with %s are malformed', (_, data, count) => {
    expect(() => take(data, count)).toThrow(MalformedLine)
  })

  it('that are malformed leave nothing behind', () => {
    const table = new Table('d', COLUMNS)
    const line = '{"type":"records","domain":"d","batch":0,"offset":0,"count":2,"data":[{"ID":"a","QTY":1,"AT":null,"OK":null},{"ID":"b"'
    expect(() => readLine(new TextEncoder().encode(line), 7, () => table)).toThrow(MalformedLine)
    expect(table.length).toBe(0)
  })

  it('with bytes that are no UTF-8 are malformed, and again the second time', () => {
    const table = new Table('d', [{ name: 'ID', type: 'string' }])
    const line = new TextEncoder().encode('{"type":"records","domain":"d","batch":0,"offset":0,"count":1,"data":[{"ID":"xx"}]}')
    line[line.indexOf(0x78)] = 0xff
    for (let time = 0; time < 2; time++) expect(() => readLine(line, 1, () => table)).toThrow(MalformedLine)
  })

  it('of a line of 20 MB are taken', () => {
    const long = 'x'.repeat(20_000_000)
    const line = new TextEncoder().encode(`{"type":"records","domain":"d","batch":0,"offset":0,"count":1,"data":[{"ID":"${long}"}]}\n`)
    const table = new Table('d', [{ name: 'ID', type: 'string' }])
    const decoder = new LineDecoder()
    for (let at = 0; at < line.length; at += 65_536) {
      for (const each of decoder.decode(line.subarray(at, at + 65_536))) readLine(each, 1, () => table)
    }
    expect(table.cells(0)).toEqual([long])
  })
})

describe('a line', () => {
  it.each(['nonsense', '[]', '{"type":"else"}', '{"no":"type"}', ''])('%j is malformed', (text) => {
    expect(() => readLine(new TextEncoder().encode(text), 3, () => new Table('d', []))).toThrow(
      expect.objectContaining({ line: 3 }))
  })
})
