import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createSessions } from '../src/index.ts'
import { accountSessions } from './account/sessions.ts'
import { createApp, type DemoData } from './app.ts'
import { type ChosenStore, chooseStore } from './choose-store.ts'
import { DemoError } from './demo-error.ts'
import { sayFindings } from './findings.ts'
import { type DemoOptions, HELP, readOptions } from './options.ts'
import { parentGone } from './parent-gone.ts'
import { CommandRecorder } from './recorder.ts'
import { redisAddress } from './redis-address.ts'

/** A session of the demo ends this long after it began, whatever the activity. In seconds. */
const LIFETIME = 60 * 60

const say = (line: string): void => console.log(line)

/**
 * The demo from start to end. Sets the exit code of the process.
 * @param localPort where a Redis of this machine is looked for when none was named
 */
export async function run(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  localPort = 6379,
): Promise<void> {
  try {
    const options = readOptions(argv, env)
    if (options === null) say(HELP)
    else await serve(options, localPort)
  } catch (error) {
    if (!(error instanceof DemoError)) throw error
    console.error(`coatcheck demo: ${error.message}`)
    process.exitCode = 1
  }
}

interface Running {
  readonly server: Server
  /** What it has started besides. */
  readonly sessions: readonly { close(): Promise<void> }[]
}

async function serve(options: DemoOptions, localPort: number): Promise<void> {
  const { redis: asked, password } = options
  const local = redisAddress('localhost', { host: 'localhost', port: localPort, password })
  const recorder = new CommandRecorder()
  const chosen = await chooseStore({ asked, local, recorder, say })
  const running: Running[] = []
  try {
    await listen(options, chosen, recorder, running)
    // A second Ctrl-C, should the end take long, finds no listener and ends the process.
    const ends: Promise<unknown>[] = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => once(process, signal))
    await Promise.race([...ends, parentGone()])
  } finally {
    for (const { server } of running) {
      server.close()
      server.closeAllConnections()
    }
    // The connection first: then nothing waits for a Redis that may not answer.
    await chosen.close()
    await Promise.all(running.flatMap(({ sessions }) => sessions.map((each) => each.close())))
  }
}

/** Starts every instance: an app server of its own, as on another machine, with the store in common. */
async function listen(
  { port, host, instances, secure }: DemoOptions,
  chosen: ChosenStore,
  recorder: CommandRecorder,
  running: Running[],
): Promise<void> {
  const { store, name: storeName } = chosen
  const ports: number[] = []
  for (let number = 1; number <= instances; number++) {
    const sessions = createSessions<DemoData>({
      store,
      lifetime: LIFETIME * 1000,
      idleTimeout: '15s',
      // Whoever looks at the time left is to see that every action extends the session.
      touchInterval: 0,
      cookie: { secure },
    })
    if (number === 1) await sayFindings(sessions, chosen, say)
    const accounts = accountSessions(store, secure)
    const instance = { sessions, accounts, store, storeName, recorder, lifetime: LIFETIME, number, ports }
    const server = createServer(createApp(instance))
    running.push({ server, sessions: [sessions, accounts] })
    ports.push(await bind(server, port && port + number - 1, host))
  }
  const shown = host === '127.0.0.1' || host === '0.0.0.0' || host === '::' ? 'localhost' : host
  for (const [i, each] of ports.entries()) {
    say(`${i === 0 ? 'Open' : '  or'} http://${shown.includes(':') ? `[${shown}]` : shown}:${each}`)
  }
  if (instances > 1) say('They share the store: a session started on one goes on at the others.')
  say('Ctrl-C ends the demo.')
}

/** @returns the port it listens on @throws DemoError */
async function bind(server: Server, port: number, host: string): Promise<number> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'EADDRINUSE')
      throw new DemoError(`Port ${port} is in use. Choose another: npm start -- --port ${port + 1}`)
    if (code === 'EACCES') throw new DemoError(`Port ${port} may not be used by this user. Choose one above 1023.`)
    throw new DemoError(`Cannot listen on ${host}, port ${port} (${code}).`)
  }
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}
