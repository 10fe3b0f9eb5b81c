import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Transform } from 'node:stream'

/** A proxy between page and service that does harm to streams of results, and to nothing else. */
export interface Proxy {
  readonly url: string
  /** Streams that were harmed so far. */
  readonly harmed: number
  close(): Promise<void>
}

/** What is done to a stream: given each piece of its body, what to pass on; null cuts the connection. */
export type Harm = (piece: Buffer, sofar: number) => Buffer | null

/** Harm the first `times` streams. They are asked for without compression, so that a line is a line. */
export async function harmful(target: string, harm: Harm, times: number): Promise<Proxy> {
  let harmed = 0
  const server = createServer((incoming, outgoing) => {
    const stream = /\/job\/[^/]+\/stream/.test(incoming.url ?? '')
    const now = stream && harmed < times
    if (now) harmed += 1
    pass(target, incoming, outgoing, now ? harm : null, stream)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get harmed() {
      return harmed
    },
    close: () =>
      new Promise((done) => {
        server.closeAllConnections()
        server.close(() => done())
      }),
  }
}

function pass(target: string, incoming: IncomingMessage, outgoing: ServerResponse, harm: Harm | null, plain: boolean): void {
  const headers = { ...incoming.headers, host: new URL(target).host }
  if (plain) {
    delete headers['accept-encoding']
    headers.accept = 'application/x-ndjson'
  }
  const onward = request(target + (incoming.url ?? ''), { method: incoming.method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    let sofar = 0
    const through = new Transform({
      transform(piece: Buffer, _, done) {
        const passed = harm === null ? piece : harm(piece, sofar)
        sofar += piece.length
        if (passed === null) {
          outgoing.destroy()
          onward.destroy()
          return
        }
        done(null, passed)
      },
    })
    answer.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    answer.pipe(through).pipe(outgoing)
  })
  onward.on('error', () => outgoing.destroy())
  incoming.pipe(onward)
}

/** Cut after so many bytes, in the middle of whatever stands there. */
export const cutAfter =
  (bytes: number): Harm =>
  (piece, sofar) =>
    sofar + piece.length > bytes ? null : piece

/** Turn the first `"data":[{` after so many bytes into what is no JSON. */
export const corruptAfter = (bytes: number): Harm => {
  let done = false
  return (piece, sofar) => {
    const at = done || sofar < bytes ? -1 : piece.indexOf('"data":[{')
    if (at < 0) return piece
    done = true
    const bad = Buffer.from(piece)
    bad.write('"data"![{', at)
    return bad
  }
}
