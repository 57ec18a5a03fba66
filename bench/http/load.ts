import { type EventEmitter, once } from 'node:events'
import autocannon from 'autocannon'
import type { Operation } from './variants.ts'

/** How many connections send requests, each the next one when the last is answered. */
export const CONNECTIONS = 64

const REQUESTS = {
  read: { method: 'GET', path: '/page' },
  visitor: { method: 'GET', path: '/page' },
  write: { method: 'POST', path: '/write' },
  login: { method: 'POST', path: '/login' },
  logout: { method: 'POST', path: '/logout' },
} as const

/** Requests under way. */
export interface Load {
  /** How many have been answered so far. */
  readonly answered: number
  /** The cookies that answers have set: name and value. */
  readonly cookies: readonly string[]
  /** What went wrong, if anything did: then nothing of it counts. */
  readonly fault: string | null
  /** Resolves when as many requests have been answered as were asked for. */
  readonly done: Promise<void>
  stop(): Promise<void>
}

/**
 * Sends requests of one kind, each connection with cookies of its own in turn.
 * @param amount how many in all; none given: until it is stopped
 */
export function load(port: number, operation: Operation, cookies: readonly string[], amount?: number): Load {
  const { method, path } = REQUESTS[operation]
  const state = { answered: 0, cookies: [] as string[], fault: null as string | null }
  let allAnswered: () => void
  const done = new Promise<void>((resolve) => {
    allAnswered = resolve
  })
  const note = (fault: string) => {
    state.fault ??= fault
  }
  let connection = 0
  const options: autocannon.Options & { sampleInt: number } = {
    url: `http://127.0.0.1:${port}`,
    connections: CONNECTIONS,
    // How often it looks whether it is to stop.
    sampleInt: 20,
    ...(amount === undefined ? { duration: 3600 } : { amount }),
    setupClient(client) {
      const own = cookies.filter((_, i) => i % CONNECTIONS === connection)
      connection++
      const lines = own.length > 0 ? own.map((cookie) => ({ Cookie: cookie })) : [{}]
      client.setRequests(lines.map((headers) => ({ method, path, headers })))
      client.on('headers', ({ headers }) => {
        const at = (headers as unknown as string[]).findIndex((word) => word.toLowerCase() === 'set-cookie')
        const [cookie] = at === -1 ? [] : ((headers as unknown as string[])[at + 1] as string).split(';')
        if (cookie !== undefined) state.cookies.push(cookie)
      })
      client.on('response', (status) => {
        if (++state.answered === amount) allAnswered()
        if (status < 200 || status > 299) note(`an answer with the status ${status}`)
      })
    },
  }
  // With a callback it gives no promise, but what its types call one.
  const instance = autocannon(options, ignored) as unknown as EventEmitter & { stop(): void }
  instance.on('reqError', (error: Error) => note(error.message))
  const ended = once(instance, 'done')
  return {
    get answered() {
      return state.answered
    },
    cookies: state.cookies,
    get fault() {
      return state.fault
    },
    done,
    async stop() {
      instance.stop()
      await ended
    },
  }
}

function ignored(): void {}
