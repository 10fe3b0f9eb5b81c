import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { expect, test as base, type Page } from '@playwright/test'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** The live stack of `tests/page/stack.py`, and what can be made to happen to it. */
export interface Stack {
  readonly url: string
  readonly ids: readonly string[]
  /** What goes wrong at the plant's database from the next statement on; nothing when called without. */
  faults(fields?: { pause_seconds?: number; bad_container?: string; every?: number }): Promise<void>
  killApi(): Promise<void>
  startApi(): Promise<void>
  expire(jobId: string): Promise<void>
  /** One more address of the same service, whose pages may hold so many bytes of records. */
  tight(maxMemoryBytes: number): Promise<string>
  /** A second service of the same plant, which wants a key or a sign-in; made when first asked for. */
  locked(): Promise<{ readonly url: string; readonly key: string }>
}

interface Fixtures {
  /** A page on which nothing was asked; a script error or a breach of the content policy fails the test. */
  readonly blank: Page
}

export const test = base.extend<Fixtures, { stack: Stack }>({
  stack: [
     
    async ({}, use) => {
      const python = [resolve(ROOT, '.venv/bin/python')].find((path) => existsSync(path)) ?? 'python3'
      const child = spawn(python, ['-m', 'tests.page.stack'], { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] })
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const next = async (): Promise<unknown> => {
        const line = await lines.next()
        if (line.done) throw new Error('the stack has ended; its own words stand above')
        return JSON.parse(line.value)
      }
      const ask = async (told: object): Promise<unknown> => {
        child.stdin.write(JSON.stringify(told) + '\n')
        return next()
      }
      let locked: Promise<{ url: string; key: string }> | undefined
      const { url, ids } = (await next()) as { url: string; ids: string[] }
      await use({
        url,
        ids,
        faults: async (fields = {}) => {
          await ask({ do: 'faults', ...fields })
        },
        killApi: async () => {
          await ask({ do: 'kill_api' })
        },
        startApi: async () => {
          await ask({ do: 'start_api' })
        },
        expire: async (jobId) => {
          await ask({ do: 'expire', job_id: jobId })
        },
        tight: async (maxMemoryBytes) => ((await ask({ do: 'tight', max_memory_bytes: maxMemoryBytes })) as { url: string }).url,
        locked: () => (locked ??= ask({ do: 'locked' }) as Promise<{ url: string; key: string }>),
      })
      const ended = new Promise((done) => child.once('exit', done))
      child.stdin.end()
      await ended
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  blank: async ({ page, stack }, use) => {
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' && /Content Security Policy|AG Grid|Vue warn/.test(message.text())) faults.push(message.text())
    })
    await stack.faults()
    await page.goto(stack.url)
    await use(page)
    expect(faults, 'script errors and breaches of the policy').toEqual([])
  },
})

export { expect } from '@playwright/test'

/** Put text into a box as a paste does; typing thousands of lines would take a browser minutes. */
export async function paste(page: Page, text: string): Promise<void> {
  await page.locator('#seeds').waitFor()
  await page.evaluate((pasted) => {
    const data = new DataTransfer()
    data.setData('text/plain', pasted)
    const box = document.querySelector<HTMLTextAreaElement>('#seeds')!
    const event = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
    if (box.dispatchEvent(event)) {
      box.value = pasted
      box.dispatchEvent(new InputEvent('input', { bubbles: true }))
    }
  }, text)
}

/** Ask for some containers as a job, and give its id as soon as the page has it. */
export async function ask(page: Page, ids: readonly string[]): Promise<string> {
  await paste(page, ids.join('\n'))
  await page.getByRole('button', { name: /^Trace/ }).click()
  await page.waitForURL(/#\/job\/trace-evt-/)
  return /trace-evt-[\w-]+/.exec(page.url())![0]
}

export const badge = (page: Page) => page.locator('.head .badge')

export async function whole(page: Page, text = 'complete'): Promise<void> {
  await expect(badge(page)).toHaveText(text)
}

/** The number of records that the page says it holds. */
export async function recordsShown(page: Page): Promise<number> {
  return Number((await page.locator('.total strong').innerText()).replaceAll(',', ''))
}

/** The number of records that the service says the job has. */
export async function recordsOf(page: Page, stack: Stack, jobId: string): Promise<number> {
  const answer = await page.request.get(`${stack.url}/api/trace/job/${jobId}`)
  return ((await answer.json()) as { progress: { records: number } }).progress.records
}

/**
 * A picture of the page. Pictures of the documentation are made by the tests too, into `docs/images`, when
 * `TRACE_SCREENSHOTS=1` asks for them: they differ by a pixel here and there with each run.
 */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['TRACE_SCREENSHOTS'] === '1' ? resolve(ROOT, 'docs/images') : resolve(ROOT, 'web/test-results/pictures')
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: resolve(folder, `page-${name}.png`), animations: 'disabled' })
}
