import { StoreError } from '../../core/errors.ts'
import type { Subscription } from '../../core/store.ts'
import { ReplyError, storeError } from '../errors.ts'
import { ignored } from './connection.ts'
import type { NodeRedisSubscriber } from './node-redis.ts'

/**
 * Listens to a channel over a connection of its own, which comes back by itself when it is lost. A server that refuses (no
 * right to subscribe) is not asked again.
 */
export function listenOn(
  subscriber: NodeRedisSubscriber,
  channel: string,
  listener: (message: string) => void,
  missed: () => void,
  lost: () => void = ignored,
): Subscription {
  let ended = false
  // node-redis 5 forgets a socket that is destroyed just when it connects, and leaves it open: the attempt has to end first.
  let connecting = true
  const close = () => {
    if (ended && !connecting && subscriber.isOpen) subscriber.destroy()
  }
  const attempted = () => {
    connecting = false
    close()
  }
  // Its errors are those of the client that it is a copy of, which somebody listens to.
  subscriber.on('error', () => {
    attempted()
    lost()
  })
  subscriber.on('connect', attempted)
  subscriber.on('reconnecting', () => {
    connecting = true
  })

  let stop: (reason: Error) => void = () => {}
  const end = (reason = new StoreError('ERR_STORE_UNAVAILABLE', 'Nobody listens any more.', 'none')) => {
    ended = true
    close()
    stop(reason)
  }
  const ready = new Promise<void>((resolve, reject) => {
    stop = reject
    subscribe(subscriber, channel, listener).then(
      () => {
        subscriber.on('ready', missed)
        resolve()
      },
      (error: unknown) => {
        connecting = false
        end(storeError(error))
      },
    )
  })
  return { ready, end }
}

async function subscribe(
  subscriber: NodeRedisSubscriber,
  channel: string,
  listener: (message: string) => void,
): Promise<void> {
  await subscriber.connect()
  while (true) {
    try {
      await subscriber.subscribe(channel, listener)
      return
    } catch (error) {
      if (storeError(error) instanceof ReplyError || !subscriber.isOpen) throw error
      // The connection was lost again at once.
      await new Promise((resolve) => subscriber.once('ready', resolve))
    }
  }
}
