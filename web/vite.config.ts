import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import vue from '@vitejs/plugin-vue'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'
import { gzipSync } from 'node:zlib'

/** Leaves a `.gz` beside each text file: the server sends it as it is. */
function gzipped(): Plugin {
  return {
    name: 'gzipped',
    apply: 'build',
    writeBundle({ dir }) {
      for (const name of readdirSync(dir!, { recursive: true, encoding: 'utf8' })) {
        if (/\.(js|css|html|svg)$/.test(name)) writeFileSync(`${dir!}/${name}.gz`, gzipSync(readFileSync(`${dir!}/${name}`), { level: 9 }))
      }
    },
  }
}

// The page is built into the Python package, so that a wheel brings it; `npm run dev` proxies to a stack.
export default defineConfig({
  plugins: [vue(), gzipped()],
  define: {
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
    __INTLIFY_DROP_MESSAGE_COMPILER__: false,
  },
  base: '/',
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    outDir: '../src/tracesvc/web_dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsDir: 'assets',
    // Everything is a file: the page's policy allows no data: scripts, and hashed files are cached for good.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
  },
  worker: { format: 'es' },
  server: { proxy: Object.fromEntries(['/api', '/docs', '/openapi.json'].map((path) => [path, process.env['TRACE_URL'] ?? 'http://127.0.0.1:8000'])) },
  test: {
    environment: 'node',
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // A loaded machine must not fail a test.
    testTimeout: 60_000,
  },
})
