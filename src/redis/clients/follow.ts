import { setTimeout as pause } from 'node:timers/promises'
import type { Subscription } from '../../core/store.ts'
import { NotSentError, ReplyError, storeError } from '../errors.ts'
import { ignored, type RedisConnection } from './connection.ts'
import type { Servers } from './routed.ts'

/** Milliseconds until the next server is tried. */
const TRY_AGAIN = 50

/**
 * Listens at one of several servers, which all hear what is told to one of them, and at another one when the connection to that
 * is lost. A server that refuses (no right to subscribe) is not asked again.
 * @param listen begins to listen at a server; `lost` is told of the end of its connection
 * @param missed called when somebody listens again after that
 */
export function follow(
  servers: Servers,
  listen: (server: RedisConnection, lost: () => void) => Subscription,
  missed: () => void,
): Subscription {
  const stopped = new AbortController()
  let current: Subscription | undefined
  let stop: (reason: Error) => void = ignored
  const end = (reason: Error = new NotSentError('Nobody listens any more')) => {
    stopped.abort()
    current?.end()
    stop(storeError(reason))
  }

  const ready = new Promise<void>((resolve, reject) => {
    stop = reject
    let listens = () => {
      listens = missed
      resolve()
    }
    const listenSomewhere = async () => {
      while (!stopped.signal.aborted) {
        if (servers.isClosed) return end(new NotSentError('The client is closed'))
        try {
          if (await listensAtOne()) return listens()
        } catch (error) {
          if (error instanceof ReplyError) return end(error)
        }
        await pause(TRY_AGAIN, undefined, { signal: stopped.signal }).catch(ignored)
      }
    }
    const listensAtOne = async () => {
      const server = servers.of()
      if (server === null) return false
      let listening = false
      const here = listen(server, () => {
        if (current !== here) return
        current = undefined
        here.end()
        if (listening) void listenSomewhere()
      })
      current = here
      await here.ready
      listening = current === here
      return listening
    }
    void listenSomewhere()
  })
  return { ready, end }
}
