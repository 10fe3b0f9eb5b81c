import { computed, shallowRef } from 'vue'

import { call, faultOf as fault, isAbort } from '@/api/client'
import type { Schemas } from '@/api/contract'
import { credentialInUse, setCredential, whenRefused } from '@/api/credential'
import type { TraceFault } from '@/engine/types'

import { comesFromSignIn, endSignIn } from './oidc'
import { faultOf } from './service'

/** How the service wants to know its callers, and as whom it knows us. */
export type Access = Schemas['AccessDocument']

const KEPT = 'tracesvc.credential'

const access = shallowRef<Access | null>(null)
let wasKnown = false

/** Whether nothing can be asked before somebody signs in. */
export const locked = computed(() => access.value?.required === true && access.value.caller === null)
export const caller = computed(() => access.value?.caller ?? null)
export const signInWays = computed(() => access.value)

/** What kept the sign-in service from telling who we are. */
export const signInFault = shallowRef<TraceFault | null>(null)

/** Ask as whom this tab is known. A service that does not answer is taken to be open: its routes say what is wrong. */
export async function loadAccess(): Promise<void> {
  setCredential(kept())
  whenRefused(() => {
    if (access.value?.required === true) access.value = { ...access.value, caller: null }
  })
  try {
    access.value = await ask()
    wasKnown = access.value.caller !== null
    if (comesFromSignIn()) await finishSignIn(access.value)
  } catch {
    access.value = null
  }
}

async function finishSignIn({ oidc }: Access): Promise<void> {
  if (oidc?.client_id == null) return
  try {
    const token = await endSignIn({ issuer: oidc.issuer, clientId: oidc.client_id })
    if ((await signIn(token)) === 'refused')
      signInFault.value = fault('FORBIDDEN', 'The sign-in service knows you, but its token is not meant for tracesvc.')
  } catch (error) {
    signInFault.value = faultOf(error)
  }
}

/** Sign in with a key or a token, for this tab until it is closed; what was wrong, or null. */
export async function signIn(secret: string): Promise<TraceFault | 'refused' | null> {
  setCredential(secret.trim())
  try {
    const found = await ask()
    if (found.caller === null) {
      setCredential(null)
      return 'refused'
    }
    access.value = found
  } catch (error) {
    setCredential(null)
    if (isAbort(error)) return null
    return faultOf(error)
  }
  keep(credentialInUse())
  // A trace that was open when the credential ran out is opened again, with the new one.
  if (wasKnown) location.reload()
  wasKnown = true
  return null
}

export function signOut(): void {
  keep(null)
  setCredential(null)
  // What is on the screen was the caller's: nothing of it stays in this tab.
  location.hash = '#/'
  location.reload()
}

function ask(): Promise<Access> {
  return call('get', '/api/trace/access')
}

function kept(): string | null {
  try {
    return sessionStorage.getItem(KEPT)
  } catch {
    return null
  }
}

function keep(value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(KEPT)
    else sessionStorage.setItem(KEPT, value)
  } catch {
    // It then holds until the page is loaded again.
  }
}
