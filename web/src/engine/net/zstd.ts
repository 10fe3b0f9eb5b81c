import { ZSTDDecoder } from 'zstddec/stream'

/** Raised when the bytes are no zstd frames. */
export class DamagedFrame extends Error {
  override readonly name = 'DamagedFrame'
}

const MAGIC = 0xfd2fb528
const RLE_BLOCK = 1
const LARGEST_FRAME_BYTES = 512 * 1024 * 1024

interface Frame {
  readonly end: number
  /** Bytes inflated, null when the frame does not say. */
  readonly size: number | null
}

/**
 * Inflates a body of zstd frames, wherever it was cut: `decode(chunk)` yields what whole frames hold.
 *
 * Browsers offer zstd only over TLS and to localhost; elsewhere the page asks for the frames themselves. A
 * frame that the end of the body cut is never yielded: `rest` tells of it.
 */
export class FrameDecoder {
  readonly #zstd = new ZSTDDecoder()
  #carry = new Uint8Array(1 << 18)
  #carried = 0

  /** Before the first `decode`. */
  async init(): Promise<void> {
    await this.#zstd.init()
  }

  /** Bytes of a frame that has not ended. */
  get rest(): number {
    return this.#carried
  }

  *decode(chunk: Uint8Array): Generator<Uint8Array> {
    this.#keep(chunk)
    let begin = 0
    for (let frame = this.#frame(begin); frame !== null; frame = this.#frame(begin)) {
      yield this.#inflate(this.#carry.subarray(begin, frame.end), frame.size)
      begin = frame.end
    }
    this.#carry.copyWithin(0, begin, this.#carried)
    this.#carried -= begin
  }

  #keep(chunk: Uint8Array): void {
    const needed = this.#carried + chunk.length
    if (needed > LARGEST_FRAME_BYTES) throw new DamagedFrame('a frame is larger than any can be')
    if (needed > this.#carry.length) {
      const longer = new Uint8Array(Math.max(needed, this.#carry.length * 2))
      longer.set(this.#carry.subarray(0, this.#carried))
      this.#carry = longer
    }
    this.#carry.set(chunk, this.#carried)
    this.#carried = needed
  }

  #frame(begin: number): Frame | null {
    return frameAt(this.#carry, begin, this.#carried)
  }

  #inflate(frame: Uint8Array, size: number | null): Uint8Array {
    if (size === 0) return new Uint8Array(0)
    const inflated = size === null ? joined(this.#zstd.decodeStreaming([frame])) : this.#zstd.decode(frame, size)
    // The decoder reports damage as a length that cannot be.
    if (size !== null && inflated.length !== size) throw new DamagedFrame('a frame is damaged')
    return inflated
  }
}

function joined(parts: Iterable<Uint8Array>): Uint8Array {
  const all = [...parts].map((part) => part.slice())
  const whole = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of all) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The frame that begins at `begin` (RFC 8878, 3.1.1); null while its end has not come. */
export function frameAt(bytes: Uint8Array, begin: number, end: number): Frame | null {
  if (end - begin < 5) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, end)
  if (view.getUint32(begin, true) !== MAGIC) throw new DamagedFrame('bytes that are no zstd frame')
  const descriptor = bytes[begin + 4]!
  const single = (descriptor & 0x20) !== 0
  const checksum = (descriptor & 0x04) !== 0
  const idBytes = [0, 1, 2, 4][descriptor & 3]!
  const sizeFlag = descriptor >>> 6
  const sizeBytes = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag
  const sizeAt = begin + 5 + (single ? 0 : 1) + idBytes
  let at = sizeAt + sizeBytes
  for (let last = false; !last; ) {
    if (at + 3 > end) return null
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
    last = (header & 1) === 1
    at += 3 + (((header >>> 1) & 3) === RLE_BLOCK ? 1 : header >>> 3)
  }
  if (checksum) at += 4
  return at > end ? null : { end: at, size: contentSize(view, sizeAt, sizeBytes) }
}

function contentSize(view: DataView, at: number, bytes: number): number | null {
  switch (bytes) {
    case 0:
      return null
    case 1:
      return view.getUint8(at)
    case 2:
      return view.getUint16(at, true) + 256
    case 4:
      return view.getUint32(at, true)
    default:
      return Number(view.getBigUint64(at, true))
  }
}
