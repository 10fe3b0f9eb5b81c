import { shallowRef } from 'vue'

import { ApiFault, call } from '@/api/client'
import type { Schemas } from '@/api/contract'
import type { TraceFault } from '@/engine/types'

/** What the service offers. */
export type Catalogue = Schemas['CatalogueDocument']

const catalogue = shallowRef<Catalogue | null>(null)
const catalogueFault = shallowRef<TraceFault | null>(null)

async function loadCatalogue(): Promise<void> {
  catalogueFault.value = null
  try {
    catalogue.value = await call('get', '/api/trace/catalogue')
  } catch (error) {
    catalogueFault.value = faultOf(error)
  }
}

/** The catalogue, fetched once for the page. */
export function useCatalogue() {
  if (catalogue.value === null && catalogueFault.value === null) void loadCatalogue()
  return { catalogue, fault: catalogueFault, reload: loadCatalogue }
}

/** Whatever was thrown, as something to show. */
export function faultOf(error: unknown): TraceFault {
  if (error instanceof ApiFault) return error.fault
  const message = error instanceof Error ? error.message : String(error)
  return {
    code: 'ENGINE',
    message,
    status: null,
    retryable: false,
    retryAfterSeconds: null,
    fields: [],
    line: null,
  }
}
