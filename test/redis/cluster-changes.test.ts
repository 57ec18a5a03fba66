import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { newToken } from '../../src/core/token.ts'
import { createSessions, type Sessions, type SessionsOptions, StoreError } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { eventually } from '../support/http.ts'
import { type ClusterNode, type RedisCluster, startCluster } from '../support/redis-cluster.ts'
import { assertConsistent } from './consistency.ts'
import { assertCountedOnce } from './counted-once.ts'
import { CLUSTER_CLIENTS, clientsToTry, type NewManyClient } from './many-clients.ts'
import { keysOf, newPrefix } from './support.ts'

interface Data {
  views: number
}

// What a store does while the servers of a cluster come and go, and hand slots to each other.

for (const [name, newClient] of clientsToTry(CLUSTER_CLIENTS)) {
  describe(`with a cluster and ${name}, a session`, { timeout: 120_000 }, () => {
    let cluster: RedisCluster
    before(async () => {
      cluster = await startCluster()
    })
    after(() => cluster.stop())

    it('is followed to another server at each step of its move, and counts each increment once', async (t) => {
      const { sessions, prefix, masterOf } = await open(t, cluster, newClient)
      const { token, id } = await sessions.create({ views: 0 }, { userId: 'ada' })
      const key = keysOf(prefix, id, 'ada').session
      const { node: from, slot } = await masterOf(id)
      const to = (await cluster.masters()).find((node) => node !== from) ?? assert.fail()
      const move = cluster.move(slot, from, to)

      await move.begin()
      assert.deepEqual((await sessions.load(token))?.data, { views: 0 })
      await move.keys([key])
      // The new server answers only who asks it to.
      assert.deepEqual((await sessions.peek(token))?.data, { views: 0 })
      // Some of its keys are here and some there: it has to wait for the others.
      const increments = Promise.all([1, 2, 3].map(() => sessions.increment(token, 'views')))
      await assertStaysPending(increments)
      await move.keys()
      await move.end()
      assert.deepEqual((await increments).sort(), [1, 2, 3])
      assert.deepEqual((await sessions.load(token))?.data, { views: 3 })
      assert.equal((await sessions.user('ada').list()).length, 1)
      assert.equal(await sessions.user('ada').revokeAll(), 1)
      for (const { client } of await cluster.masters()) await assertConsistent(client, prefix)
    })

    it('whose slot does not settle fails at its deadline, with nothing done, and says why', async (t) => {
      const { sessions, prefix, masterOf } = await open(t, cluster, newClient, { storeTimeout: 200 })
      const { token, id } = await sessions.create({ views: 0 })
      const { node: from, slot } = await masterOf(id)
      const to = (await cluster.masters()).find((node) => node !== from) ?? assert.fail()
      const move = cluster.move(slot, from, to)
      const refused = { code: 'ERR_STORE_UNAVAILABLE', outcome: 'none', message: /TRYAGAIN/ }
      const inFlight = { code: 'ERR_STORE_TIMEOUT', outcome: 'unknown' }
      await move.begin()
      try {
        await move.keys([keysOf(prefix, id).session])
        // A deadline that passes just while the answer to another attempt is on its way leaves its fate unknown.
        await eventually(async () => {
          const failure = typed(await sessions.increment(token, 'views').catch((error) => error))
          await assert.rejects(Promise.reject(failure), failure.code === inFlight.code ? inFlight : refused)
          return failure.code === refused.code
        })
      } finally {
        await move.keys()
        await move.end()
      }
      await eventually(async () => (await sessions.increment(token, 'views').catch(typed)) === 1)
    })

    it('is read from its master only, also where the client would read from replicas or a cache', async (t) => {
      const options = {
        ...{ useReplicas: true, clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' } },
        scaleReads: 'all',
        // What a cache needs of node-redis 5.
        RESP: 3,
      }
      const far = await open(t, cluster, newClient, {}, options)
      const near = far.also()
      const readsOf = async ({ client }: ClusterNode) =>
        Number(/cmdstat_hgetall:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)
      const masters = await cluster.masters()
      const replicas = cluster.nodes.filter((node) => !masters.includes(node))
      const before = await Promise.all(replicas.map(readsOf))
      for (let i = 0; i < 20; i++) {
        const { token } = await far.sessions.create({ views: i })
        assert.deepEqual((await far.sessions.load(token))?.data, { views: i })
        await near.increment(token, 'views')
        assert.deepEqual((await far.sessions.load(token))?.data, { views: i + 1 })
        await near.destroy(token)
        assert.equal(await far.sessions.load(token), null)
      }
      assert.deepEqual(await Promise.all(replicas.map(readsOf)), before)
    })

    it('whose connection is killed again and again counts no increment twice', async (t) => {
      const { sessions, masterOf } = await open(t, cluster, newClient)
      const { token, id } = await sessions.create({ views: 0 })
      const { node } = await masterOf(id)
      await assertCountedOnce(sessions, token, () =>
        node.client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']),
      )
    })

    it('on a server that freezes fails at its deadline with its fate unknown, and those on others do not', async (t) => {
      const { sessions, masterOf } = await open(t, cluster, newClient, { storeTimeout: 400 })
      const { token, id } = await sessions.create({ views: 0 })
      const { node } = await masterOf(id)
      process.kill(node.server.pid, 'SIGSTOP')
      try {
        const failing = assert.rejects(sessions.increment(token, 'views'), {
          code: 'ERR_STORE_TIMEOUT',
          outcome: 'unknown',
        })
        const others = await Promise.allSettled(Array.from({ length: 40 }, () => sessions.load(newToken())))
        const answered = others.filter(({ status }) => status === 'fulfilled').length
        assert.ok(answered > 10 && answered < 40, `${answered} of 40`)
        await failing
      } finally {
        process.kill(node.server.pid, 'SIGCONT')
      }
      await eventually(async () => (await sessions.load(token).catch(typed)) !== null)
    })

    it('on a server that dies fails in time with nothing done, is heard of elsewhere, and lives on at the replica', async (t) => {
      const { sessions, also, prefix, masterOf } = await open(t, cluster, newClient, { storeTimeout: 400 })
      const others = also()
      const heard: string[] = []
      others.on('created', ({ id }) => heard.push(String(id)))
      // The subscriber is somewhere from now on.
      await eventually(async () => {
        const { id } = await sessions.create()
        await pause(20)
        return heard.includes(id)
      })
      const subscriber = await subscribedTo(cluster)
      const { token, id } = await createOn(sessions, subscriber, masterOf)
      await sessions.increment(token, 'views')
      const replica = await replicaOf(cluster, subscriber)
      await replica.client.sendCommand(['READONLY'])
      await eventually(async () => (await replica.client.hGet(keysOf(prefix, id).session, 'views')) === '1')

      process.kill(subscriber.server.pid, 'SIGKILL')
      await eventually(() => !subscriber.client.isReady)
      // Once the client has noticed, nothing is sent any more.
      await eventually(async () => typed(await sessions.load(token).catch((error) => error)).outcome === 'none')
      await assert.rejects(sessions.increment(token, 'views'), {
        code: 'ERR_STORE_UNAVAILABLE',
        outcome: 'none',
        message: 'The server of Redis that holds the session cannot be reached. The command was not sent.',
      })
      // Elsewhere it has been done: to say that nothing was would be wrong.
      await assert.rejects(sessions.revokeEveryone(), { code: 'ERR_STORE_UNAVAILABLE', outcome: 'unknown' })
      await cluster.takeOver(replica)
      await eventually(async () => (await sessions.increment(token, 'views').catch(typed)) === 2)
      await eventually(async () => {
        const { id } = await sessions.create()
        await pause(20)
        return heard.includes(id)
      })
      assert.equal(await sessions.count(), await others.count())
    })

    it('leaves no connection behind when the client is closed while it looks for the servers', async (t) => {
      const before = await connectionsOf(cluster)
      const { sessions, client, destroy } = await open(t, cluster, newClient)
      await sessions.create()
      assert.ok((await connectionsOf(cluster)) > before)
      const looks = lookForServers(client)
      destroy()
      await Promise.allSettled([looks])
      await eventually(async () => (await connectionsOf(cluster)) === before)
      await sessions.close()
    })

    it('that nobody knows of costs no trace: a store closes, and its client with it', async (t) => {
      const { sessions, client } = await open(t, cluster, newClient)
      const listeners = () => client.eventNames().map((event) => client.listenerCount(event))
      await sessions.create()
      const before = listeners()
      for (let i = 0; i < 20; i++) await redisStore(client as never).close()
      assert.deepEqual(listeners(), before)
      await sessions.close()
    })
  })
}

interface ClusterClient {
  eventNames(): (string | symbol)[]
  listenerCount(event: string | symbol): number
}

interface Opened {
  readonly sessions: Sessions<Data>
  readonly prefix: string
  /** What `redisStore` was given. */
  readonly client: ClusterClient
  /** Closes it. */
  destroy(): unknown
  /** The same sessions on the same client, as another process sees them. */
  also(): Sessions<Data>
  /** Where a session is. */
  masterOf(id: string): Promise<{ node: ClusterNode; slot: number }>
}

/** Sessions on a client of their own, until the test is over. */
async function open(
  t: TestContext,
  cluster: RedisCluster,
  newClient: NewManyClient,
  options: Omit<SessionsOptions, 'store' | 'schema'> = {},
  clientOptions?: object,
): Promise<Opened> {
  const living = cluster.nodes.filter(({ client }) => client.isReady)
  const made = newClient(
    living.map(({ server }) => server.url),
    clientOptions,
  )
  let isDestroyed = false
  const destroy = () => {
    if (!isDestroyed) made.destroy()
    isDestroyed = true
  }
  t.after(destroy)
  await made.connect()
  const prefix = newPrefix()
  const also = () => {
    const sessions = createSessions<Data>({
      store: redisStore(made.client, { prefix }),
      storeTimeout: '20s',
      ...options,
    })
    t.after(() => sessions.close())
    return sessions
  }
  const masterOf = async (id: string) => {
    const [{ client }] = living as [ClusterNode]
    const slot = await client.clusterKeySlot(keysOf(prefix, id).session)
    return { slot, node: await cluster.masterOf(slot) }
  }
  return { sessions: also(), also, prefix, masterOf, client: made.client as never, destroy }
}

/** Has the client ask the servers which of them holds what, as it does by itself when they say that this has changed. */
async function lookForServers(client: object): Promise<unknown> {
  const looking = client as {
    masters?: { client: unknown }[]
    _slots?: { rediscover(startWith: unknown): Promise<unknown> }
    refreshSlotsCache?(done: (error?: unknown) => void): void
  }
  if (looking._slots) return looking._slots.rediscover(looking.masters?.[0]?.client)
  return new Promise((resolve) => looking.refreshSlotsCache?.(resolve))
}

async function connectionsOf({ nodes }: RedisCluster): Promise<number> {
  const living = nodes.filter(({ client }) => client.isReady)
  const infos = await Promise.all(living.map(({ client }) => client.info('clients')))
  return infos.reduce((sum, info) => sum + Number(/connected_clients:(\d+)/.exec(info)?.[1]), 0)
}

/** A session on this server. */
async function createOn(sessions: Sessions<Data>, server: ClusterNode, masterOf: Opened['masterOf']) {
  while (true) {
    const created = await sessions.create({ views: 0 })
    if ((await masterOf(created.id)).node === server) return created
  }
}

/** The server that somebody listens at. */
async function subscribedTo({ nodes }: RedisCluster): Promise<ClusterNode> {
  for (const node of nodes) {
    if (!node.client.isReady) continue
    if (String(await node.client.sendCommand(['CLIENT', 'LIST', 'TYPE', 'pubsub'])).includes('cmd=')) return node
  }
  return assert.fail('nobody listens')
}

async function replicaOf(cluster: RedisCluster, master: ClusterNode): Promise<ClusterNode> {
  for (const node of cluster.nodes) {
    const info = node.client.isReady ? await node.client.info('replication') : ''
    if (info.includes('role:slave') && info.includes(`master_port:${master.server.port}`)) return node
  }
  return assert.fail('it has no replica')
}

async function assertStaysPending(promise: Promise<unknown>): Promise<void> {
  assert.equal(await Promise.race([promise, pause(150, 'pending')]), 'pending')
}

function typed(error: unknown): StoreError {
  assert.ok(error instanceof StoreError, String(error))
  return error
}
