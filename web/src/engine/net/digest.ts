import { createSHA256 } from 'hash-wasm'

/** SHA-256 of bytes that may change as soon as this returns. */
type Sha256 = (bytes: Uint8Array) => Promise<Uint8Array<ArrayBuffer>>

const DIGEST_BYTES = 32
/** Digests under way: each holds a copy of its line. */
const AHEAD = 4

/**
 * The digest of a domain as its `domain_end` tells it: the SHA-256 of the SHA-256 digests of its lines.
 *
 * `add` each line in order; it resolves at once unless digests lag behind.
 */
export class DomainDigest {
  readonly #digests: Promise<Uint8Array<ArrayBuffer>>[] = []

  async add(line: Uint8Array): Promise<void> {
    this.#digests.push((await sha256())(line))
    const behind = this.#digests[this.#digests.length - AHEAD]
    if (behind !== undefined) await behind
  }

  /** In hexadecimal. */
  async hex(): Promise<string> {
    const parts = await Promise.all(this.#digests)
    const all = new Uint8Array(parts.length * DIGEST_BYTES)
    parts.forEach((part, at) => all.set(part, at * DIGEST_BYTES))
    const digest = await (await sha256())(all)
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
  }
}

let chosen: Promise<Sha256> | undefined

function sha256(): Promise<Sha256> {
  return (chosen ??= choose())
}

/** The browser's own where it gives one: not on plain HTTP, but to localhost. */
async function choose(): Promise<Sha256> {
  if ((globalThis.crypto as Partial<Crypto> | undefined)?.subtle !== undefined) {
    return async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>))
  }
  const hasher = await createSHA256()
  return (bytes) => Promise.resolve(new Uint8Array(hasher.init().update(bytes).digest('binary')))
}
