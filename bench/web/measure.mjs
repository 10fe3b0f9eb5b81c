// One look at one job in Chromium: `node measure.mjs URL JOB_ID`. Prints its figures as JSON.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { chromium } = createRequire(new URL('../../web/package.json', import.meta.url))('@playwright/test')

const [base, jobId] = process.argv.slice(2)
const SAMPLE_MS = 100
const PATIENCE_MS = 180_000

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  // A name that is not localhost, on plain HTTP: the browser offers no zstd and no cryptography there.
  args: ['--no-sandbox', '--disable-quic', '--host-resolver-rules=MAP plant.test 127.0.0.1'],
})
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 } })
  await page.addInitScript(() => {
    globalThis.__tasks = []
    new PerformanceObserver((list) => globalThis.__tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: 'longtask' })
  })
  await page.goto(base)
  await page.locator('#seeds').waitFor()
  // The grid's code is there on a second look; what is measured is the trace.
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1000)))
  const memory = await sampler(browser)
  const waited = page.evaluate(
    ([job, patience]) =>
      new Promise((resolve, reject) => {
        const begun = performance.now()
        let first = null
        globalThis.__tasks.length = 0
        const look = () => {
          const now = (performance.now() - begun) / 1000
          if (first === null && document.querySelector('.ag-row .ag-cell')) first = now
          const badge = document.querySelector('.head .badge')
          if (first !== null && badge?.classList.contains('ok')) resolve({ first_row_s: first, all_s: now, tasks: globalThis.__tasks })
          else if (badge?.classList.contains('failed') || now * 1000 > patience) reject(new Error(`ended as ${badge?.className}`))
          else requestAnimationFrame(look)
        }
        location.hash = `#/job/${job}`
        look()
      }),
    [jobId, PATIENCE_MS],
  )
  const { first_row_s, all_s, tasks } = await waited
  const peak = memory.stop()
  // Jump far down: the window must come.
  const jump = await page.evaluate(async () => {
    const begun = performance.now()
    const scrolls = (each) => each.scrollHeight > each.clientHeight * 10 && getComputedStyle(each).overflowY !== 'visible'
    const body = [...document.querySelectorAll('.ag-root *')].find(scrolls)
    body.scrollTop = body.scrollHeight * 0.9
    const filled = () => [...document.querySelectorAll('.ag-row')].some((row) => Number(row.getAttribute('row-index')) > 1000 && row.querySelector('.ag-cell')?.textContent)
    while (!filled()) await new Promise(requestAnimationFrame)
    return performance.now() - begun
  })
  const longest = Math.max(0, ...tasks)
  const blocked = tasks.reduce((sum, task) => sum + Math.max(task - 50, 0), 0)
  const secure = await page.evaluate(() => globalThis.isSecureContext)
  console.log(JSON.stringify({ secure, first_row_s, all_s, longest_task_ms: longest, blocked_ms: blocked, peak_mb: peak, jump_ms: jump }))
} finally {
  await browser.close()
}

/** The greatest memory of the page's process: its own pages and its share of others' (PSS), in MB. */
async function sampler(browser) {
  const cdp = await browser.newBrowserCDPSession()
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo')
  const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id)
  let peak = 0
  const timer = setInterval(() => (peak = Math.max(peak, ...renderers.map(pss))), SAMPLE_MS)
  return { stop: () => (clearInterval(timer), peak) }
}

function pss(pid) {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1024
  } catch {
    return 0
  }
}
