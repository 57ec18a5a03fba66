import { describe, it } from 'node:test'
import type { Scene } from '../contract/scene.ts'
import { EventStream } from './event-stream.ts'
import { loggedIn, ok, PASSWORDS, profileOf } from './people.ts'

/** `GET /account/events`. */
export function events(scene: Scene): void {
  describe('GET /account/events', () => {
    it('says why the session ended, and ends with it', async () => {
      const other = await loggedIn(scene, 'bob')
      for (const [cause, end] of [
        ['revoke', async (id: string) => other.send('DELETE', `/account/sessions/id/${id}`, undefined)],
        ['device', async () => other.send('DELETE', '/account/sessions/the-device', undefined)],
        ['others', async () => other.post('/account/logout/others')],
        ['logout', async (_id: string, own: typeof other) => own.post('/account/logout')],
        [
          'login',
          async (_id: string, own: typeof other) =>
            own.json('/account/login', { username: 'alice', password: PASSWORDS.alice }),
        ],
        ['all', async () => other.post('/account/logout/everywhere')],
      ] as const) {
        const visitor = await loggedIn(scene, 'bob', 'the-device')
        const { sessionId } = await profileOf(visitor)
        const stream = await EventStream.open(visitor)
        ok(await end(sessionId, visitor))
        await stream.ends(cause)
      }
    })

    it('says when the user’s devices change', async () => {
      const visitor = await loggedIn(scene, 'alice')
      const stream = await EventStream.open(visitor)
      const other = await loggedIn(scene, 'alice')
      await stream.hears('event: devices')
      ok(await other.post('/account/logout'))
      await stream.hears('event: devices')
      stream.close()
    })

    it('goes on when the session gets a new token', async () => {
      const visitor = await loggedIn(scene, 'alice')
      const stream = await EventStream.open(visitor)
      ok(await visitor.json('/account/login', { username: 'alice', password: PASSWORDS.alice }))
      await stream.hears('event: devices')
      ok(await visitor.post('/account/logout'))
      await stream.ends('logout')
    })
  })
}
