import { type Request, type Response, Router } from 'express'
import { redirectToLogin, requireRole } from '../../src/express.ts'
import type { Instance } from '../app.ts'
import { page } from '../page.ts'
import { accountOf } from './accounts.ts'

/** How many of the sessions used last are listed. */
const LISTED = 50
const IDLE_AGES = ['1m', '5m', '30m'] as const

/** `/admin`: all sessions, for administrators alone. */
export function adminRoutes(instance: Instance): Router {
  const { accounts } = instance
  const router = Router()
  const forbidden = page(instance, 'forbidden')
  const toLogin = redirectToLogin('/account')

  router.use(
    requireRole('admin', {
      onRefused(refusal, req: Request, res: Response, next) {
        // Logging in does not help: a page says so to people, and the guard's own answer to scripts.
        const isPage = refusal.status === 403 && req.method === 'GET' && req.accepts(['json', 'html']) === 'html'
        return isPage ? forbidden(req, res.status(403), next) : toLogin(refusal, req, res, next)
      },
    }),
  )

  router.get('/', page(instance, 'admin'))

  router.get('/sessions/stats', async (req, res) => {
    const [stats, counts, recent] = await Promise.all([
      accounts.stats(),
      accounts.countByIdleAge(IDLE_AGES),
      accounts.recent(LISTED, { fields: ['username'] }),
    ])
    const { active, guests, members, users, process } = stats
    const current = accounts.of(req).id
    res.json({
      total: active,
      guests,
      members,
      users,
      idle: IDLE_AGES.map((within, i) => ({ within, sessions: counts[i] })),
      process,
      recentSessions: recent.map(({ userId, data, lastAccessedAt, id, device, ip }) => ({
        userId,
        username: data.username ?? null,
        lastActivity: lastAccessedAt,
        id,
        device,
        address: ip,
        current: id === current,
      })),
    })
  })

  router.delete('/sessions/:id', async (req, res) => {
    const ended = await accounts.revoke(req.params.id, actor(req))
    if (ended) res.json({ revoked: 1 })
    else res.status(404).json({ error: 'There is no such session' })
  })

  router.delete('/users/:userId/sessions', async (req, res) => {
    const account = accountOf(req.params.userId)
    if (account === null) res.status(404).json({ error: 'There is no such user' })
    else res.json({ revoked: await accounts.user(account.id).revokeAll(actor(req)) })
  })

  /** Told to whoever listens to the events of the sessions. */
  function actor(req: Request): { actor: string } {
    return { actor: accounts.of(req).userId as string }
  }

  return router
}
