import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type RedisCluster, startCluster } from '../support/redis-cluster.ts'
import { MASTER_NAME, type RedisSentinels, startSentinels } from '../support/redis-sentinel.ts'
import { program } from './pages.ts'
import { Sandbox } from './sandbox.ts'

/** What an application does with the stores of the page. */
const USE = `
import { createSessions } from 'coatcheck'

const stores = { onCluster, onClusterByIoredis, onSentinel, onSentinelByIoredis }
for (const [user, store] of Object.entries(stores)) {
  const sessions = createSessions<{ views: number }>({ store, storeTimeout: '20s' })
  const { token } = await sessions.create({ views: 1 }, { userId: user })
  console.log(await sessions.increment(token, 'views'), await sessions.user(user).revokeAll())
}
process.exit()
`

describe('the clients of docs/cluster.md', () => {
  const sandbox = new Sandbox()
  let cluster: RedisCluster
  let sentinels: RedisSentinels

  before(async () => {
    ;[cluster, sentinels] = await Promise.all([startCluster(), startSentinels()])
  })
  after(async () => {
    await Promise.all([cluster.stop(), sentinels.stop()])
    sandbox.remove()
  })

  test('keep sessions', async () => {
    let text = program('docs/cluster.md').replaceAll("'mymaster'", `'${MASTER_NAME}'`)
    for (const n of [1, 2]) {
      text = text.replaceAll(`redis://10.0.0.${n}:6379`, cluster.nodes[n]?.server.url ?? assert.fail())
      const port = new URL(sentinels.urls[n] ?? assert.fail()).port
      text = text.replaceAll(`host: '10.0.0.${n}', port: 26379`, `host: '127.0.0.1', port: ${port}`)
    }
    assert.ok(!text.includes('10.0.0.'), 'an address of nobody is left')
    const app = sandbox.start(sandbox.write('cluster.ts', text + USE), {})
    assert.equal(await app.ended, 0, app.stderr)
    assert.deepEqual([app.stdout, app.stderr], ['2 1\n'.repeat(4), ''])
  })
})
