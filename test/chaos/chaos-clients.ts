import { CLIENTS } from '../redis/clients.ts'
import { CLUSTER_CLIENTS, type ManyClient, SENTINEL_CLIENTS } from '../redis/many-clients.ts'
import type { ChaosApp } from './apps.ts'

/** The client that an application under chaos is to have. */
export function newClient({ where, client, urls }: ChaosApp): ManyClient {
  const make = {
    single: ([url = '']: readonly string[]) => CLIENTS[client]?.(url),
    cluster: (urls: readonly string[]) => CLUSTER_CLIENTS[client]?.(urls),
    sentinel: (urls: readonly string[]) => SENTINEL_CLIENTS[client]?.(urls),
  }[where]
  const made = make(urls)
  if (made === undefined) throw new Error(`There is no client ${client} for ${where}`)
  return made
}
