import { fileURLToPath } from 'node:url'
import type { RedisClient } from '../../src/redis.ts'
import { type Child, startChild } from '../fire/child.ts'
import type { Scope } from '../support/http.ts'

const APP = fileURLToPath(new URL('./app.ts', import.meta.url))

/** What an application under chaos is told at its start. */
export interface ChaosApp {
  readonly where: 'single' | 'cluster' | 'sentinel'
  readonly client: 'node-redis' | 'ioredis'
  readonly urls: readonly string[]
  /** More options of the client. */
  readonly options?: object
  readonly prefix: string
  /** Options of `createSessions` but the store. */
  readonly sessions?: object
}

/** The client of such a process. */
export interface ChaosClient {
  /** For `redisStore`. */
  readonly client: RedisClient
  destroy(): unknown
}

/** A process of the application under chaos. */
export interface RunningApp extends Child {
  readonly port: number
}

/** Starts processes of one application, and returns when they serve. */
export function startApps(scope: Scope, settings: ChaosApp, count: number): Promise<RunningApp[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const env = { CHAOS_APP: JSON.stringify(settings) }
      const child = startChild(scope, APP, { execArgv: ['--expose-gc'], env })
      const port: number = await child.ready
      return Object.assign(child, { port })
    }),
  )
}

/** What is wrong with processes that have been through chaos: they live, and have nothing to say. */
export function complaintsOf(apps: readonly RunningApp[]): string[] {
  return apps.flatMap(({ isAlive, stderr }, i) => [
    ...(isAlive ? [] : [`process ${i} has ended`]),
    ...(/unhandled|uncaught|MaxListeners|^\s+at /im.test(stderr)
      ? [`process ${i} said: ${stderr.slice(0, 1000)}`]
      : []),
  ])
}
