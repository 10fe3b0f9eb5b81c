import { reactive } from 'vue'

import { daysAgo } from './days'

interface Draft {
  mode: 'lots' | 'defect'
  text: string
  domains: string[]
  station: string
  direction: 'backward' | 'forward'
  by: 'range' | 'names'
  from: string
  to: string
  names: string
}

/** The question being written. It outlives the form, so that going back finds it as it was; a reload forgets it. */
export const draft = reactive<Draft>({
  mode: 'lots',
  text: '',
  domains: [],
  station: '測試',
  direction: 'backward',
  by: 'range',
  from: daysAgo(30),
  to: daysAgo(0),
  names: '',
})
