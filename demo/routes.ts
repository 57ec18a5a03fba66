import { type Request, type Response, Router } from 'express'
import type { Instance } from './app.ts'
import { NoSessionError } from './errors.ts'
import { readTtl, readUsername } from './input.ts'
import { lookAt } from './look.ts'

/** Seconds without activity after which a session expires, unless the form says otherwise. */
export const DEFAULT_TTL = 15

/** Everything that one can do with a session. Errors go on to the error handler. */
export function routes(instance: Instance): Router {
  const { sessions, recorder, lifetime, storeName } = instance
  const router = Router()

  /** The session as it is in the store now, and what the action has cost. */
  async function show(req: Request, res: Response): Promise<void> {
    const { id } = sessions.of(req)
    const seen = id === null ? null : await recorder.offTheRecord(() => lookAt(instance.store, id))
    // It may have ended between the action and the look.
    if (seen === null) throw new NoSessionError(true)
    res.json({ authenticated: true, ...seen, store: storeName, commands: recorder.commands })
  }

  /** The session of a request that needs one. */
  function current(req: Request) {
    const session = sessions.of(req)
    if (session.id === null) throw new NoSessionError(session.ended)
    return session
  }

  router.get('/session', async (req, res) => {
    current(req)
    await show(req, res)
  })

  router.post('/login', async (req, res) => {
    // Read first: a mistake in the form costs nobody the session they have.
    const username = readUsername(req.body)
    const ttl = readTtl(req.body, lifetime, DEFAULT_TTL)
    const session = sessions.of(req)
    if (session.id !== null) await session.logout()
    session.data.username = username
    session.data.page_views = 1
    session.setIdleTimeout(ttl * 1000)
    await session.commit()
    await show(req, res)
  })

  router.post('/increment', async (req, res) => {
    await current(req).increment('page_views')
    await show(req, res)
  })

  router.post('/ttl', async (req, res) => {
    const session = current(req)
    session.setIdleTimeout(readTtl(req.body, lifetime) * 1000)
    await session.commit()
    await show(req, res)
  })

  router.post('/logout', async (req, res) => {
    const session = sessions.of(req)
    const { id, ended } = session
    // A browser that comes with the ticket of a session that has ended is rid of it, too.
    if (id !== null || ended) await session.logout()
    if (id === null) throw new NoSessionError(ended)
    res.json({ authenticated: false, session_id: id, store: storeName, commands: recorder.commands })
  })

  return router
}
