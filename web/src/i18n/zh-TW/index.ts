import type { Messages } from '../en'

import { asking } from './asking'
import { looking } from './looking'
import { watching } from './watching'

export const zhTW: Messages = { ...asking, ...watching, ...looking }
