import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import express from 'express'
import { eventStream } from '../../../demo/account/events.ts'
import { type AccountData, accountSessions, mountAccounts } from '../../../demo/account/sessions.ts'
import { createSessions, type Sessions } from '../../../src/index.ts'
import { memoryStore } from '../../../src/memory.ts'
import { deferred, serve } from '../../support/http.ts'
import { until } from '../demo-process.ts'
import { Visitor } from '../visitor.ts'
import { EventStream } from './event-stream.ts'

describe('the event stream of a session', { timeout: 30_000 }, () => {
  it('says something now and then, so that no proxy takes the connection for idle', async (t) => {
    const { visitor } = await streaming(t, accountSessions(memoryStore(), false))
    const stream = await EventStream.open(visitor)
    for (let i = 0; i < 3; i++) await stream.hears(':\n\n')
    stream.close()
  })

  it('leaves nothing behind when the browser goes away', async (t) => {
    const accounts = accountSessions(memoryStore(), false)
    const counted = countListeners(accounts)
    const { visitor } = await streaming(t, accounts)
    const streams = await Promise.all(Array.from({ length: 5 }, () => EventStream.open(visitor)))
    assert.ok(counted() >= 10, `${counted()}`)
    for (const stream of streams) stream.close()
    await until(async () => counted() === 0)
  })

  it('leaves nothing behind when the browser goes away while the store is asked', async (t) => {
    const accounts = accountSessions(memoryStore(), false)
    const counted = countListeners(accounts)
    const watch = accounts.watch.bind(accounts)
    const asked = deferred()
    const mayGoOn = deferred()
    const watched = deferred()
    accounts.watch = async (...args) => {
      asked.resolve()
      await mayGoOn.promise
      const stop = await watch(...args)
      watched.resolve()
      return stop
    }
    const { visitor, closed } = await streaming(t, accounts)
    const gone = new AbortController()
    const answer = fetch(`${visitor.base}/account/events`, {
      headers: { cookie: visitor.cookie ?? '' },
      signal: gone.signal,
    })
    await asked.promise
    gone.abort()
    await assert.rejects(answer)
    await closed
    mayGoOn.resolve()
    await watched.promise
    await until(async () => counted() === 0)
  })

  it('leaves nothing behind when the session ends', async (t) => {
    const accounts = accountSessions(memoryStore(), false)
    const counted = countListeners(accounts)
    const { visitor, id } = await streaming(t, accounts)
    const stream = await EventStream.open(visitor)
    await accounts.revoke(id)
    await stream.ends('revoke')
    await until(async () => counted() === 0)
  })

  it('says when the session expires', async (t) => {
    const cookie = { name: 'account', secure: false }
    const accounts = createSessions<AccountData>({ store: memoryStore(), idleTimeout: '1s', cookie })
    const { visitor } = await streaming(t, accounts)
    await (await EventStream.open(visitor)).ends('expired')
  })
})

describe('what the pages ask for by themselves', { timeout: 30_000 }, () => {
  it('is no activity, unlike everything else', async (t) => {
    const accounts = createSessions<AccountData>({
      store: memoryStore(),
      touchInterval: 0,
      cookie: { name: 'account', secure: false },
    })
    const { visitor, id } = await streaming(t, accounts)
    const lastAccess = async () => (await accounts.find(id))?.lastAccessedAt as number
    const began = await lastAccess()
    await until(async () => Date.now() > began)
    for (const path of ['/account/sessions', '/account/sessions?x', '/admin/sessions/stats', '/account/events']) {
      if (path === '/account/events') (await EventStream.open(visitor)).close()
      else for (const method of ['GET', 'HEAD']) await visitor.send(method, path, undefined)
      assert.equal(await lastAccess(), began, path)
    }
    await visitor.get('/account/profile')
    await until(async () => (await lastAccess()) > began)
  })
})

/** An app with the stream alone, and a browser that is logged in. */
async function streaming(t: TestContext, accounts: Sessions<AccountData>) {
  t.after(() => accounts.close())
  const closed = deferred()
  const app = express()
  app.use(['/account', '/admin'], mountAccounts(accounts))
  app.get('/account/events', (_req, res, next) => {
    res.on('close', () => closed.resolve())
    next()
  })
  app.get('/account/events', eventStream(accounts, 20))
  app.use((_req, res) => void res.json({}))
  const { url } = await serve(t, app)
  const { token, id } = await accounts.create({ username: 'alice' }, { userId: '1001' })
  const visitor = new Visitor(url)
  visitor.cookie = `account=${token}`
  return { visitor, id, closed: closed.promise }
}

/** How many watches and listeners have begun and not been stopped. */
function countListeners(accounts: Sessions<AccountData>): () => number {
  let living = 0
  const counting = (stop: () => void) => {
    living++
    return () => {
      living--
      stop()
    }
  }
  const [watch, on] = [accounts.watch.bind(accounts), accounts.on.bind(accounts)]
  accounts.watch = async (...args) => counting(await watch(...args))
  accounts.on = (...args) => counting(on(...args))
  return () => living
}
