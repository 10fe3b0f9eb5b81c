import { asking } from './asking'
import { looking } from './looking'
import { watching } from './watching'

export const en = { ...asking, ...watching, ...looking }

/** The shape that every language fills. */
export type Messages = typeof en
