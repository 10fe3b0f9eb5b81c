import { gzipSync } from 'node:zlib'

import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'

import { ask, expect, paste, picture, test, whole } from './stack'

async function accessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']).analyze()
  expect(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`)).toEqual([])
}

test('what is pasted is told apart and counted before it is sent', async ({ blank: page }) => {
  await paste(page, 'GA25070001-A00-009, GA25070001-A00-010\nGA25070001\nWFK-000004;F25070001-001\t"GD25070001"\n48810380001cb853 GA25070001')
  for (const text of ['2 Lots', '1 Work orders', '1 Wafer lots', '1 Serial numbers or unknown', '1 Rework orders (GD)', '1 Container ids']) {
    const [count, kind] = [text.slice(0, 1), text.slice(2)]
    await expect(page.locator('.chip', { has: page.locator('option:checked', { hasText: new RegExp(`^${kind.replace(/[()]/g, '\\$&')}$`) }) }).locator('strong')).toHaveText(count)
  }
  await expect(page.getByText('one repetition left out').or(page.getByText('1 repetition left out'))).toBeVisible()
  await picture(page, 'ask')
})

test('the page is there in two languages, and remembers which', async ({ blank: page, stack }) => {
  const jobId = await ask(page, stack.ids.slice(0, 60))
  await whole(page)
  await page.getByLabel('Language').selectOption('zh-TW')
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-TW')
  await whole(page, '完整')
  await expect(page.getByRole('tab', { name: '圖表' })).toBeVisible()
  await page.reload()
  await whole(page, '完整')
  expect(page.url()).toContain(jobId)
  await picture(page, 'zh')
  await page.getByRole('tab', { name: '圖表' }).click()
  await expect(page.locator('figure', { hasText: '報廢：依不良原因' }).locator('canvas')).toBeVisible()
  for (const english of ['Records', 'Charts', 'complete', 'Search', 'Export']) await expect(page.getByText(english, { exact: true })).toHaveCount(0)
})

test('no barrier is found where questions are asked and records are read, in light and in dark', async ({ blank: page, stack }) => {
  test.slow()
  await accessible(page)
  await page.getByRole('tab', { name: 'Defect analysis' }).click()
  await accessible(page)
  await page.getByRole('tab', { name: 'By lots' }).click()
  await ask(page, stack.ids.slice(0, 60))
  await whole(page)
  await expect(page.locator('.ag-row').first()).toBeVisible()
  await accessible(page)
  await page.getByRole('button', { name: 'Dark colours' }).click()
  await accessible(page)
  await picture(page, 'dark')
})

test('no barrier is found on the other views', async ({ blank: page, stack }) => {
  test.slow()
  await ask(page, stack.ids.slice(0, 60))
  await whole(page)
  for (const view of ['Charts', 'Time line', 'Lineage', 'Coverage']) {
    await page.getByRole('tab', { name: view }).click()
    await expect(page.getByText('Loading …')).toHaveCount(0)
    await accessible(page)
  }
})

test('the whole way is gone by keyboard alone', async ({ blank: page, stack }) => {
  await paste(page, stack.ids.slice(0, 20).join('\n'))
  await page.locator('#seeds').focus()
  const trace = page.getByRole('button', { name: /^Trace/ })
  for (let presses = 0; presses < 25 && !(await trace.evaluate((one) => one === document.activeElement)); presses += 1) await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await whole(page)
  await page.getByRole('tab', { name: 'Records' }).focus()
  await page.keyboard.press('ArrowRight')
  await expect(page.getByRole('tab', { name: 'Charts' })).toBeFocused()
  await page.keyboard.press('End')
  await expect(page.getByRole('tab', { name: 'Coverage' })).toHaveAttribute('aria-selected', 'true')
})

test('nothing is wider than a tablet', async ({ blank: page, stack }) => {
  await page.setViewportSize({ width: 820, height: 1180 })
  await ask(page, stack.ids.slice(0, 60))
  await whole(page)
  for (const view of ['Records', 'Charts', 'Time line', 'Lineage', 'Coverage']) {
    await page.getByRole('tab', { name: view }).click()
    await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(820)
  }
  await picture(page, 'tablet')
})

test('less than 300 kB are loaded before anything is asked, and nothing from elsewhere', async ({ page, stack }) => {
  let bytes = 0
  const others: string[] = []
  const sizes: Promise<void>[] = []
  page.on('response', (response) => {
    if (!response.url().startsWith(stack.url)) others.push(response.url())
    sizes.push(response.body().then((body) => void (bytes += gzipSync(body).length)))
  })
  await page.goto(stack.url)
  await page.locator('#seeds').waitFor()
  await page.waitForLoadState('networkidle')
  await Promise.all(sizes)
  expect(others).toEqual([])
  expect(bytes).toBeGreaterThan(50_000)
  expect(bytes).toBeLessThan(300_000)
})
