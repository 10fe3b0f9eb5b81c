import { watch } from 'vue'
import { createI18n } from 'vue-i18n'

import { language } from '@/state/prefs'

import { en, type Messages } from './en'
import { zhTW } from './zh-TW'

/** Texts and numbers in the language chosen; both languages are small enough to come at once. */
export const i18n = createI18n<[Messages], 'en' | 'zh-TW', false>({
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- version 12 drops the choice, 11 needs it
  legacy: false,
  locale: language.value,
  fallbackLocale: 'en',
  messages: { 'en': en, 'zh-TW': zhTW },
})

watch(language, (value) => (i18n.global.locale.value = value))

/** `120 ms` is no news to anybody: seconds below a minute, then minutes and hours. */
export function duration(seconds: number): string {
  const t = i18n.global.t
  if (seconds < 9.95) return t('time.seconds', { n: seconds.toFixed(1) })
  if (seconds < 60) return t('time.seconds', { n: Math.round(seconds) })
  if (seconds < 3600) return t('time.minutes', { n: Math.round(seconds / 60) })
  return t('time.hours', { n: (seconds / 3600).toFixed(1) })
}

const formats = new Map<string, Intl.NumberFormat>()

/** A whole number with separators, a fraction with as many digits as it has, up to four. */
export function number(value: number, digits = 4): string {
  const key = `${language.value} ${digits}`
  const found = formats.get(key) ?? new Intl.NumberFormat(language.value, { maximumFractionDigits: digits })
  formats.set(key, found)
  return found.format(value)
}

export function percent(value: number, digits = 2): string {
  return `${number(value, digits)} %`
}

/** A moment of the service (UTC) on this computer's clock. */
export function moment(iso: string): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(iso))
}

/** A time of the plant as people write it. Its clock is the plant's, so it is never converted. */
export function plantTime(value: string): string {
  return value.replace('T', ' ')
}

export function bytes(value: number): string {
  return value < 1e6 ? `${number(value / 1e3, 0)} kB` : `${number(value / 1e6, 0)} MB`
}
