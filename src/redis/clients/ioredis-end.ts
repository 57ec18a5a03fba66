import { ignored, type Listener } from './connection.ts'

interface Client {
  readonly options: { readonly sentinels?: unknown }
  connect(): Promise<unknown>
  on(event: string, listener: Listener): unknown
}

/** What ioredis says when it gives up an attempt to connect that was cut short; not where the application has closed the client. */
const CUT_SHORT = 'Connection is closed.'

/**
 * Calls `ended` when an ioredis client has ended for good. One that asks Sentinels ends by itself too, and never comes back,
 * when it hears of a failover from them just while it asks them for the master: it means to break off its connection, and breaks
 * off the attempt. Such a one connects again.
 * @param trouble what the client last reported
 */
export function onEnd(client: Client, trouble: () => Error | null, ended: () => void): void {
  let lost = false
  client.on('connecting', () => {
    lost = false
  })
  // Before it gives up, or the application has it end; an attempt that is broken off has nothing to lose.
  client.on('close', () => {
    lost = true
  })
  client.on('end', () => {
    const cutShort = client.options.sentinels != null && !lost && trouble()?.message === CUT_SHORT
    if (!cutShort) ended()
    if (cutShort) client.connect().catch(ignored) // guard: ended by a failover
  })
}
