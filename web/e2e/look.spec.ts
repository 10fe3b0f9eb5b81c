import { readFileSync } from 'node:fs'

import type { Page } from '@playwright/test'

import { ask, expect, picture, test, whole, type Stack } from './stack'

/** The one trace that these tests look at: asked once, found again by its address. */
let jobId = ''
async function opened(page: Page, stack: Stack, view: string): Promise<void> {
  if (jobId === '') {
    jobId = await ask(page, stack.ids)
    await whole(page)
  }
  await page.goto(`${stack.url}/#/job/${jobId}/${view}`)
  await whole(page)
}

const matching = (page: Page) => page.locator('.tools [role=status]')

test('records are searched, filtered, sorted and grouped in the browser', async ({ blank: page, stack }) => {
  await opened(page, stack, 'records/materials')
  await expect(matching(page)).toHaveText(/^[\d,]+ records$/)
  await page.getByPlaceholder('Search all columns').fill('焊接 01')
  await expect(matching(page)).toHaveText(/^[\d,]+ of [\d,]+ records$/)
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await expect(matching(page)).toHaveText(/^[\d,]+ records$/)

  const quantity = page.locator('.ag-row [col-id=QTYCONSUMED]')
  const header = page.locator('[role=columnheader][col-id=QTYCONSUMED] .ag-header-cell-label')
  await header.scrollIntoViewIfNeeded()
  await header.click()
  await header.click()
  await expect(page.locator('[role=columnheader][col-id=QTYCONSUMED]')).toHaveAttribute('aria-sort', 'descending')
  await expect
    .poll(async () => {
      const shown = (await quantity.allInnerTexts()).slice(0, 8).map((text) => Number(text.replaceAll(',', '')))
      return shown.length === 8 && shown.every((value, i) => i === 0 || value <= shown[i - 1]!)
    })
    .toBe(true)

  await page.getByLabel('Group by').selectOption('MATERIALPARTNAME')
  const groups = page.locator('.group-row')
  await expect(groups.first()).toContainText('records')
  await groups.first().click()
  await expect(groups.first()).toHaveAttribute('aria-expanded', 'true')
  await picture(page, 'grouped')
})

test('a grid is walked and copied from by keyboard, as a spreadsheet takes it', async ({ blank: page, stack, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await opened(page, stack, 'records/materials')
  const rows = page.locator('.ag-row')
  await rows.nth(2).locator('[col-id=CONTAINERID]').click()
  await page.keyboard.press('Shift+ArrowDown')
  await page.keyboard.press('Shift+ArrowDown')
  await page.keyboard.press('Control+c')
  await expect(matching(page)).toHaveText('3 rows copied')
  const lines = (await page.evaluate(() => navigator.clipboard.readText())).trim().split(/\r?\n/)
  expect(lines).toHaveLength(4)
  expect(lines[0]!.split('\t')[0]).toBe('CONTAINERID')
  expect(new Set(lines.map((line) => line.split('\t').length)).size).toBe(1)
})

test('what is seen is saved as CSV', async ({ blank: page, stack }) => {
  await opened(page, stack, 'records/holds')
  await expect(matching(page)).toHaveText(/^[\d,]+ records$/)
  const count = Number((await matching(page).innerText()).replace(/\D/g, ''))
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'CSV' }).click()
  const text = readFileSync(await (await download).path(), 'utf8')
  expect(text.startsWith('\uFEFFCONTAINERID,')).toBe(true)
  expect(text.trim().split('\r\n').length - 1).toBe(count)
})

test('a click in a chart filters the other charts and the records', async ({ blank: page, stack }) => {
  await opened(page, stack, 'charts')
  const chart = page.locator('figure', { hasText: 'Rejects by loss reason' })
  await expect(chart.locator('canvas')).toBeVisible()
  await picture(page, 'charts')
  // The same choice as a click on the first bar, by keyboard.
  await chart.getByRole('button', { name: /As a table/ }).click()
  const reason = await chart.locator('tbody .link').first().innerText()
  await chart.locator('tbody .link').first().click()
  await expect(page.getByRole('button', { name: new RegExp(`Remove the filter .*${reason}`) })).toBeVisible()
  // Wide enough for the column to be drawn.
  await page.setViewportSize({ width: 2600, height: 860 })
  await page.getByRole('tab', { name: 'Records' }).click()
  await page.getByRole('tab', { name: /^Rejects/ }).click()
  await expect(matching(page)).toHaveText(/^[\d,]+ of [\d,]+ records$/)
  const cells = page.locator('.ag-row [col-id=LOSSREASONNAME]')
  await expect(cells.first()).toHaveText(reason)
  for (const cell of await cells.allInnerTexts()) expect(cell).toBe(reason)
})

test('a lot’s sessions, holds, rejects and materials stand on one time line', async ({ blank: page, stack }) => {
  await opened(page, stack, 'timeline')
  await page.locator('.lots .lot').first().click()
  await expect(page.locator('.story canvas')).toBeVisible()
  const times = await page.locator('.story .list tbody tr td:first-child').allInnerTexts()
  expect(times.length).toBeGreaterThan(5)
  expect([...times].sort()).toEqual(times)
  await picture(page, 'timeline')
})
