import assert from 'node:assert/strict'
import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { type ExpressSessionCookieOptions, expressSessionCookie, takeOver } from '../../src/from-express-session.ts'
import { type Adoption, ConfigError, createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { begin } from '../store-contract.ts'
import { SECRET } from './setup.ts'

describe('the options of an adoption', () => {
  const store = memoryStore()

  const wrong: Record<string, [options: unknown, named: RegExp]> = {
    'nothing at all': [undefined, /store/],
    'no store': [{ secret: SECRET }, /store/],
    'a client in place of a store': [{ store: { sendCommand() {} }, secret: SECRET }, /store/],
    'no secret': [{ store }, /secret/],
    'an empty secret': [{ store, secret: '' }, /secret/],
    'no secrets': [{ store, secret: [] }, /secret/],
    'an empty secret among others': [{ store, secret: [SECRET, ''] }, /secret/],
    'an empty Buffer as secret': [{ store, secret: Buffer.alloc(0) }, /secret/],
    'a public key as secret': [{ store, secret: generateKeyPairSync('ed25519').publicKey }, /secret/],
    'an empty name': [{ store, secret: SECRET, name: '' }, /name/],
    'a user that is no function': [{ store, secret: SECRET, user: 'ada' }, /user/],
    'data that is no function': [{ store, secret: SECRET, data: {} }, /data/],
    'a grace that is no duration': [{ store, secret: SECRET, grace: 'soon' }, /grace/],
    'a grace that is too short for what is on its way': [{ store, secret: SECRET, grace: 999 }, /grace/],
  }
  for (const [what, [options, named]] of Object.entries(wrong)) {
    it(`refuse ${what}, at start`, () => {
      assert.throws(
        () => expressSessionCookie(options as ExpressSessionCookieOptions),
        (error) => error instanceof ConfigError && named.test(error.message) && !error.message.includes(SECRET),
      )
    })
  }

  it('take whatever express-session takes as secret', () => {
    for (const secret of [SECRET, [SECRET], Buffer.from(SECRET), createSecretKey(Buffer.from(SECRET))]) {
      assert.equal(expressSessionCookie({ store, secret }).grace, 10_000)
    }
  })

  it('refuse what is no adoption, and one store for old and new sessions', () => {
    const adopt = expressSessionCookie({ store, secret: SECRET })
    for (const wrong of [
      null,
      {},
      'connect.sid',
      { store, secret: SECRET },
      { ...adopt, takeOver: undefined },
      { takeOver },
    ]) {
      assert.throws(() => createSessions({ store: memoryStore(), adopt: wrong as never }), {
        name: 'ConfigError',
        message: /(such as|that of) expressSessionCookie/,
      })
    }
    assert.throws(() => createSessions({ store, adopt }), { name: 'ConfigError', message: /another store/ })
    createSessions({ store: memoryStore(), adopt })
  })

  it('may be written by hand', async () => {
    const old = memoryStore()
    const { id } = await begin(old, { data: { name: 'ada' } })
    const adopt: Adoption = {
      store: old,
      idOf: (header) => (header === 'old=1' ? id : null),
      inherit: async ({ fields }) => ({ user: { userId: 'ada' }, fields }),
      grace: 1000,
      remember: 1000,
      takeOver,
    }
    const sessions = createSessions<{ name: string }>({ store, adopt })
    const request = {}
    await sessions.openRequest(request, 'old=1')
    const { userId, data } = sessions.of(request)
    assert.deepEqual({ userId, data }, { userId: 'ada', data: { name: 'ada' } })
    await sessions.close()
  })

  it('are closed with the sessions', async () => {
    let closed = 0
    const old = Object.assign(memoryStore(), { close: async () => void closed++ })
    const sessions = createSessions({
      store: memoryStore(),
      adopt: expressSessionCookie({ store: old, secret: SECRET }),
    })
    await sessions.close()
    await sessions.close()
    assert.equal(closed, 1)
  })
})
