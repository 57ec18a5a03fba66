import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { type RedisClient, type RedisServer, startRedis } from './redis-server.ts'

// Three Sentinels for tests, and what they watch: a master with two replicas.

/** What the Sentinels call the master. */
export const MASTER_NAME = 'coats'
const QUORUM = 2

/** One of the servers that hold data, and a client of it alone. */
interface WatchedServer {
  readonly server: RedisServer
  readonly client: RedisClient
}

export interface RedisSentinels {
  /** Where the Sentinels are. */
  readonly urls: readonly string[]
  readonly servers: readonly WatchedServer[]
  /** The master that the Sentinels name. */
  master(): Promise<WatchedServer>
  /** Has the Sentinels make a replica the master, though the old one lives. Returns when it serves. */
  failOver(): Promise<void>
  /** Starts a server again that was killed, as a replica. @returns the pid; when it is in step */
  restart(port: number): Promise<number>
  /** Kills the master. Returns when another one serves. */
  killMaster(): Promise<void>
  stop(): Promise<void>
}

export interface SentinelOptions {
  /** How many the master has. Default 2. */
  readonly replicas?: number
  /** Milliseconds without an answer after which the master is down. Default: so many that a busy machine never is. */
  readonly downAfter?: number
}

export async function startSentinels({
  replicas = 2,
  downAfter = 60_000,
}: SentinelOptions = {}): Promise<RedisSentinels> {
  const started: RedisServer[] = []
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()))
  }
  const start = async (...options: Parameters<typeof startRedis>) => {
    const server = await startRedis(...options)
    started.push(server)
    // Who becomes master or replica closes all connections.
    const client = await server.connect({ socket: { reconnectStrategy: () => 20 } })
    client.setMaxListeners(0)
    return { server, client }
  }

  try {
    const diskless = ['--repl-diskless-sync-delay', '0']
    const first = await start({ args: diskless })
    const replicaof = ['--replicaof', `127.0.0.1 ${first.server.port}`]
    const servers = [
      first,
      ...(await Promise.all(Array.from({ length: replicas }, () => start({ args: [...diskless, ...replicaof] })))),
    ]
    const config = [
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${first.server.port} ${QUORUM}`,
      // Nobody is down but by the doing of a test: a busy machine keeps a server from answering for seconds.
      `sentinel down-after-milliseconds ${MASTER_NAME} ${downAfter}`,
      `sentinel failover-timeout ${MASTER_NAME} 2000`,
    ].join('\n')
    const sentinels = await Promise.all(
      [1, 2, 3].map(() => start({ args: ['--sentinel'], config, ready: 'Sentinel ID is' })),
    )

    const ask = async ({ client }: WatchedServer, ...words: string[]) =>
      (await client.sendCommand(['SENTINEL', ...words], { typeMapping: { 37: Array } })) as unknown
    const masterNamedBy = async (sentinel: WatchedServer) => {
      const [, port] = (await ask(sentinel, 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as [string, string]
      return Number(port)
    }
    /** Waits until all Sentinels name one master, and it takes writes and has this many replicas in step. */
    const serves = async (isIt: (port: number) => boolean, replicas: number) => {
      const until = performance.now() + 30_000
      while (true) {
        const ports = await Promise.all(sentinels.map(masterNamedBy))
        const [port = 0] = ports
        const master = servers.find(({ server }) => server.port === port)
        if (new Set(ports).size === 1 && isIt(port) && master?.client.isReady) {
          const info = await master.client.info('replication')
          const inStep = info.match(/state=online/g)?.length ?? 0
          if (info.includes('role:master') && inStep >= replicas) return
        }
        assert.ok(performance.now() < until, `the Sentinels name ${ports}`)
        await pause(20)
      }
    }
    // Each knows the two others and both replicas.
    for (const sentinel of sentinels) {
      while (((await ask(sentinel, 'SENTINELS', MASTER_NAME)) as unknown[]).length < 2) await pause(20)
      while (((await ask(sentinel, 'REPLICAS', MASTER_NAME)) as unknown[]).length < replicas) await pause(20)
    }
    await serves((port) => port === first.server.port, replicas)

    const master = async () => {
      const port = await masterNamedBy(sentinels[0] as WatchedServer)
      return servers.find(({ server }) => server.port === port) ?? assert.fail(`${port} is no server of these`)
    }
    return {
      urls: sentinels.map(({ server }) => server.url),
      servers,
      master,
      async restart(port) {
        const { server } = await master()
        const args = [...diskless, '--replicaof', `127.0.0.1 ${server.port}`]
        started.push(await startRedis({ args, port }))
        await serves((named) => named === server.port, replicas)
        return started.at(-1)?.pid ?? 0
      },
      async failOver() {
        const old = (await master()).server.port
        // One that has just been done must be over.
        while (!(await ask(sentinels[0] as WatchedServer, 'FAILOVER', MASTER_NAME).catch(() => null))) await pause(50)
        await serves((port) => port !== old, 1)
      },
      async killMaster() {
        const { server, client } = await master()
        process.kill(server.pid, 'SIGKILL')
        while (client.isReady) await pause(5)
        const downAfter = (ms: number) =>
          Promise.all(sentinels.map((each) => ask(each, 'SET', MASTER_NAME, 'down-after-milliseconds', `${ms}`)))
        await downAfter(500)
        await serves((port) => port !== server.port, 1)
        await downAfter(60_000)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
