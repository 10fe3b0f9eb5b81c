import { ApiFault, faultOf } from '@/api/client'

import { type Message, readLine } from '../net/messages'
import { consumeResponse } from '../net/stream'
import { type LaneOwner, faultOfLine } from './lane'
import { Breather } from './pauses'

/** Where what is read goes; it comes by no lane. */
interface AnswerOwner extends Pick<LaneOwner, 'domain'> {
  take(message: Message, line: Uint8Array, lane: null): Promise<void>
}

/** Read an answer that is the stream itself, to its last line. Raises `ApiFault` when it says or shows that it is not whole. */
export async function readAtOnce(response: Response, owner: AnswerOwner): Promise<void> {
  let last: Message | null = null
  const breather = new Breather()
  await consumeResponse(response, async (line, number) => {
    last = readLine(line, number, (head) => owner.domain(head.domain).expect(head.batch, head.offset))
    await owner.take(last, line, null)
    await breather.breathe()
  })
  const end = last as Message | null
  if (end?.type === 'error') throw new ApiFault(faultOfLine(end))
  if (end?.type !== 'complete') throw new ApiFault(faultOf('STREAM_CUT', 'The answer ended without its last line.', { retryable: true }))
}
