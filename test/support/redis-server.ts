import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { createClient, type RedisClientOptions } from 'redis'
import { findRedisServer } from '../../scripts/programs.mjs'

// Real Redis servers for tests: each a process of its own, on a free loopback port, with nothing left on disk.

export type RedisClient = ReturnType<typeof createClient>

export interface RedisServer {
  readonly port: number
  readonly url: string
  /** The server's own process, for tests that freeze or kill it. */
  readonly pid: number
  /** What the clients of `connect()` have reported. */
  readonly errors: Error[]
  /** A connected node-redis client, closed by `stop()`. */
  connect(options?: RedisClientOptions): Promise<RedisClient>
  /** Everything the server holds, as {@link dump} reads it. */
  dump(): Promise<Record<string, unknown>>
  /** Closes the clients and ends the server, frozen or not; returns when the process is gone. */
  stop(): Promise<void>
}

export interface StartOptions {
  /** More arguments for the server, such as `['--maxmemory', '10mb']`. */
  args?: readonly string[]
  /** A fixed port, to start a server again where one has been. */
  port?: number
  /** A folder for what the server persists, which outlives it. Default: one that goes with it. */
  dir?: string
  /** What stands in a configuration file of the server's own, which a Sentinel cannot do without. */
  config?: string
  /** What the server says once it accepts connections, if it is not what most say. */
  ready?: string
}

const READY = 'Ready to accept connections'

// The shell tells the server's pid and then waits for the end of its standard input, a pipe from this process. The
// pipe closes however this process ends, SIGKILL included: no server outlives its tests. Signals to the whole process
// group (Ctrl-C) leave it to do so.
const GUARD = `
trap '' INT TERM HUP
dir=$KEEP_IN
[ -n "$dir" ] || dir=$(mktemp -d)
if [ -n "$CONFIG" ]; then
  printf '%s\\n' "$CONFIG" > "$dir/server.conf"
  program=$1
  shift
  set -- "$program" "$dir/server.conf" "$@"
fi
"$@" --dir "$dir" </dev/null 2>&1 &
echo "$!"
exec >/dev/null
cat
kill -KILL "$!"
wait "$!"
[ -n "$KEEP_IN" ] || rm -rf "$dir"
`

/** Starts a server and returns when it accepts connections. The program is `REDIS_SERVER`, or else found in the PATH. */
export async function startRedis(options: StartOptions = {}): Promise<RedisServer> {
  // A free port may be gone before the server binds it: another test file has had the same idea.
  for (let attempts = options.port === undefined ? 5 : 1; ; attempts--) {
    try {
      return await launch(options.port ?? (await freePort()), options)
    } catch (error) {
      if (attempts === 1) throw error
    }
  }
}

async function launch(
  port: number,
  { args = [], dir = '', config = '', ready = READY }: StartOptions,
): Promise<RedisServer> {
  const options = ['--bind', '127.0.0.1', '--port', `${port}`, '--save', '', '--appendonly', 'no', ...args]
  const guard = spawn('/bin/sh', ['-c', GUARD, 'sh', redisBinary(), ...options], {
    env: { ...process.env, KEEP_IN: dir, CONFIG: config },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const exited = once(guard, 'exit')

  const [pid, ...log] = await linesUntil(guard.stdout, ready)
  if (!log.at(-1)?.includes(ready)) {
    guard.stdin.end()
    await exited
    throw new Error(`${redisBinary()} did not start on port ${port}:\n${log.join('\n')}`)
  }
  guard.stdout.resume()

  // A test that forgets to stop its server should fail for its own reasons, not hang.
  const handles = [guard, guard.stdin as Socket, guard.stdout as Socket]
  for (const handle of handles) handle.unref()

  const url = `redis://127.0.0.1:${port}`
  const clients: RedisClient[] = []
  const errors: Error[] = []
  const connect = async (options: RedisClientOptions = {}) => {
    const client: RedisClient = createClient({ url, ...options } as object)
    clients.push(client.on('error', (error) => errors.push(error)))
    await client.connect()
    return client
  }

  return {
    port,
    url,
    pid: Number(pid),
    errors,
    connect,
    async dump() {
      const client = await connect()
      try {
        return await dump(client)
      } finally {
        client.destroy()
      }
    },
    async stop() {
      for (const client of clients) if (client.isOpen) client.destroy()
      for (const handle of handles) handle.ref()
      guard.stdin.end()
      await exited
    },
  }
}

async function linesUntil(stream: NodeJS.ReadableStream, wanted: string): Promise<string[]> {
  const lines: string[] = []
  for await (const line of createInterface(stream)) {
    lines.push(line)
    if (line.includes(wanted)) break
  }
  return lines
}

let binary: string | undefined

function redisBinary(): string {
  binary ??= findRedisServer()
  if (binary === undefined) throw new Error('No redis-server or valkey-server: see CONTRIBUTING.md')
  return binary
}

/** A loopback port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : assert.fail('no port')
}

/** Every key with everything it holds: strings, hashes as objects, sorted sets as members with scores. */
export async function dump(client: RedisClient): Promise<Record<string, unknown>> {
  const entries: [string, unknown][] = []
  for (const key of await allKeys(client)) entries.push([key, await contentOf(client, key)])
  return Object.fromEntries(entries)
}

async function contentOf(client: RedisClient, key: string): Promise<unknown> {
  const type = await client.type(key)
  switch (type) {
    case 'string':
      return client.get(key)
    case 'zset':
      return client.zRangeWithScores(key, 0, -1)
    case 'hash': {
      // Not hGetAll, which drops a field named __proto__.
      const [fields, values] = await client.multi().hKeys(key).hVals(key).exec<'typed'>()
      return Object.fromEntries(fields.map((field, i) => [field, values[i]]))
    }
    case 'none': // It expired meanwhile.
      return null
    default:
      throw new Error(`${key} is a ${type}, which the harness cannot read`)
  }
}

async function allKeys(client: RedisClient): Promise<string[]> {
  const keys = new Set<string>()
  for await (const batch of client.scanIterator({ COUNT: 1000 })) for (const key of batch) keys.add(key)
  return [...keys]
}

/** No key lives for ever (promise P5). Returns how many keys were looked at. */
export async function assertEveryKeyExpires(client: RedisClient): Promise<number> {
  const keys = await allKeys(client)
  const times = await Promise.all(keys.map((key) => client.pTTL(key)))
  assert.deepEqual(
    keys.filter((_, i) => times[i] === -1),
    [],
    'keys without a TTL',
  )
  return keys.length
}

/** No key and no value holds one of these tokens (promise P6). */
export async function assertNoToken(client: RedisClient, tokens: Iterable<string>): Promise<void> {
  const list = [...tokens]
  assert.ok(list.length > 0, 'assertNoToken was given no tokens: it would prove nothing')
  for (const [key, value] of Object.entries(await dump(client))) {
    const text = `${key} ${JSON.stringify(value)}`
    for (const token of list) assert.ok(!text.includes(token), `${key} holds a token`)
  }
}
