import type { Adapter } from '../adapter-contract.ts'
import { express4, express5, expressAdapter } from '../express/versions.ts'
import { fastifyAdapter } from '../fastify/adapter.ts'
import { fetchAdapter } from '../fetch/adapter.ts'
import { honoAdapter } from '../hono/adapter.ts'
import { http2Adapter } from '../node/http2.ts'
import { nodeAdapter } from '../node/servers.ts'

/** The adapters that a run is about where what they share is tested: one of them, or in the long form each. */
export function adaptersToTry(): readonly Adapter[] {
  const first = expressAdapter(express5)
  if (process.env.EVERY_CLIENT === undefined) return [first]
  return [first, expressAdapter(express4), fastifyAdapter, honoAdapter, fetchAdapter, nodeAdapter, http2Adapter]
}
