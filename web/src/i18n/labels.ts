import { en } from './en'
import { i18n } from './index'

/** A domain's name for people; the catalogue's own when it is a plant's addition. */
export function domainLabel(domain: string): string {
  return domain in en.domain ? i18n.global.t(`domain.${domain as keyof typeof en.domain}`) : domain
}

/** The code, when there are texts for it. */
export function knownCode(code: string): keyof typeof en.fault.advice {
  return code in en.fault.advice ? (code as keyof typeof en.fault.advice) : 'other'
}

export function profileLabel(profile: string | null): string {
  if (profile === null || !(profile in en.profile)) return profile ?? i18n.global.t('profile.query_tool')
  return i18n.global.t(`profile.${profile as keyof typeof en.profile}`)
}

export function statusLabel(status: string): string {
  return status in en.status ? i18n.global.t(`status.${status as keyof typeof en.status}`) : status
}
