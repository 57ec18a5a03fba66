import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { after, before } from 'node:test'
import { eventually } from '../support/http.ts'
import { type RedisClient, type RedisServer, type StartOptions, startRedis } from '../support/redis-server.ts'

/** A server for the tests of one `describe`, and a client of it for looking at what is there. */
export function useRedis(options?: StartOptions): { readonly server: RedisServer; readonly client: RedisClient } {
  let server: RedisServer | undefined
  let client: RedisClient | undefined
  before(async () => {
    server = await startRedis(options)
    client = await server.connect()
    // Every test has a store of its own on it.
    client.setMaxListeners(0)
  })
  after(() => server?.stop())
  const started = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('The server starts before the first test.')
    return value
  }
  return {
    get server() {
      return started(server)
    },
    get client() {
      return started(client)
    },
  }
}

export function newPrefix(): string {
  return `${randomUUID()}:`
}

/** The keys of the session with this id, spelt out. */
export function keysOf(prefix: string, id: string, userId: string | null = null) {
  const key = (rest: string) => `${prefix}{${id.slice(0, 2)}}:${rest}`
  const [guests, members, seen] = [key('guests'), key('members'), key('seen')]
  const ofUser = userId === null ? [] : [key(`user:${userId}`), key('users')]
  return {
    session: key(id.slice(2)),
    guests,
    members,
    seen,
    /** In the order in which scripts get them. */
    indexes: userId === null ? [guests, members, seen] : [members, guests, seen, ...ofUser],
    /** What a login looks at, likewise. */
    since: userId === null ? [] : [key(`since:${userId}`), key('since:')],
  }
}

type Warning = Error & { code?: string }

/** What `process.emitWarning` says while something runs, and after it until `areAll` is true: some warnings are loaded first. */
export async function warningsOf(
  run: () => Promise<void>,
  areAll: (warnings: readonly Warning[]) => boolean = () => true,
): Promise<Warning[]> {
  const warnings: Warning[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  try {
    await run()
    await eventually(() => areAll(warnings))
    await new Promise(setImmediate)
  } finally {
    process.off('warning', listen)
  }
  return warnings
}

/** What clients send to a server, as the server sees it. */
export interface Monitor {
  /** The commands since the last call, without those that scripts run. */
  sent(): Promise<string[][]>
  stop(): void
}

export async function monitor({ port }: RedisServer, observer: RedisClient): Promise<Monitor> {
  const socket = connect(port, '127.0.0.1')
  const lines: string[] = []
  let arrived = () => {}
  createInterface(socket).on('line', (line) => {
    lines.push(line)
    arrived()
  })
  await once(socket, 'connect')
  socket.write('MONITOR\r\n')

  const until = async (text: string) => {
    while (!lines.some((line) => line.includes(text))) {
      await new Promise<void>((resolve) => {
        arrived = resolve
      })
    }
  }
  await until('+OK')
  lines.length = 0
  return {
    async sent() {
      const fence = randomUUID()
      await observer.echo(fence)
      await until(fence)
      const commands = lines.splice(0).filter((line) => !line.includes(fence) && !/^\S+ \[\d+ lua\]/.test(line))
      return commands.map(wordsOf)
    },
    stop: () => socket.destroy(),
  }
}

/** `+1700000000.000000 [0 127.0.0.1:5000] "GET" "key"` */
function wordsOf(line: string): string[] {
  const words = line.slice(line.indexOf('] "') + 3, -1).split('" "')
  return words.map((word) => {
    const text = word.replace(/\\x([0-9a-f]{2})/g, '\\u00$1')
    // Valkey 8 leaves quotes within a word as they are.
    return JSON.parse(`"${text.replace(/(?<!\\)"/g, '\\"')}"`) as string
  })
}
