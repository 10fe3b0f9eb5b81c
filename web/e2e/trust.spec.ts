import { corruptAfter, cutAfter, harmful } from './proxy'
import { ask, badge, expect, picture, recordsOf, recordsShown, test, whole } from './stack'

test('a proxy that cuts streams costs a moment and no record', async ({ blank: page, stack }) => {
  const proxy = await harmful(stack.url, cutAfter(300_000), 2)
  try {
    await page.goto(proxy.url)
    const jobId = await ask(page, stack.ids)
    await whole(page)
    expect(proxy.harmed).toBe(2)
    await expect(page.getByText(/Taken up again 2 times; nothing is missing/)).toBeVisible()
    expect(await recordsShown(page)).toBe(await recordsOf(page, stack, jobId))
  } finally {
    await proxy.close()
  }
})

test('a line that a proxy damages is shown as what it is, and fetched again', async ({ blank: page, stack }) => {
  const proxy = await harmful(stack.url, corruptAfter(100_000), 1)
  try {
    await page.goto(proxy.url)
    const jobId = await ask(page, stack.ids)
    await whole(page)
    expect(proxy.harmed).toBe(1)
    await expect(page.locator('.happened')).toContainText('A line arrived damaged')
    await expect(page.locator('.happened')).toContainText('LINE_MALFORMED')
    expect(await recordsShown(page)).toBe(await recordsOf(page, stack, jobId))
    await picture(page, 'damaged')
  } finally {
    await proxy.close()
  }
})

test('a proxy that damages every stream ends in an error, not in a wrong result', async ({ blank: page, stack }) => {
  const proxy = await harmful(stack.url, (piece) => Buffer.from(piece.toString('latin1').replaceAll('"data":[{', '"data"![{'), 'latin1'), 1000)
  try {
    await page.goto(proxy.url)
    await ask(page, stack.ids.slice(0, 40))
    await expect(page.getByText('LINE_MALFORMED').first()).toBeVisible()
    await expect(badge(page)).not.toHaveText('complete')
  } finally {
    await proxy.close()
  }
})

test('containers that failed are counted, named, and can be asked again', async ({ blank: page, stack }) => {
  const bad = stack.ids[7]!
  await stack.faults({ bad_container: bad })
  // Few, as they are halved down to the one, with a pause before each try.
  await ask(page, stack.ids.slice(4, 12))
  await whole(page, 'incomplete')
  const banner = page.locator('.banner')
  await expect(banner).toContainText('some containers could not be fetched')
  await expect(banner).toContainText('History: 1 container failed')
  await picture(page, 'partial')
  await banner.getByRole('button', { name: 'List them' }).first().click()
  await expect(page.locator('.ids .list')).toHaveText(bad)
  await picture(page, 'coverage')
  await stack.faults()
  await page.getByRole('button', { name: 'Ask these again' }).click()
  await whole(page)
})

test('coverage accounts for every container of every domain', async ({ blank: page, stack }) => {
  await ask(page, stack.ids.slice(0, 100))
  await whole(page)
  await page.getByRole('tab', { name: 'Coverage' }).click()
  const rows = page.locator('.coverage tbody tr')
  await expect(rows).toHaveCount(5)
  for (const row of await rows.all()) {
    const [asked, having, without, failed] = (await row.locator('td.number').allInnerTexts()).map(Number)
    expect(asked).toBe(100)
    expect(having! + without! + failed!).toBe(100)
    await expect(row).toContainText('matches')
  }
})
