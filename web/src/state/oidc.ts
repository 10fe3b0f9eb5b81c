import type { UserManager } from 'oidc-client-ts'

/** The plant's sign-in service, and as which of its clients this page is known there. */
export interface Provider {
  readonly issuer: string
  readonly clientId: string
}

/** Go to the sign-in service (OpenID Connect, code flow with PKCE); it sends the browser back here. */
export async function beginSignIn(provider: Provider): Promise<void> {
  const manager = await managerOf(provider)
  await manager.signinRedirect({ state: location.hash })
}

/** Whether the sign-in service has just sent the browser here. */
export function comesFromSignIn(): boolean {
  const query = new URLSearchParams(location.search)
  return query.has('state') && (query.has('code') || query.has('error'))
}

/** Take what the sign-in service sent along: the access token. The address is what it was before. */
export async function endSignIn(provider: Provider): Promise<string> {
  const manager = await managerOf(provider)
  try {
    const user = await manager.signinRedirectCallback()
    leave(typeof user.state === 'string' ? user.state : '')
    return user.access_token
  } catch (error) {
    leave('')
    throw error
  } finally {
    // The token is kept with the key, in this tab; nothing else of it stays.
    await manager.removeUser()
  }
}

function leave(hash: string): void {
  history.replaceState(null, '', location.pathname + (hash.startsWith('#/') ? hash : '#/'))
  dispatchEvent(new HashChangeEvent('hashchange'))
}

async function managerOf({ issuer, clientId }: Provider): Promise<UserManager> {
  const { UserManager, WebStorageStateStore } = await import('oidc-client-ts')
  return new UserManager({
    authority: issuer,
    client_id: clientId,
    redirect_uri: location.origin + location.pathname,
    response_type: 'code',
    scope: 'openid profile',
    automaticSilentRenew: false,
    userStore: new WebStorageStateStore({ store: sessionStorage }),
    stateStore: new WebStorageStateStore({ store: sessionStorage }),
  })
}
