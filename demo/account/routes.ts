import express, { type Request, type Response, Router } from 'express'
import { type Refusal, requireUser } from '../../src/express.ts'
import type { Device } from '../../src/index.ts'
import type { Instance } from '../app.ts'
import { accountOf, authenticate } from './accounts.ts'
import { checkDeviceId, readCredentials } from './credentials.ts'
import { eventStream } from './events.ts'

/** `/account`: logging in and out, and the user's devices. */
export function accountRoutes({ accounts }: Instance): Router {
  const router = Router()

  router.post('/login', express.json({ limit: '8kb' }), async (req, res) => {
    const { username, password, deviceId } = readCredentials(req.body)
    const account = await authenticate(username, password)
    if (account === null) {
      res.status(401).json({ message: 'Invalid credentials' })
      return
    }
    const session = accounts.of(req)
    await session.login(account.id, { roles: [account.role], ...(deviceId !== undefined && { deviceId }) })
    session.data.username = account.username
    res.json({ message: 'Logged in successfully' })
  })

  router.post('/logout', async (req, res) => {
    await accounts.of(req).logout()
    res.json({ message: 'Logged out successfully' })
  })

  router.use(requireUser({ onRefused: notAuthenticated }))

  router.get('/profile', (req, res) => {
    const { userId, roles, id, createdAt, deadline } = accounts.of(req)
    const username = accountOf(userId ?? '')?.username
    res.json({ userId, username, role: roles[0], sessionId: id, createdAt, deadline })
  })

  router.get('/events', eventStream(accounts))

  router.get('/sessions', async (req, res) => {
    const devices = await accounts.of(req).devices()
    res.json({ sessions: devices.map(shown) })
  })

  router.delete('/sessions/:deviceId', async (req, res) => {
    const deviceId = checkDeviceId(req.params.deviceId)
    answer(res, await accounts.of(req).revokeDevice(deviceId))
  })

  router.delete('/sessions/id/:id', async (req, res) => {
    answer(res, Number(await accounts.of(req).revoke(req.params.id)))
  })

  router.post('/logout/others', async (req, res) => {
    res.json({ revoked: await accounts.of(req).revokeOthers() })
  })

  router.post('/logout/everywhere', async (req, res) => {
    res.json({ revoked: await accounts.of(req).revokeAll() })
  })

  return router
}

function notAuthenticated(_refusal: Refusal, _req: Request, res: Response): void {
  res.status(401).json({ message: 'Not authenticated' })
}

function answer(res: Response, revoked: number): void {
  if (revoked === 0) res.status(404).json({ error: 'There is no such session' })
  else res.json({ revoked })
}

/** One of the user's sessions, as the page lists it. */
function shown({ id, device, deviceId, ip, createdAt, lastAccessedAt, expiresAt, current }: Device) {
  return { id, device, deviceId, address: ip, createdAt, lastActivity: lastAccessedAt, expiresAt, current }
}
