import { existsSync } from 'node:fs'

import { defineConfig } from '@playwright/test'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path))

// One live stack, one browser, one after another: what is tested takes both of a small machine's cores.
export default defineConfig({
  testDir: '.',
  outputDir: '../test-results',
  workers: 1,
  fullyParallel: false,
  // A loaded machine must not fail a test: waiting ends when something happens, and long before this.
  timeout: 120_000,
  expect: { timeout: 45_000 },
  reporter: [['list']],
  use: {
    viewport: { width: 1280, height: 860 },
    locale: 'en-US',
    timezoneId: 'Asia/Taipei',
    colorScheme: 'light',
    launchOptions: {
      ...(CHROMIUM === undefined ? {} : { executablePath: CHROMIUM }),
      // A plant's own name without TLS is no secure context: there browsers offer neither zstd nor a clipboard.
      args: ['--no-sandbox', '--disable-quic', '--font-render-hinting=none', '--host-resolver-rules=MAP plant.test 127.0.0.1'],
    },
  },
})
