/** The key or token that every call carries; null where nobody has signed in. */
let credential: string | null = null

let refused: () => void = () => undefined

/** The worker has a memory of its own: the page tells it through the engine. */
export function setCredential(value: string | null): void {
  credential = value
}

export function credentialInUse(): string | null {
  return credential
}

/** What a call has in its head. */
export function authorization(): Record<string, string> {
  return credential === null ? {} : { Authorization: `Bearer ${credential}` }
}

/** Called for every answer 401 to what this page or worker asked. */
export function whenRefused(listener: () => void): void {
  refused = listener
}

export function tellRefused(): void {
  refused()
}
