const NEWLINE = 0x0a
const FIRST_BYTES = 1 << 16

/** A line longer than this is damage, not data: the server writes batches of a few MB. */
export const LONGEST_LINE_BYTES = 256 * 1024 * 1024

/** Raised for a line that cannot be what the server wrote. `excerpt` shows its beginning. */
export class MalformedLine extends Error {
  override readonly name = 'MalformedLine'

  constructor(
    message: string,
    readonly line: number,
    readonly excerpt: string,
  ) {
    super(message)
  }
}

/**
 * Cuts bytes into lines, wherever the bytes were cut before: `decode(chunk)` yields the lines that are
 * whole, without their newline; `rest` is what no newline has ended. A line is a view that holds only
 * until the next one is asked for.
 */
export class LineDecoder {
  /** Lines yielded so far. */
  count = 0
  #carry = new Uint8Array(0)
  #carried = 0

  /** Bytes after the last newline: an unfinished line of a stream that was cut. */
  get rest(): number {
    return this.#carried
  }

  *decode(chunk: Uint8Array): Generator<Uint8Array> {
    let begin = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
      let line = chunk.subarray(begin, end)
      if (this.#carried > 0) {
        this.#keep(line)
        line = this.#carry.subarray(0, this.#carried)
        this.#carried = 0
      }
      this.count++
      begin = end + 1
      yield line
    }
    if (begin < chunk.length) this.#keep(chunk.subarray(begin))
  }

  #keep(part: Uint8Array): void {
    const needed = this.#carried + part.length
    if (needed > LONGEST_LINE_BYTES) throw new MalformedLine('a line is longer than any can be', this.count + 1, '')
    if (needed > this.#carry.length) {
      const longer = new Uint8Array(Math.max(needed, this.#carry.length * 2, FIRST_BYTES))
      longer.set(this.#carry.subarray(0, this.#carried))
      this.#carry = longer
    }
    this.#carry.set(part, this.#carried)
    this.#carried = needed
  }
}
