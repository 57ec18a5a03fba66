import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  type Decision,
  refusalBody,
  requireRecentLogin,
  requireRole,
  requireThat,
  requireUser,
  type Subject,
} from '../../src/core/guards.ts'

const NOW = 1_795_232_915_220

function subject(properties: Partial<Subject> = {}): Subject {
  return { userId: 'u42', roles: [], authenticatedAt: NOW, now: () => NOW, ...properties }
}

const visitor = subject({ userId: null, roles: ['admin'] })

function codeOf(decision: Decision): string {
  return decision === 'allow' ? 'allow' : `${decision.status} ${decision.code}`
}

describe('requireUser', () => {
  it('lets users pass, and nobody else', () => {
    assert.equal(requireUser()(subject()), 'allow')
    assert.equal(codeOf(requireUser()(visitor)), '401 ERR_LOGIN_REQUIRED')
  })
})

describe('requireRole', () => {
  it('lets users pass who have one of the roles', () => {
    for (const roles of [['admin'], ['editor'], ['reader', 'editor'], ['admin', 'editor']]) {
      assert.equal(requireRole('admin', 'editor')(subject({ roles })), 'allow')
    }
  })

  it('refuses users who have none of them, and spells no name otherwise', () => {
    for (const roles of [[], ['reader'], ['Admin'], ['admin '], ['admins'], ['admin,editor'], ['']]) {
      assert.equal(codeOf(requireRole('admin', 'editor')(subject({ roles }))), '403 ERR_FORBIDDEN')
    }
  })

  it('asks those to log in who are no user, whatever their roles', () => {
    assert.equal(codeOf(requireRole('admin')(visitor)), '401 ERR_LOGIN_REQUIRED')
  })

  it('cannot be made without a role', () => {
    for (const roles of [[], [''], ['admin', ''], [undefined], [null], [7], [['admin']], [{}]]) {
      assert.throws(() => requireRole(...(roles as string[])), { code: 'ERR_CONFIG', message: /^requireRole needs/ })
    }
  })
})

describe('requireRecentLogin', () => {
  const guard = requireRecentLogin('5m')

  for (const [what, authenticatedAt, expected] of [
    ['just now', NOW, 'allow'],
    ['as long ago as is allowed', NOW - 300_000, 'allow'],
    ['a millisecond longer ago', NOW - 300_001, '401 ERR_RECENT_LOGIN_REQUIRED'],
    ['a moment ahead, as another process sees it', NOW + 5, 'allow'],
    ['far ahead', NOW + 300_001, '401 ERR_RECENT_LOGIN_REQUIRED'],
    ['never', null, '401 ERR_RECENT_LOGIN_REQUIRED'],
    ['at no instant', Number.NaN, '401 ERR_RECENT_LOGIN_REQUIRED'],
    ['in the year of nonsense', Infinity, '401 ERR_RECENT_LOGIN_REQUIRED'],
  ] as const) {
    it(`to a login ${what} says ${expected}`, () => {
      assert.equal(codeOf(guard(subject({ authenticatedAt }))), expected)
    })
  }

  it('lets nobody pass while the time is not known', () => {
    for (const authenticatedAt of [NOW, 1, null]) {
      const someone = subject({ authenticatedAt, now: () => null })
      assert.equal(codeOf(guard(someone)), '401 ERR_RECENT_LOGIN_REQUIRED')
    }
  })

  it('knows no login from a clock that has just begun', () => {
    assert.equal(codeOf(guard(subject({ authenticatedAt: null, now: () => 1 }))), '401 ERR_RECENT_LOGIN_REQUIRED')
  })

  it('asks those to log in who are no user', () => {
    assert.equal(codeOf(guard(visitor)), '401 ERR_LOGIN_REQUIRED')
  })

  it('cannot be made with what is no duration', () => {
    for (const wrong of [0, -1, '', 'soon', '5 parsecs', Number.NaN, undefined, null, {}]) {
      assert.throws(() => requireRecentLogin(wrong as never), {
        code: 'ERR_CONFIG',
        message: /^requireRecentLogin must be a duration/,
      })
    }
  })
})

describe('requireThat', () => {
  it('lets pass for what the condition is true', async () => {
    const guard = requireThat(({ plan }: { plan: string }, path: string) => plan === 'pro' && path === '/beta')
    assert.equal(await guard({ plan: 'pro' }, '/beta'), 'allow')
    assert.equal(codeOf(await guard({ plan: 'pro' }, '/')), '403 ERR_FORBIDDEN')
    assert.equal(codeOf(await guard({ plan: 'free' }, '/beta')), '403 ERR_FORBIDDEN')
  })

  it('waits for a condition that takes its time', async () => {
    for (const answer of [true, false]) {
      const guard = requireThat(async () => {
        await new Promise(setImmediate)
        return answer
      })
      assert.equal(codeOf(await guard()), answer ? 'allow' : '403 ERR_FORBIDDEN')
    }
  })

  it('takes nothing but true for a yes', async () => {
    for (const answer of [undefined, null, 1, 'yes', {}, [], () => true]) {
      assert.equal(codeOf(await requireThat(() => answer as never)()), '403 ERR_FORBIDDEN')
    }
  })

  it('fails with what the condition throws or rejects with', async () => {
    const error = new Error('no')
    const throws = requireThat(() => {
      throw error
    })
    await assert.rejects(throws(), error)
    await assert.rejects(requireThat(() => Promise.reject(error))(), error)
  })

  it('cannot be made without a function', () => {
    for (const wrong of [undefined, null, true, {}, 'admin']) {
      assert.throws(() => requireThat(wrong as never), { code: 'ERR_CONFIG', message: /^requireThat needs/ })
    }
  })
})

describe('guards', () => {
  it('let nobody pass who is no user', () => {
    const nobody = fc.record({
      userId: fc.constant(null),
      roles: fc.array(fc.string()),
      authenticatedAt: fc.option(fc.double()),
      now: fc.constant(() => NOW),
    })
    fc.assert(
      fc.property(nobody, (someone) => {
        const [role = 'admin'] = someone.roles.filter((each) => each !== '')
        for (const guard of [requireUser(), requireRole(role), requireRecentLogin('1y')]) {
          assert.equal(codeOf(guard(someone)), '401 ERR_LOGIN_REQUIRED')
        }
      }),
    )
  })
})

describe('what a refusal says', () => {
  it('is the reason, and a code only where a client can do something about it', () => {
    const bodies = [
      requireUser()(visitor),
      requireRole('boss')(subject()),
      requireRecentLogin(1)(subject({ now: () => 0 })),
    ]
    assert.deepEqual(
      bodies.map((decision) => decision !== 'allow' && refusalBody(decision)),
      [
        { error: 'Authentication required' },
        { error: 'Insufficient permissions' },
        { error: 'Recent login required', code: 'ERR_RECENT_LOGIN_REQUIRED' },
      ],
    )
  })
})
