import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import * as api from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'

describe('an error', () => {
  const errors: [api.CoatcheckError, string, string, number][] = [
    [new api.ConfigError('x'), 'ConfigError', 'ERR_CONFIG', 500],
    [new api.ArgumentError('x'), 'ArgumentError', 'ERR_ARGUMENT', 500],
    [new api.FieldError('ERR_FIELD_NAME', 'f', 'x'), 'FieldError', 'ERR_FIELD_NAME', 500],
    [new api.SessionEndedError(), 'SessionEndedError', 'ERR_SESSION_ENDED', 401],
    [new api.UserLimitError(3), 'UserLimitError', 'ERR_USER_LIMIT', 403],
    [new api.HeadersSentError(), 'HeadersSentError', 'ERR_HEADERS_SENT', 500],
    [new api.MountError('x'), 'MountError', 'ERR_MOUNT', 500],
    [new api.StoreError('ERR_STORE_TIMEOUT', 'x', 'unknown'), 'StoreError', 'ERR_STORE_TIMEOUT', 503],
  ]
  for (const [error, name, code, status] of errors) {
    it(`is a ${name} with the code ${code} and the status ${status}`, () => {
      assert.ok(error instanceof Error && error instanceof api.CoatcheckError)
      assert.deepEqual([error.name, error.code, error.status], [name, code, status])
      assert.equal(error.constructor, new Map<string, unknown>(Object.entries(api)).get(name))
      assert.ok(error.message.length > 0)
      assert.equal('cause' in error, false)
    })
  }

  it('of the store carries its cause and the outcome', () => {
    const cause = new Error('read ECONNRESET')
    const error = new api.StoreError('ERR_STORE_UNAVAILABLE', 'x', 'none', cause)
    assert.deepEqual([error.cause, error.outcome], [cause, 'none'])
  })

  it('holds neither the token nor what is in the session, however it is printed', async () => {
    const secret = 'my secret value'
    const sessions = api.createSessions<{ text: string; list: unknown }>({
      store: memoryStore(),
      maxPerUser: { limit: 1, whenFull: 'refuse' },
    })
    const { token } = await sessions.create({ text: secret, list: [secret] }, { userId: 'ada' })
    const ended = (await sessions.create()).token
    await sessions.destroy(ended)
    const failing = [
      () => sessions.increment(token, 'text' as never),
      () => sessions.set(token, { list: [secret, 1n] }),
      () => sessions.set(token, { text: secret, user_id: secret } as never),
      () => sessions.update(token, 'list', () => [secret, Number.NaN]),
      () => sessions.setIdleTimeout(token, secret),
      () => sessions.set(ended, { text: secret }),
      () => sessions.set(`${token}x`, { text: secret }),
      () => sessions.rotate(ended),
      () => sessions.create({ text: secret }, { userId: 'ada' }),
      () => sessions.create({ list: () => secret }),
    ]
    for (const run of failing) {
      const error = await run().then(
        () => assert.fail(`${run} succeeded`),
        (error: unknown) => error,
      )
      assert.ok(error instanceof api.CoatcheckError, String(error))
      const printed = `${inspect(error, { depth: 10, showHidden: true })}${error.stack}${JSON.stringify(error)}`
      for (const word of [token, ended, secret]) assert.ok(!printed.includes(word), printed)
    }
  })
})
