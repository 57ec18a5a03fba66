import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { slotOf } from '../support/slots.ts'
import { check } from './checker.ts'
import type { Answer, Done, Op } from './history.ts'
import type { Stored, StoredKey } from './stored.ts'

// A checker that finds nothing proves nothing: here it is told one lie at a time, and has to find each.

/** What happened, and what is in Redis then: all as it should be. */
interface Story {
  readonly history: Done[]
  readonly stored: { now: number; keys: StoredKey[] }
}

const USER = 'ada'
const NOW = 1_700_000_000_000
const EXPIRES = NOW + 1_800_000

/** A token in the partition of Ada. */
const PARTITION = createHash('sha256').update(USER).digest()[0] as number
const tokenOf = (name: string, partition = PARTITION) => {
  const secret = createHash('sha256').update(name).digest().subarray(0, 31)
  return Buffer.concat([Buffer.from([partition]), secret]).toString('base64url')
}
const suffixOf = (token: string) => createHash('sha256').update(token).digest().subarray(0, 16).toString('base64url')
const TAG = tagOf(PARTITION)

/** Any two characters in the slots of a partition. */
function tagOf(partition: number): string {
  const characters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789']
  const tags = characters.flatMap((a) => characters.map((b) => a + b))
  return tags.find((tag) => Math.floor(slotOf(tag) / 64) === partition) ?? assert.fail('no tag')
}

const GUEST = tokenOf('guest', 7)
const LAPTOP = tokenOf('laptop')
const ROTATED = tokenOf('rotated')
const PHONE = tokenOf('phone')

/**
 * Somebody writes as a guest, logs in as Ada, rotates the token. Ada logs in on a phone too, is given a role, looks at the
 * devices; and logs out on the phone.
 */
function honest(): Story {
  let clock = 0
  const history: Done[] = []
  const ask = (op: Op, token: string | null, answer: Answer, more: Partial<Done> = {}) => {
    history.push({ op, token, begin: clock + 1, end: clock + 5, status: 200, answer, issued: null, ...more })
    clock += 10
  }
  const laptop = { label: 'L', user: USER }
  ask('begin', null, { label: 'G', user: null }, { label: 'G', issued: GUEST })
  ask('write', GUEST, { label: 'G', user: null }, { field: 'r1', value: 'one' })
  ask('increment', GUEST, { label: 'G', user: null, value: 1 })
  ask('login', GUEST, { ...laptop, previous: 'G' }, { label: 'L', user: USER, issued: LAPTOP })
  ask('increment', LAPTOP, { ...laptop, value: 2 })
  ask('append', LAPTOP, laptop, { value: 'x' })
  ask('rotate', LAPTOP, laptop, { issued: ROTATED })
  ask('write', ROTATED, laptop, { field: 'r1', value: 'two' })
  ask('login', null, { label: 'P', user: USER, previous: null }, { label: 'P', user: USER, issued: PHONE })
  ask('setRoles', PHONE, {}, { roles: ['admin', 'a'] })
  ask('guarded', PHONE, { label: 'P', user: USER, roles: ['admin', 'a'] })
  ask('setRoles', PHONE, {}, { roles: ['b'] })
  ask('guarded', PHONE, {}, { status: 403 })
  ask('devices', PHONE, { label: 'P', user: USER, devices: ['L', 'P'] })
  ask('logout', PHONE, {})
  ask('read', PHONE, { error: 'no session' }, { status: 401 })
  ask('write', ROTATED, { error: 'ERR_STORE_UNAVAILABLE', outcome: 'none' }, { status: 503, field: 'r2', value: 'not' })
  ask('increment', ROTATED, { error: 'ERR_STORE_TIMEOUT', outcome: 'unknown' }, { status: 503 })
  ask('read', ROTATED, { ...laptop, roles: ['b'], data: { label: 'L', r1: 'two', views: 3, list: ['x'] } })
  ask('devices', ROTATED, { ...laptop, devices: ['L'] })

  const id = `${TAG}${suffixOf(ROTATED)}`
  const times = { created_at: '1', last_accessed_at: `${NOW}`, session_ttl: '1800', deadline: `${2 * NOW}` }
  const fields = { ...times, user_id: USER }
  const data = { device: 'L', roles: '["b"]', label: 'L', r1: 'two', views: '3', list: '["x"]' }
  const index = (name: string, member: string, score: number): StoredKey => {
    return { key: `{${TAG}}:${name}`, expires: EXPIRES, entries: new Map([[member, score]]) }
  }
  const keys: StoredKey[] = [
    { key: `{${TAG}}:${suffixOf(ROTATED)}`, expires: EXPIRES, hash: { ...fields, ...data } },
    { key: `{${TAG}}:${suffixOf(LAPTOP)}`, expires: EXPIRES, hash: { _successor: id, _grace_until: '3' } },
    index('members', id, EXPIRES),
    index('seen', id, NOW),
    index(`user:${USER}`, id, EXPIRES),
    index('users', USER, EXPIRES),
  ]
  return { history, stored: { now: NOW, keys } }
}

const checked = ({ history, stored }: { history: Done[]; stored: Stored }) =>
  check({ history, stored, grace: 2000, patience: 1000 })

/** The same story, in which one answer was another. */
function told(op: Op, nth: number, change: (done: Done) => Partial<Done>): Story {
  const story = honest()
  const done = story.history.filter((each) => each.op === op)[nth] ?? assert.fail(`no ${op} ${nth}`)
  story.history[story.history.indexOf(done)] = { ...done, ...change(done) }
  return story
}

/** The same story, which left another session behind. */
function left(change: Record<string, string | null>): Story {
  return keys(([first, ...rest]) => {
    const fields = Object.entries({ ...first!.hash, ...change }).filter(([, text]) => text !== null)
    return [{ ...first!, hash: Object.fromEntries(fields) as Record<string, string> }, ...rest]
  })
}

function keys(change: (keys: StoredKey[]) => StoredKey[]): Story {
  const { history, stored } = honest()
  return { history, stored: { ...stored, keys: change(stored.keys) } }
}

const answer = (changed: Answer) => (done: Done) => ({ answer: { ...done.answer, ...changed } })
const data = (changed: object) => (done: Done) => ({
  answer: { ...done.answer, data: { ...done.answer.data, ...changed } },
})

const LIES: Record<string, [story: () => Story, found: RegExp]> = {
  'a read that does not see the last write': [() => told('read', 1, data({ r1: 'one' })), /r1 of L has lost an ack/],
  'a read of a field that is gone': [() => told('read', 1, data({ r1: undefined })), /r1 of L holds what nobody/],
  'a read of what nobody wrote': [() => told('read', 1, data({ r1: 'else' })), /r1 of L holds what nobody wrote/],
  'a write that was refused and is there': [
    () => told('read', 1, data({ r2: 'not' })),
    /r2 of L holds what was refused/,
  ],
  'a field of another session': [() => told('read', 1, data({ r9: 'x' })), /r9 of L holds what nobody wrote/],
  'a count that lost one': [() => told('read', 1, data({ views: 1 })), /views of L counts 1, of 2 ack/],
  'a count that counted twice': [() => told('read', 1, data({ views: 4 })), /views of L counts 4, of 3 asked/],
  'two increments with one answer': [() => told('increment', 1, answer({ value: 1 })), /two increments of L/],
  'a list that lost an item': [() => told('read', 1, data({ list: [] })), /list of L has lost 1/],
  'a list with an item twice': [() => told('read', 1, data({ list: ['x', 'x'] })), /list of L holds something twice/],
  'an answer of another session': [() => told('read', 1, answer({ label: 'P' })), /served by the session P/],
  'an answer to another user': [() => told('read', 1, answer({ user: 'bob' })), /served as bob/],
  'a token that nobody was given': [() => told('read', 1, () => ({ token: tokenOf('guessed') })), /nobody was given/],
  'a session that serves after its logout': [
    () => told('read', 0, () => ({ status: 200, answer: { label: 'P', user: USER } })),
    /served after its session had ended/,
  ],
  'a session that is said to be gone': [
    () => told('read', 1, () => ({ status: 401, answer: { error: 'no session' } })),
    /told that its session is gone/,
  ],
  'a login without the data of the guest': [
    () => told('login', 0, answer({ previous: null })),
    /lost the session before/,
  ],
  'a login without a token': [() => told('login', 1, () => ({ issued: null })), /given no token/],
  'a login refused for nothing': [
    () => told('login', 1, () => ({ status: 401, answer: { error: 'ERR_LOGIN_REVOKED' }, issued: null })),
    /refused as revoked/,
  ],
  'an error that is not typed': [
    () => told('increment', 2, () => ({ status: 500, answer: { error: 'none' } })),
    /answered 500 none/,
  ],
  'an error that no second attempt mends': [
    () => told('increment', 2, () => ({ answer: { error: 'ERR_STORE_REPLY', outcome: 'none' } })),
    /answered 503 ERR_STORE_REPLY/,
  ],
  'an answer that took too long': [() => told('read', 1, ({ begin }) => ({ end: begin + 1001 })), /after 1001 ms/],
  'a guarded route that serves without the role': [
    () => told('guarded', 1, () => ({ status: 200, answer: { label: 'P', user: USER, roles: ['b'] } })),
    /served without the role/,
  ],
  'a role that was taken away': [
    () => told('guarded', 1, () => ({ status: 200, answer: { label: 'P', user: USER, roles: ['admin', 'a'] } })),
    /roles of P: the session has lost an ack/,
  ],
  'a guarded route that refuses somebody with the role': [
    () => told('guarded', 0, () => ({ status: 403, answer: {} })),
    /refused though the user had the role/,
  ],
  'a list of devices without one': [() => told('devices', 0, answer({ devices: ['P'] })), /does not list L/],
  'a list of devices with one that had ended': [
    () => told('devices', 1, answer({ devices: ['L', 'P'] })),
    /lists P, which/,
  ],
  "a list of devices with somebody else's": [
    () => told('devices', 1, answer({ devices: ['L', 'Z'] })),
    /lists Z, which/,
  ],
  'a list of devices with one twice': [
    () => told('devices', 1, answer({ devices: ['L', 'L'] })),
    /lists a session twice/,
  ],
  'a revocation that missed a session': [
    () => told('logout', 0, () => ({ op: 'revokeAll' as const })),
    /the session L has come back/,
  ],
  'Redis without a session': [() => keys((all) => all.slice(1)), /the session L is gone/],
  'Redis with a session that was logged out': [() => left({ label: 'P' }), /the session P has come back/],
  'Redis with a session whose login was refused': [
    () => told('login', 0, () => ({ status: 401, answer: { error: 'ERR_SESSION_ENDED' } })),
    /the session L is there, whose beginning was refused/,
  ],
  'Redis with a session that nobody began': [() => left({ label: 'Z' }), /nobody began the session Z/],
  'Redis without a field': [() => left({ r1: null }), /r1 of L has lost an acknowledged/],
  'Redis with an old value': [() => left({ r1: 'one' }), /r1 of L has lost an acknowledged/],
  'Redis with a count too low': [() => left({ views: '1' }), /views of L counts 1/],
  'Redis with a count too high': [() => left({ views: '4' }), /views of L counts 4/],
  'Redis with a list that lost an item': [() => left({ list: '[]' }), /list of L has lost/],
  "Redis with somebody else's session": [() => left({ user_id: 'bob' }), /the session L is bob's/],
  'Redis with roles that were taken away': [() => left({ roles: '["admin","a"]' }), /roles of L/],
  'a key without a TTL': [() => keys(([first, ...rest]) => [{ ...first!, expires: -1 }, ...rest]), /has no TTL/],
  'a session that expires too late': [
    () => keys(([first, ...rest]) => [{ ...first!, expires: EXPIRES + 1 }, ...rest]),
    /the session L expires 1 ms late/,
  ],
  'a token that leads to another hash': [
    () => keys(([first, ...rest]) => [{ ...first!, key: `{${TAG}}:${'A'.repeat(22)}` }, ...rest]),
    /the token of L does not lead to it/,
  ],
  'a session in another partition': [
    () => keys(([first, ...rest]) => [{ ...first!, key: first!.key.replace(TAG, tagOf(3)) }, ...rest]),
    /the session L is not in its partition/,
  ],
  'the same session twice': [
    () => keys((all) => [...all, { ...all[0]!, key: `{${TAG}}:${'A'.repeat(22)}` }]),
    /there are two sessions L/,
  ],
  'an index without a session': [() => keys((all) => all.filter(({ key }) => !key.endsWith('members'))), /members has/],
  "a user's index without a session": [
    () => keys((all) => all.filter(({ key }) => !key.includes('user:'))),
    /user:ada/,
  ],
  'an index with a session that is gone': [
    () => keys((all) => [...all, { key: `{${TAG}}:guests`, expires: EXPIRES, entries: new Map([['gone', EXPIRES]]) }]),
    /guests has gone, which is not there/,
  ],
  'an index with another expiry': [
    () =>
      keys((all) => all.map((one) => (one.key.endsWith('users') ? { ...one, entries: new Map([[USER, 5]]) } : one))),
    /users has ada at 5/,
  ],
}

describe('the checker of the chaos programs', () => {
  it('finds nothing wrong with what is right', () => {
    assert.deepEqual(checked(honest()), [])
  })

  for (const [lie, [story, found]] of Object.entries(LIES)) {
    it(`finds ${lie}`, () => {
      const violations = checked(story())
      assert.ok(
        violations.some((violation) => found.test(violation)),
        `found ${JSON.stringify(violations)}`,
      )
    })
  }
})
