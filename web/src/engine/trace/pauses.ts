import type { TraceFault } from '../types'

const FIRST_SECONDS = 0.5
const LONGEST_SECONDS = 15

/** How long to wait after each failure in a row: twice as long, a little by chance, or as the server asks. */
export class Backoff {
  /** Failures since something came. */
  failures = 0

  next(fault: TraceFault): number {
    this.failures++
    const doubled = Math.min(FIRST_SECONDS * 2 ** (this.failures - 1), LONGEST_SECONDS)
    return Math.max(fault.retryAfterSeconds ?? 0, doubled * (0.75 + Math.random() / 2))
  }

  reset(): void {
    this.failures = 0
  }
}

/** A wait that somebody may cut short. */
export class Pause {
  #wake: (() => void) | null = null

  /** Resolves after so many seconds, at `wake`, or when the signal aborts. */
  async wait(seconds: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.#wake = null
        resolve()
      }
      const timer = setTimeout(done, seconds * 1000)
      signal.addEventListener('abort', done)
      this.#wake = done
    })
  }

  wake(): void {
    this.#wake?.()
  }
}

const TURN_MS = 16

/** Lets other messages of the worker be served while there is no end of work. */
export class Breather {
  #since = performance.now()

  async breathe(): Promise<void> {
    if (performance.now() - this.#since < TURN_MS) return
    await turn()
    this.#since = performance.now()
  }
}

/** The next turn of the event loop, without the delay that nested timers get. */
export async function turn(): Promise<void> {
  await new Promise<void>((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(null)
  })
}
