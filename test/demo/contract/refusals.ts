import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RedisServer } from '../../support/redis-server.ts'
import { live, refused } from '../visitor.ts'
import type { Scene } from './scene.ts'

/** Requests without a session, bad ones, and those of other sites. */
export function refusals({ url, newVisitor, login, redis }: Scene): void {
  describe('without a session', () => {
    for (const [method, path] of [
      ['GET', '/session'],
      ['POST', '/increment'],
      ['POST', '/ttl'],
      ['POST', '/logout'],
    ] as const) {
      it(`${method} ${path} answers 401, and sends Redis nothing`, async () => {
        const sent = await commandsSent(redis())
        const reply = await newVisitor().send(method, path, undefined)
        refused(reply, 401, 'No active session')
        assert.equal(reply.headers.get('set-cookie'), null)
        assert.deepEqual(await commandsSent(redis()), sent)
      })
    }

    it('an unknown route answers 404', async () => {
      refused(await newVisitor().get('/nowhere'), 404, 'Not found')
    })
  })

  describe('a request that is no good', () => {
    it('answers 400 to a body that cannot be read', async () => {
      for (const body of ['{"username":', '"text"', 'null', '{]']) {
        refused(await newVisitor().json('/login', body), 400, 'The body is not valid JSON')
      }
      refused(await newVisitor().json('/login', ['a']), 400, 'Send a form, or a JSON object.')
      const manyFields = new URLSearchParams(Array.from({ length: 1001 }, (_, i) => [`f${i}`, ''] as [string, string]))
      refused(await newVisitor().send('POST', '/login', manyFields), 413, 'The request cannot be read')
    })

    it('answers 413 to a body that is too large', async () => {
      refused(await newVisitor().post('/login', { username: 'x'.repeat(10_000) }), 413, 'The body is too large')
    })

    it('answers 415 to a charset that it does not know', async () => {
      const reply = await newVisitor().send('POST', '/login', 'ttl=5', {
        'content-type': 'application/x-www-form-urlencoded; charset=utf-7',
      })
      refused(reply, 415, 'The request cannot be read')
    })

    it('takes a cookie that is no token for none', async () => {
      for (const cookie of ['sid=x', `sid=${'a'.repeat(43)}!`, 'sid=', 'sid="; sid=<']) {
        const visitor = newVisitor()
        visitor.cookie = cookie
        refused(await visitor.get('/session'), 401, 'No active session')
      }
    })

    it('takes a token that nobody was given for an expired one', async () => {
      const visitor = newVisitor()
      visitor.cookie = `sid=${'A'.repeat(43)}`
      refused(await visitor.get('/session'), 401, 'Session expired')
    })
  })

  describe('a request from another site', () => {
    const refusal = 'Cross-site request refused'

    it('is refused, and changes nothing', async () => {
      const { visitor, first } = await login()
      for (const site of ['cross-site', 'same-site']) {
        for (const path of ['/login', '/increment', '/ttl', '/logout']) {
          refused(await visitor.post(path, { ttl: '5' }, { 'sec-fetch-site': site }), 403, refusal)
        }
      }
      refused(await visitor.post('/increment', {}, { origin: 'http://evil.example' }), 403, refusal)
      refused(await visitor.post('/increment', {}, { origin: 'null' }), 403, refusal)
      assert.deepEqual(live(await visitor.get('/session')).session, first.session)
    })

    it('is told from one of this site', async () => {
      const { visitor } = await login()
      live(await visitor.post('/increment', {}, { 'sec-fetch-site': 'same-origin' }))
      live(await visitor.post('/increment', {}, { origin: url() }))
      live(await visitor.get('/session', { 'sec-fetch-site': 'cross-site' }))
    })
  })
}

/** How many commands of each kind clients have sent so far, leaving out what connecting and asking for this costs. */
async function commandsSent(redis: RedisServer | null): Promise<string[]> {
  const client = await redis?.connect()
  if (client === undefined) return []
  const stats = await client.info('commandstats')
  client.destroy()
  return [...stats.matchAll(/^cmdstat_(?:hgetall|eval|evalsha|pttl|script\S*):calls=\d+/gm)]
    .map(([line]) => line)
    .sort()
}
