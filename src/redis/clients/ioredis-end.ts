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
 */
export function onEnd(client: Client, ended: () => void): void {
  let cutShort = false
  client.on('error', (error: Error | undefined) => {
    cutShort = error?.message === CUT_SHORT
  })
  const elsewise = () => {
    cutShort = false
  }
  client.on('connecting', elsewise)
  client.on('close', elsewise)
  client.on('end', () => {
    if (client.options.sentinels != null && cutShort)
      client.connect().catch(ignored) // guard: ended by a failover
    else ended()
  })
}
