import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { live, refused } from '../visitor.ts'
import type { Scene } from './scene.ts'

const NOT_WHOLE = 'The TTL must be a whole number of seconds above 0.'
const TOO_LONG = 'The TTL must not exceed the lifetime of a session, 3600 seconds.'

/** Which TTLs are taken, and `POST /ttl`. */
export function ttls({ newVisitor, login }: Scene): void {
  describe('a TTL that is no whole number above 0, or exceeds the lifetime,', () => {
    for (const ttl of ['0', '-1', '1.5', '1e3', '0x10', 'abc', '', ' ', '١', '3601', '99999999999999999999']) {
      it(`is refused: '${ttl}'`, async () => {
        const error = Number(ttl) > 3600 ? TOO_LONG : NOT_WHOLE
        refused(await newVisitor().post('/login', { ttl }), 400, error)
        const { visitor, first } = await login()
        refused(await visitor.post('/ttl', { ttl }), 400, error)
        assert.equal(live(await visitor.get('/session')).session.session_ttl, first.session.session_ttl)
      })
    }

    it('is refused in JSON too', async () => {
      for (const ttl of [0, 1.5, -3, true, null, [5], { ttl: 5 }]) {
        // null stands for none: the default of the form, and for a change nothing at all.
        if (ttl !== null) refused(await newVisitor().json('/login', { ttl }), 400, NOT_WHOLE)
        const { visitor } = await login()
        refused(await visitor.json('/ttl', { ttl }), 400, NOT_WHOLE)
      }
    })

    it('is accepted up to both limits', async () => {
      for (const ttl of ['1', '3600', '015', ' 20 ']) {
        assert.equal((await login({ ttl })).first.configured_ttl, Number(ttl))
      }
    })
  })

  describe('POST /ttl', () => {
    it('changes the TTL of the running session, longer and shorter', async () => {
      const { visitor, first } = await login({ username: 'andrew' })
      for (const ttl of [60, 2]) {
        const changed = live(await visitor.post('/ttl', { ttl: `${ttl}` }))
        assert.equal(changed.session_id, first.session_id)
        assert.equal(changed.session.session_ttl, `${ttl}`)
        assert.equal(changed.session.username, 'andrew')
        assert.equal(changed.configured_ttl, ttl)
        assert.ok(changed.ttl > ttl - 1 && changed.ttl <= ttl, `${changed.ttl}`)
      }
    })
  })
}
