import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slotOf } from '../../src/redis/clients/slots.ts'
import { useRedis } from './support.ts'

const redis = useRedis({ args: ['--cluster-enabled', 'yes'] })

test('the slot of a key is the one that Redis Cluster says', async () => {
  const keys = [
    '',
    'sess:abc',
    'session:{Qx}:abc',
    'sess:{}abc',
    'sess:}{abc',
    'sess:{a{b}c}',
    'sess:{tag}',
    'sess:{',
    'sess:{ä€}',
  ]
  for (const key of keys) assert.equal(slotOf(key), await redis.client.clusterKeySlot(key), JSON.stringify(key))
})
