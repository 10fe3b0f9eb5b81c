import type { Page } from '@playwright/test'

import { expect, picture, test, whole } from './stack'

/** All of the plant's days, to the end. */
async function analyse(page: Page): Promise<void> {
  await page.getByLabel('From', { exact: true }).fill('2025-07-01')
  await page.getByLabel('To', { exact: true }).fill('2026-02-28')
  await page.getByRole('button', { name: 'Analyse' }).click()
  await whole(page)
}

test.beforeEach(async ({ page, stack }) => {
  const description = await (await page.request.get(`${stack.url}/openapi.json`)).text()
  test.skip(!description.includes('/api/trace/seed-resolve'), 'the service has no stages 1 and 2')
})

test('a defect analysis says its scope, its method and its completeness, and is asked again with other filters', async ({ blank: page, stack }) => {
  await page.getByRole('tab', { name: 'Defect analysis' }).click()
  await analyse(page)
  await expect(page.getByText('Lots at 測試, backward')).toBeVisible()
  await expect(page.getByText('Lineage and all domains are complete.')).toBeVisible()
  const defects = page.locator('.kpi', { has: page.getByText('Defects', { exact: true }) }).locator('dd')
  const before = Number((await defects.innerText()).replaceAll(',', ''))
  expect(before).toBeGreaterThan(0)
  await expect(page.locator('figure', { hasText: 'Upstream machine' }).locator('canvas')).toBeVisible()
  await expect(page.locator('.detail tbody tr').first()).toBeVisible()
  await picture(page, 'analysis')

  // By keyboard what a click on the first bar does.
  const reasons = page.locator('figure', { hasText: 'Loss reason' })
  await reasons.getByRole('button', { name: /As a table/ }).click()
  const share = Number((await reasons.locator('tbody tr').first().locator('td').nth(1).innerText()).replaceAll(',', ''))
  await reasons.locator('tbody .link').first().click()
  await expect(defects).toHaveText(new RegExp(`^${share.toLocaleString('en-US')}$`))
  await expect(page.getByText('Loss reasons limit the defects only')).toBeVisible()
  expect(page.url()).toContain(stack.url)
})

test('forward, an analysis shows what became of the lots downstream', async ({ blank: page }) => {
  await page.getByRole('tab', { name: 'Defect analysis' }).click()
  await page.getByLabel(/^Forward/).check()
  await page.getByLabel('Detection station').fill('成型')
  await analyse(page)
  await expect(page.getByText('Lots at 成型, forward: rejects downstream of it, of the lots and their descendants.')).toBeVisible()
  await expect(page.getByText('Lineage and all domains are complete.')).toBeVisible()
  const figure = page.locator('figure', { hasText: 'station' }).first()
  await expect(figure.locator('canvas')).toBeVisible()
  await figure.getByRole('button', { name: /As a table/ }).click()
  const stations = await figure.locator('tbody tr td:first-child, tbody tr th').allInnerTexts()
  expect(stations.length).toBeGreaterThan(0)
  expect(stations.map((name) => name.trim())).not.toContain('成型')
  await expect(page.locator('.detail tbody tr').first()).toBeVisible()
  await picture(page, 'forward')
})

test('names are traced with their lineage, which is folded, searched, and followed', async ({ blank: page }) => {
  await page.locator('#seeds').fill('GA25070001')
  await expect(page.locator('.chip')).toContainText('Work orders')
  await page.getByRole('button', { name: /^Trace/ }).click()
  await whole(page)
  await page.getByRole('tab', { name: 'Lineage' }).click()
  await expect(page.locator('.node').first()).toBeVisible()
  await page.getByLabel('Find a lot or order').fill('GA25070001-A00-00')
  await page.locator('.match').first().click()
  await expect(page.locator('.node.chosen')).toBeVisible()
  await expect(page.locator('.node-card')).toContainText('GA25070001')
  await picture(page, 'lineage')
  await page.locator('.node.chosen').focus()
  await page.keyboard.press('ArrowLeft')
  await expect(page.locator('.node.chosen')).toBeFocused()
  await page.getByRole('tab', { name: 'Coverage' }).click()
  await expect(page.getByText(/1 names became [\d,]+ containers/)).toBeVisible()
})
