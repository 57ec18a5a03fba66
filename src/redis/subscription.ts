import type { StoreEvent, Subscription } from '../core/store.ts'
import type { RedisConnection } from './clients/connection.ts'

/**
 * Listens to what processes tell each other of sessions, over a connection of its own (a subscribed one can do nothing else).
 * @param missed called when the connection is back after it was lost: nobody repeats what was told meanwhile
 */
export function subscribe(
  connection: RedisConnection,
  channel: string,
  listener: (event: StoreEvent) => void,
  missed: () => void,
): Subscription {
  const hear = (message: string) => {
    const event = parseEvent(message)
    if (event !== null) listener(event)
  }
  return connection.subscribe(channel, hear, missed)
}

/** A message as an event, or `null` for what is none: anybody with the right to publish may say anything. */
function parseEvent(message: string): StoreEvent | null {
  let told: Partial<Record<keyof StoreEvent, unknown>>
  try {
    told = JSON.parse(message)
  } catch {
    return null
  }
  const { from, type, cause, actor = null, id, userId = null, previous = null, at } = told ?? {}
  const areTexts = [from, type, cause, id].every((value) => typeof value === 'string')
  const mayBeTexts = [actor, userId, previous].every((value) => value === null || typeof value === 'string')
  if (!areTexts || !mayBeTexts || typeof at !== 'number') return null
  return { from, type, cause, actor, id, userId, previous, at } as StoreEvent
}
