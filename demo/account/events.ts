import type { Request, Response } from 'express'
import type { SessionEvent, Sessions } from '../../src/index.ts'
import type { AccountData } from './sessions.ts'

/** What a user's list of devices changes with. */
const CHANGES = ['login', 'rotated', 'destroyed', 'revoked', 'evicted'] as const

/** Proxies close connections on which nothing comes for long. In milliseconds. */
const HEARTBEAT = 15_000

/**
 * `GET /account/events`: an event stream (Server-Sent Events) that says when the session ends, and when the list of the user's
 * devices changes. It ends with the session, and leaves nothing behind when the browser goes away.
 */
export function eventStream(accounts: Sessions<AccountData>, heartbeat = HEARTBEAT) {
  return async (req: Request, res: Response): Promise<void> => {
    const { id, userId } = accounts.of(req)
    const say = (event: string, data: object) => {
      // The end of this session is a change of the list too.
      if (!res.writableEnded) res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    }
    const stopWatching = await accounts.watch(id ?? '', ({ cause }) => {
      say('ended', { cause })
      res.end()
    })
    // The browser may have gone while the store was asked: then nothing more is heard of it.
    if (res.closed) return stopWatching()

    const changed = (event: SessionEvent) => {
      if (event.userId === userId) say('devices', {})
    }
    const beat = setInterval(() => res.write(':\n\n'), heartbeat)
    const stops = [stopWatching, () => clearInterval(beat), ...CHANGES.map((type) => accounts.on(type, changed))]
    res.on('close', () => {
      for (const stop of stops) stop()
    })
    res.writeHead(200, { 'Content-Type': 'text/event-stream' })
    // How soon the browser comes back when the connection is lost, in milliseconds.
    res.write('retry: 1000\n\n')
  }
}
