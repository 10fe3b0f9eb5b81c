import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { en } from '@/i18n/en'
import { zhTW } from '@/i18n/zh-TW'

interface Texts {
  readonly [key: string]: string | Texts
}

const SRC = fileURLToPath(new URL('../src', import.meta.url))
const flat = (texts: Texts, path = ''): [string, string][] =>
  Object.entries(texts).flatMap(([key, value]) =>
    typeof value === 'string' ? [[path + key, value] as [string, string]] : flat(value, `${path}${key}.`),
  )
const named = (text: string) => new Set(text.match(/\{\w+\}/g))

test('every text is used somewhere', () => {
  const code = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(vue|ts)$/.test(name) && !/i18n.(en|zh-TW)|schema\.d\.ts/.test(name))
    .map((name) => readFileSync(`${SRC}/${name}`, 'utf8'))
    .join('\n')
  const literal = new Set(code.match(/(?<=['"`])[a-z]\w*(\.\w+)+(?=['"`])/gi))
  // `group.${what}` and `group.${what}Hint`: any of the group with that end.
  const made = [...code.matchAll(/`([a-z]\w*\.(?:\w+\.)*)(\w*)\$\{[^`{}]*\}([\w.]*)`/gi)].map(
    ([, group, head, tail]) => new RegExp(`^${group!.replaceAll('.', '\\.')}${head!}[\\w-]+${tail!.replaceAll('.', '\\.')}$`),
  )
  const unused = flat(en).map(([key]) => key).filter((key) => !literal.has(key) && !made.some((one) => one.test(key)))
  expect(unused).toEqual([])
})

test('a text is given the same values in both languages', () => {
  const other = new Map(flat(zhTW))
  for (const [key, text] of flat(en)) expect(named(other.get(key) ?? ''), key).toEqual(named(text))
})
