import { resolveSeeds } from '@/api/stages'

import { profileOf, type Kind, type Pasted } from './seeds'

/** What the plant knows of the names pasted. */
export interface Found {
  readonly containerIds: readonly string[]
  /** Names, of any kind, that it does not know. */
  readonly notFound: readonly string[]
  readonly byKind: readonly { readonly kind: Kind; readonly names: number; readonly containers: number }[]
}

/** Look up each kind of name by itself; container ids are taken as they are. Throws `ApiFault`. */
export async function resolveNames(found: Pasted): Promise<Found> {
  const ids = new Set<string>(found.groups.get('container'))
  const notFound: string[] = []
  const byKind: { kind: Kind; names: number; containers: number }[] = []
  for (const [kind, values] of found.groups) {
    if (kind === 'container') {
      byKind.push({ kind, names: values.length, containers: values.length })
      continue
    }
    const body = { profile: profileOf([kind]), params: { resolve_type: kind, values } }
    const answer = await resolveSeeds(body)
    for (const seed of answer.seeds) ids.add(seed.container_id)
    notFound.push(...answer.not_found)
    byKind.push({ kind, names: values.length, containers: answer.seeds.length })
  }
  return { containerIds: [...ids], notFound, byKind }
}
