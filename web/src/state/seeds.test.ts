import { describe, expect, it } from 'vitest'

import { kindOf, likelyColumn, pasted, profileOf, tableOf, tokensOf } from './seeds'

describe('what people paste', () => {
  it.each([
    ['48810380001cba48', 'container'],
    ['GA23100020-A00-011', 'lot_id'],
    ['GA2310*-A00-*', 'lot_id'],
    ['GC25110001', 'work_order'],
    ['GA2511%', 'work_order'],
    ['GD26010001', 'gd_work_order'],
    ['GD26010001-A00-001', 'gd_lot_id'],
    ['WFK-000004', 'wafer_lot'],
    ['F25120001-001', 'serial_number'],
    ['whatever', 'serial_number'],
  ])('%s looks like %s', (token, kind) => {
    expect(kindOf(token)).toBe(kind)
  })

  it('is taken apart at any separator, without quotes', () => {
    expect(tokensOf('a,b;c\td\ne  "f"、g，h\r\n')).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
  })

  it('counts each value once, and leaves out what is too long to be a name', () => {
    const found = pasted(`GA1-A,GA1-A ${'x'.repeat(65)} GA25070001`)
    expect(found.count).toBe(2)
    expect(found.repeated).toBe(1)
    expect(found.tooLong).toHaveLength(1)
    expect(Object.fromEntries(found.groups)).toEqual({ lot_id: ['GA1-A'], work_order: ['GA25070001'] })
  })

  it('is read as what the user says, and asked with the profile that can', () => {
    const found = pasted('AB-1 zz', new Map([['wafer_lot', 'lot_id']]))
    expect(Object.fromEntries(found.groups)).toEqual({ lot_id: ['AB-1'], serial_number: ['zz'] })
    expect(profileOf(found.groups.keys())).toBe('query_tool_reverse')
    expect(profileOf(['lot_id', 'container'])).toBe('query_tool')
  })
})

describe('a file', () => {
  it('gives the column in which names stand, quoted or not, with its heading', () => {
    const table = tableOf('\uFEFFno;remark;lot\r\n1;"a; ""b""";GA25070001-A00-001\r\n2;;GA25070001-A00-002\r\n')
    expect(table.header).toEqual(['no', 'remark', 'lot'])
    expect(likelyColumn(table)).toBe(2)
    expect(table.columns[1]).toEqual(['a; "b"', ''])
    expect(table.columns[2]).toEqual(['GA25070001-A00-001', 'GA25070001-A00-002'])
  })

  it('without a heading loses no row', () => {
    expect(tableOf('GA25070001\nGA25070002\n').columns).toEqual([['GA25070001', 'GA25070002']])
  })
})
