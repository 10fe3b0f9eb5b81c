/** Columns grow in blocks: nothing is ever copied to make room, but the first, which starts small. */
export const BLOCK_BITS = 16
export const BLOCK_ROWS = 1 << BLOCK_BITS
export const BLOCK_MASK = BLOCK_ROWS - 1
/** Of the first block, which doubles: a small result takes little. */
export const FIRST_ROWS = 256

export type Codes = Uint8Array | Uint16Array | Uint32Array

/** One small number a row, each block as narrow as its greatest number allows. */
export class CodeBlocks {
  readonly blocks: Codes[] = []

  set(row: number, code: number): void {
    const index = row >>> BLOCK_BITS
    const at = row & BLOCK_MASK
    const block = this.blocks[index]
    if (block !== undefined && at < block.length && code < limitOf(block)) block[at] = code
    else this.#place(index, at, code)
  }

  get(row: number): number {
    return this.blocks[row >>> BLOCK_BITS]![row & BLOCK_MASK]!
  }

  get bytes(): number {
    return this.blocks.reduce((sum, block) => sum + block.byteLength, 0)
  }

  /** The slow way in: a new block, or one that must be longer or wider. */
  #place(index: number, at: number, code: number): void {
    const old = this.blocks[index]
    const length = index > 0 ? BLOCK_ROWS : roomFor(at, old?.length ?? 0)
    const width = Math.max(old?.BYTES_PER_ELEMENT ?? 1, code < 0x100 ? 1 : code < 0x10000 ? 2 : 4)
    const block = width === 1 ? new Uint8Array(length) : width === 2 ? new Uint16Array(length) : new Uint32Array(length)
    if (old !== undefined) block.set(old)
    block[at] = code
    this.blocks[index] = block
  }
}

/** One double a row. */
export class DoubleBlocks {
  readonly blocks: Float64Array[] = []

  set(row: number, value: number): void {
    const index = row >>> BLOCK_BITS
    const at = row & BLOCK_MASK
    let block = this.blocks[index]
    if (block === undefined || at >= block.length) {
      const longer = new Float64Array(index > 0 ? BLOCK_ROWS : roomFor(at, block?.length ?? 0))
      if (block !== undefined) longer.set(block)
      block = this.blocks[index] = longer
    }
    block[at] = value
  }

  get(row: number): number {
    return this.blocks[row >>> BLOCK_BITS]![row & BLOCK_MASK]!
  }

  get bytes(): number {
    return this.blocks.reduce((sum, block) => sum + block.byteLength, 0)
  }
}

function limitOf(block: Codes): number {
  return block.BYTES_PER_ELEMENT === 1 ? 0x100 : block.BYTES_PER_ELEMENT === 2 ? 0x10000 : 0x100000000
}

function roomFor(at: number, had: number): number {
  let length = Math.max(had, FIRST_ROWS)
  while (length <= at) length *= 2
  return length
}
