import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { CoatcheckStore } from '../../src/express-session.ts'
import { assertConsistent } from '../redis/consistency.ts'
import { newPrefix, useRedis } from '../redis/support.ts'
import { barrier } from '../support/http.ts'
import { openApp, sidOf } from './apps.ts'
import { ENDED, plain, read } from './support.ts'

describe('the store on ioredis', () => {
  const redis = useRedis()

  it('serves an application as on node-redis', async (t) => {
    const prefix = newPrefix()
    const client = new Redis(redis.server.url, { autoResendUnfulfilledCommands: false })
    t.after(() => client.disconnect())
    const store = new CoatcheckStore({ client, prefix })
    let both = async () => {}
    const { visitor, errors } = await openApp(
      t,
      store,
      (app) => {
        app.post('/set/:property/:value', async (req, res) => {
          await both()
          req.session[req.params.property] = req.params.value
          res.end()
        })
        app.post('/logout', (req, res, next) => req.session.destroy((error) => (error ? next(error) : res.end())))
      },
      { cookie: { maxAge: 600_000 } },
    )
    const one = visitor()
    await one.post('/set/roles/a')
    for (let i = 0; i < 50; i++) {
      both = barrier(2)
      await Promise.all([one.post(`/set/left/${i}`), one.post(`/set/right/${i}`)])
      const { left, right, roles } = await read(store, sidOf(one))
      assert.deepEqual({ left, right, roles }, { left: String(i), right: String(i), roles: 'a' })
    }
    const sid = sidOf(one)
    assert.equal(await store.length(), 1)
    assert.equal((await store.all())[0]?.roles, 'a')
    await one.post('/logout')
    assert.equal(await store.get(sid), null)
    await assert.rejects(store.set(sid, plain()), ENDED)
    await store.set('brief', plain({}, { expires: new Date(Date.now() + 600_000) }))
    await store.clear()
    assert.deepEqual(await store.ids(), [])
    assert.deepEqual(errors, [])
    await assertConsistent(redis.client, prefix, { monitoring: false })
  })

  it('refuses a client that sends commands twice', () => {
    const client = new Redis(redis.server.url, { lazyConnect: true })
    assert.throws(() => new CoatcheckStore({ client }), {
      code: 'ERR_CONFIG',
      message: /autoResendUnfulfilledCommands/,
    })
    client.disconnect()
  })
})
