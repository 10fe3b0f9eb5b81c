import { readFileSync } from 'node:fs'

import type { Page } from '@playwright/test'

import { ask, expect, picture, recordsOf, test, whole } from './stack'

/** What a click on a link or button of this name saves. */
async function saved(page: Page, name: string): Promise<{ name: string; bytes: Buffer }> {
  const download = page.waitForEvent('download')
  const target = page.getByRole('link', { name, exact: true }).or(page.getByRole('button', { name, exact: true }))
  await target.click()
  const file = await download
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) }
}

const linesOf = (text: string) => text.trim().split(/\r?\n/)

test('every file of a job is saved from the page, with all of its records', async ({ blank: page, stack }) => {
  const jobId = await ask(page, stack.ids)
  await whole(page)
  const records = await recordsOf(page, stack, jobId)
  const status = await page.request.get(`${stack.url}/api/trace/job/${jobId}`)
  const { progress } = (await status.json()) as { progress: { domains: Record<string, { records: number }> } }
  const history = progress.domains['history']!.records

  await page.getByRole('button', { name: 'Export' }).click()
  await picture(page, 'export')
  const csv = await saved(page, 'History: CSV')
  expect(csv.name).toMatch(/\.csv$/)
  expect(linesOf(csv.bytes.toString('utf8'))).toHaveLength(history + 1)
  const ndjson = await saved(page, 'History: NDJSON')
  expect(linesOf(ndjson.bytes.toString('utf8'))).toHaveLength(history)
  for (const [format, end, magic] of [
    ['Excel', 'xlsx', 'PK'],
    ['Parquet', 'parquet', 'PAR1'],
    ['Arrow', 'arrow', 'ARROW1'],
  ] as const) {
    const file = await saved(page, `History: ${format}`)
    expect(file.name).toMatch(new RegExp(`\\.${end}$`))
    expect(file.bytes.subarray(0, magic.length).toString('latin1')).toBe(magic)
  }

  for (const format of ['CSV', 'Excel', 'Parquet']) {
    const file = await saved(page, `Everything: ${format}`)
    expect(file.bytes.subarray(0, 2).toString('latin1')).toBe('PK')
  }
  const stream = linesOf((await saved(page, 'Everything: NDJSON')).bytes.toString('utf8')).map(
    (line) => JSON.parse(line) as { type: string; count?: number },
  )
  expect(stream.at(-1)!.type).toBe('complete')
  const counted = stream.filter((line) => line.type === 'records').reduce((sum, line) => sum + line.count!, 0)
  expect(counted).toBe(records)
  const document = JSON.parse((await saved(page, 'Everything: One JSON document')).bytes.toString('utf8')) as {
    results: Record<string, { total: number; data: unknown[] }>
  }
  expect(document.results['history']!.total).toBe(history)
  expect(Object.values(document.results).reduce((sum, one) => sum + one.data.length, 0)).toBe(records)
})

test('a chart is saved as a picture', async ({ blank: page, stack }) => {
  await ask(page, stack.ids)
  await whole(page)
  await page.getByRole('tab', { name: 'Charts' }).click()
  const chart = page.locator('figure', { hasText: 'Rejects by loss reason' })
  await expect(chart.locator('canvas')).toBeVisible()
  const png = page.waitForEvent('download')
  await chart.getByRole('button', { name: /PNG/ }).click()
  const picture = readFileSync(await (await png).path())
  expect(picture.subarray(1, 4).toString('latin1')).toBe('PNG')
  expect(picture.length).toBeGreaterThan(5_000)
  const svg = page.waitForEvent('download')
  await chart.getByRole('button', { name: /SVG/ }).click()
  expect(readFileSync(await (await svg).path(), 'utf8')).toMatch(/^<svg[\s\S]*<\/svg>\s*$/)
})

test('records beyond the page’s memory are read from the server by windows', async ({ blank: page, stack }) => {
  const jobId = await ask(page, stack.ids)
  await whole(page)
  const records = await recordsOf(page, stack, jobId)
  const url = await stack.tight(200_000)
  await page.goto(`${url}/#/job/${jobId}/records/history`)
  await whole(page)
  await expect(page.getByText('Rows beyond this page’s memory are read from the server.')).toBeVisible()
  await expect(page.locator('.total strong')).toHaveText(records.toLocaleString('en-US'))
  const result = async (offset: number) =>
    (await (await page.request.get(`${url}/api/trace/job/${jobId}/result?domain=history&offset=${offset}&limit=1`)).json()) as {
      total: number
      data: Record<string, string>[]
    }
  const { total } = await result(0)
  await expect(page.locator('.tools [role=status]')).toHaveText(`${total.toLocaleString('en-US')} records`)
  const held = Number(/the ([\d,]+) records held/.exec(await page.locator('p.windowed').innerText())![1]!.replaceAll(',', ''))
  expect(held).toBeLessThan(total)

  // To the last row, which only the server has; wide enough for every column to be drawn.
  await page.setViewportSize({ width: 2600, height: 860 })
  await page.locator('.ag-row [col-id=CONTAINERID]').first().click()
  await page.keyboard.press('Control+End')
  const last = page.locator(`.ag-row[row-index="${total - 1}"]`)
  const expected = (await result(total - 1)).data[0]!
  await expect(last.first()).toBeVisible()
  await expect(last.locator('[col-id=CONTAINERID]')).toHaveText(expected['CONTAINERID']!)
  await expect(last.locator('[col-id=SPECNAME]')).toHaveText(expected['SPECNAME']!)
  await picture(page, 'windows')
})

test('over plain HTTP by a name the page undoes zstd itself, and has every record', async ({ blank: page, stack }) => {
  const jobId = await ask(page, stack.ids)
  await whole(page)
  const records = await recordsOf(page, stack, jobId)
  const accepted: string[] = []
  page.on('request', (request) => {
    if (/\/stream/.test(request.url())) accepted.push(request.headers()['accept'] ?? '')
  })
  await page.goto(`${stack.url.replace('127.0.0.1', 'plant.test')}/#/job/${jobId}`)
  await whole(page)
  expect(await page.evaluate(() => window.isSecureContext)).toBe(false)
  await expect(page.locator('.total strong')).toHaveText(records.toLocaleString('en-US'))
  expect(accepted.some((accept) => accept.includes('application/zstd'))).toBe(true)
})
