import { ApiFault, faultOf, isAbort, send } from '@/api/client'

import { LineDecoder, MalformedLine } from './lines'
import { DamagedFrame, FrameDecoder } from './zstd'

export const NDJSON = 'application/x-ndjson'
export const ZSTD = 'application/zstd'

/** A line's bytes, which hold until the promise resolves, and its number from 1. */
export type OnLine = (line: Uint8Array, number: number) => Promise<void> | void

export interface StreamOptions {
  readonly signal: AbortSignal
  /** Ask for the zstd frames themselves, as the browser would not undo the encoding here. */
  readonly zstd?: boolean
  /** Told whenever something came, be it only part of a line. */
  readonly onBytes?: () => void
}

/**
 * Read an NDJSON stream line by line as it comes, wherever its bytes are cut.
 *
 * Resolves when the body has ended, which proves nothing: only the last line does. Raises `ApiFault` when
 * the server refuses, the connection fails (`NETWORK`), or the body ends within a line (`STREAM_CUT`);
 * `MalformedLine` for bytes that are no line, and whatever `onChunk` raises. A slow `onChunk` slows the
 * stream.
 */
export async function consumeNDJSONStream(url: string, onChunk: OnLine, options: StreamOptions): Promise<void> {
  const headers = { Accept: options.zstd === true ? ZSTD : NDJSON }
  const response = await send('get', url, undefined, { signal: options.signal, headers })
  await consumeResponse(response, onChunk, options.onBytes)
}

/** The same, of an answer that is there already. */
export async function consumeResponse(response: Response, onChunk: OnLine, onBytes?: () => void): Promise<void> {
  for await (const { line, number } of readLines(response, onBytes)) await onChunk(line, number)
}

async function* readLines(
  response: Response,
  onBytes?: () => void,
): AsyncGenerator<{ line: Uint8Array; number: number }> {
  const frames = response.headers.get('content-type')?.startsWith(ZSTD) === true ? new FrameDecoder() : null
  await frames?.init()
  const lines = new LineDecoder()
  try {
    for await (const chunk of readChunks(response)) {
      onBytes?.()
      for (const part of frames?.decode(chunk) ?? [chunk]) {
        for (const line of lines.decode(part)) yield { line, number: lines.count }
      }
    }
  } catch (error) {
    if (error instanceof DamagedFrame) throw new MalformedLine(error.message, lines.count + 1, '')
    throw error
  }
  if (lines.rest > 0 || (frames?.rest ?? 0) > 0) {
    throw new ApiFault(faultOf('STREAM_CUT', 'The stream ended in the middle of a line.', { retryable: true }))
  }
}

async function* readChunks(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body === null) throw new ApiFault(faultOf('STREAM_CUT', 'The answer has no body.', { retryable: true }))
  const reader = response.body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(cut)
      if (done) return
      yield value
    }
  } finally {
    // Whoever stops reading early lets the server stop sending; a body that failed cannot be cancelled.
    await reader.cancel().catch(() => undefined)
  }
}

/** A body that fails under way was cut: what was sent so far may even have come. */
function cut(error: unknown): never {
  if (isAbort(error)) throw error
  throw new ApiFault(faultOf('STREAM_CUT', 'The connection was cut while the stream was read.', { retryable: true }))
}
