import { call } from './client'

/** Where the server does not say: what a tab may hold on an office computer. */
const MEMORY_BYTES = 700 * 1024 * 1024

let asked: Promise<{ memoryBytes: number }> | undefined

/** What the page itself keeps to; asked of the server once. */
export function pageLimits(): Promise<{ memoryBytes: number }> {
  return (asked ??= ask())
}

async function ask(): Promise<{ memoryBytes: number }> {
  try {
    const { limits } = await call('get', '/api/trace/catalogue')
    return { memoryBytes: limits.page_max_memory_bytes }
  } catch {
    // What is wrong with the server is told by the question itself; the next one asks for limits again.
    asked = undefined
    return { memoryBytes: MEMORY_BYTES }
  }
}
