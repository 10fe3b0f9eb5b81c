/** How fast a count rises, from the samples of the last seconds. */
export class Rate {
  readonly #samples: { at: number; count: number }[] = []

  constructor(readonly windowSeconds = 3) {}

  add(at: number, count: number): void {
    const samples = this.#samples
    samples.push({ at, count })
    while (samples.length > 2 && samples[0]!.at < at - this.windowSeconds) samples.shift()
  }

  /** A second; 0 while it is not known. */
  get value(): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.at <= first.at) return 0
    return Math.max((last.count - first.count) / (last.at - first.at), 0)
  }
}
