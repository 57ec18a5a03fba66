import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readOptions, type SessionsOptions, touchEvery } from '../../src/core/options.ts'
import { createSessions } from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'

const store = memoryStore()

describe('the options', () => {
  it('have the documented defaults', () => {
    const { cookie, store: _, ...settings } = readOptions({ store })
    assert.deepEqual(
      { ...settings, checker: undefined, maxValueBytes: undefined },
      {
        idleTimeout: 30 * 60_000,
        lifetime: 12 * 3_600_000,
        touch: { longest: 60_000, parts: 20 },
        storeTimeout: 1000,
        rotationGrace: 10_000,
        reuseWindow: 3_600_000,
        rotateEvery: null,
        revokeOnReuse: false,
        address: 'truncated',
        maxPerUser: { limit: 100, whenFull: 'evict-oldest' },
        checker: undefined,
        maxValueBytes: undefined,
        adopt: null,
      },
    )
    assert.equal(cookie.name, '__Host-sid')
  })

  it('are read with their units', () => {
    const settings = readOptions({
      store,
      idleTimeout: '5m',
      lifetime: '1 day',
      touchInterval: 0,
      storeTimeout: 250,
      rotationGrace: 0,
      reuseWindow: '2h',
      maxPerUser: { limit: 3, whenFull: 'refuse' },
    })
    assert.deepEqual(
      [settings.idleTimeout, settings.lifetime, settings.touch, settings.storeTimeout],
      [300_000, 86_400_000, { longest: 0, parts: 2 }, 250],
    )
    assert.deepEqual([settings.rotationGrace, settings.reuseWindow], [0, 7_200_000])
    assert.deepEqual(settings.maxPerUser, { limit: 3, whenFull: 'refuse' })
    assert.deepEqual(readOptions({ store, maxPerUser: 7 }).maxPerUser, { limit: 7, whenFull: 'evict-oldest' })
    assert.deepEqual(readOptions({ store, maxPerUser: { whenFull: 'refuse' } }).maxPerUser, {
      limit: 100,
      whenFull: 'refuse',
    })
  })

  const without = (method: string) => ({ ...methodsOf(store), [method]: undefined })
  const WRONG: [keyof SessionsOptions, unknown][] = [
    ...[
      'load',
      'touch',
      'commit',
      'update',
      'create',
      'rotate',
      'destroy',
      'timeToLive',
      'count',
      'recent',
      'now',
      'close',
    ].map((method): [keyof SessionsOptions, unknown] => ['store', without(method)]),
    ['store', undefined],
    ['store', null],
    ['store', 'redis://localhost'],
    ...(['idleTimeout', 'lifetime', 'storeTimeout'] as const).flatMap((name) =>
      [0, -1, 1e20, Number.NaN, 'soon', '', {}].map((value): [keyof SessionsOptions, unknown] => [name, value]),
    ),
    ...(['touchInterval', 'rotationGrace', 'reuseWindow'] as const).flatMap((name) =>
      [-1, 1e20, Number.NaN, 'soon', '', null].map((value): [keyof SessionsOptions, unknown] =>
        // null is as good as not given where there is a default.
        value === null && name !== 'touchInterval' ? [name, {}] : [name, value],
      ),
    ),
    ['idleTimeout', '13h'],
    ['lifetime', '1m'],
    ...[
      0,
      -1,
      1.5,
      Number.NaN,
      Infinity,
      '5',
      null,
      true,
      { limit: 0 },
      { limit: '5' },
      { whenFull: 'evict' },
      { whenFull: null },
    ].map((value): [keyof SessionsOptions, unknown] => ['maxPerUser', value]),
    ['cookie', { maxAge: 'soon' }],
    ['cookie', { sameSite: 'none', secure: false }],
    ['cookie', 'sid'],
  ]
  for (const [name, value] of WRONG) {
    it(`that are wrong are refused at the start, by name: ${name} ${JSON.stringify(value)?.slice(0, 60)}`, () => {
      assert.throws(() => createSessions({ store, [name]: value }), {
        name: 'ConfigError',
        code: 'ERR_CONFIG',
        message: new RegExp(name),
      })
    })
  }

  it('that are none at all are refused', () => {
    for (const none of [undefined, null, 5, 'x'])
      assert.throws(() => createSessions(none as never), { code: 'ERR_CONFIG' })
  })
})

describe('how often a session is touched', () => {
  it('is a twentieth of its idle timeout, at most every minute, unless configured', () => {
    const settings = readOptions({ store })
    assert.deepEqual(
      [400, 60_000, 20 * 60_000, 30 * 60_000, 12 * 3_600_000].map((idleTimeout) => touchEvery(settings, idleTimeout)),
      [20, 3000, 60_000, 60_000, 60_000],
    )
  })

  it('is what was configured, and never more than half its idle timeout', () => {
    const settings = readOptions({ store, touchInterval: '5m' })
    assert.deepEqual(
      [400, 10 * 60_000, 30 * 60_000].map((idleTimeout) => touchEvery(settings, idleTimeout)),
      [200, 300_000, 300_000],
    )
    assert.equal(touchEvery(readOptions({ store, touchInterval: 0 }), 1000), 0)
  })
})

function methodsOf(object: object): Record<string, unknown> {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object))
  return Object.fromEntries(names.map((name) => [name, object[name as never]]))
}
