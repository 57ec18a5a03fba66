import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isTag, tags } from '../../src/core/tags.ts'
import { idOfToken, newToken, partitionOfUser, tagOf } from '../../src/core/token.ts'
import { Keys } from '../../src/redis/keys.ts'
import { SLOTS, slotOf } from '../support/slots.ts'
import { useRedis } from './support.ts'

const PARTITIONS = tags.length

describe('the partitions', () => {
  const redis = useRedis({ args: ['--cluster-enabled', 'yes'] })

  it('have 256 different tags of two characters that need no escaping', () => {
    assert.equal(tags.length, 256)
    assert.equal(new Set(tags).size, 256)
    for (const tag of tags) {
      assert.match(tag, /^[A-Za-z0-9]{2}$/)
      assert.ok(isTag(tag))
    }
    for (const none of ['', 'x', 'zz', '{}', 'constructor']) assert.equal(isTag(none), false)
  })

  it('have tag p in one of the cluster slots 64p to 64p + 63', () => {
    for (const [p, tag] of tags.entries()) {
      const slot = slotOf(tag)
      assert.ok(slot >= 64 * p && slot <= 64 * p + 63, `partition ${p}: ${tag} is in slot ${slot}`)
    }
  })

  it('keep a session and all its indexes in one slot, as a server sees it', async () => {
    const keys = new Keys('session:')
    for (const [p, tag] of tags.entries()) {
      const userId = `a {user} of ${p}}`
      const ref = { id: `${tag}${'A'.repeat(22)}`, userId }
      const since = [keys.since(tag, userId), keys.since(tag, '')]
      const all = [keys.session(ref.id), ...keys.indexes(ref), ...keys.indexes({ ...ref, userId: null }), ...since]
      const slots = await Promise.all(all.map((key) => redis.client.clusterKeySlot(key)))
      assert.deepEqual(new Set(slots), new Set([slotOf(tag)]), `partition ${p}`)
    }
  })

  for (const nodes of [3, 6, 8, 16, 32]) {
    it(`spread evenly over ${nodes} nodes`, () => {
      // As redis-cli --cluster create deals out the slots.
      const perNode = SLOTS / nodes
      const counts = Array(nodes).fill(0) as number[]
      for (const tag of tags) {
        const node = Math.min(nodes - 1, Math.floor((slotOf(tag) + 0.5) / perNode))
        counts[node] = (counts[node] ?? 0) + 1
      }
      const fair = PARTITIONS / nodes
      // Of 256 partitions a node has a whole number: the fair share rounded up or down, and where it divides, the fair share.
      for (const count of counts) assert.ok(Math.abs(count - fair) < 1, `${count} of ${fair}: ${counts}`)
      const busiest = Math.max(...counts) / fair - 1
      assert.ok(busiest <= (PARTITIONS % nodes ? 1 / fair : 0) && busiest < 0.01, `${busiest * 100} % over`)
    })
  }

  it('are as random as the tokens of sessions without a user, and one for all of a user', () => {
    const counts = new Map<string, number>()
    for (let i = 0; i < 25_600; i++) {
      const tag = tagOf(idOfToken(newToken()))
      counts.set(tag, (counts.get(tag) ?? 0) + 1)
    }
    assert.equal(counts.size, 256)
    // 100 each, give or take: six standard deviations.
    for (const [tag, count] of counts) assert.ok(count > 40 && count < 160, `${tag}: ${count}`)
    const p = partitionOfUser('ada')
    for (let i = 0; i < 20; i++) assert.equal(tagOf(idOfToken(newToken('ada'))), tags[p])
  })
})
