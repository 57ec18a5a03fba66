import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { newPrefix, useRedis } from '../redis/support.ts'
import { barrier, eventually } from '../support/http.ts'
import { openApp, sidOf } from './apps.ts'
import { ENDED, keyOf, newStore, read } from './support.ts'

// What express-session documents, on Express 5, with its options as applications set them.

describe('express-session on Express 5', () => {
  const redis = useRedis()
  const open = (options: object = {}) => {
    const prefix = newPrefix()
    return {
      prefix,
      store: newStore(redis.client, { prefix, ...options }),
      keys: () => redis.client.keys(`${prefix}*`),
    }
  }

  it('stores a session that nobody has written to with saveUninitialized, and only then', async (t) => {
    for (const saveUninitialized of [true, false]) {
      const { store, keys } = open()
      const routes = await openApp(t, store, (app) => app.get('/', (_req, res) => void res.end()), {
        saveUninitialized,
      })
      const visitor = routes.visitor()
      const { cookies } = await visitor.get('/')
      assert.equal(cookies.length, saveUninitialized ? 1 : 0)
      assert.equal((await keys()).length > 0, saveUninitialized)
      if (saveUninitialized) {
        assert.ok(await store.get(sidOf(visitor)))
        // Once there, it is not begun again.
        assert.equal((await visitor.get('/')).cookies.length, 0)
      }
      assert.deepEqual(routes.errors, [])
    }
  })

  it('saves an unmodified session with resave, which overwrites nobody else', async (t) => {
    const { store } = open()
    let both = async () => {}
    const { visitor, errors } = await openApp(
      t,
      store,
      (app) => {
        app.get('/look', async (_req, res) => {
          await both()
          res.end()
        })
        app.post('/add', async (req, res) => {
          await both()
          req.session.n = (req.session.n ?? 0) + 1
          res.end()
        })
      },
      { resave: true },
    )
    const one = visitor()
    await one.post('/add')
    for (let i = 0; i < 20; i++) {
      both = barrier(2)
      await Promise.all([one.get('/look'), one.post('/add')])
    }
    assert.equal((await read(store, sidOf(one))).n, 21)
    assert.deepEqual(errors, [])
  })

  for (const rolling of [true, false]) {
    it(`${rolling ? 'sends the cookie with every response' : 'moves only the end in the store'} (rolling: ${rolling})`, async (t) => {
      const { store, prefix } = open({ touchInterval: 0 })
      const routes = await openApp(
        t,
        store,
        (app) => {
          app.get('/', (_req, res) => void res.end())
          app.post('/begin', (req, res) => {
            req.session.user = 'ada'
            res.end()
          })
        },
        { rolling, cookie: { maxAge: 60_000 } },
      )
      const visitor = routes.visitor()
      await visitor.post('/begin')
      const key = keyOf(prefix, sidOf(visitor))
      const expires = async () => Number(await redis.client.hGet(key, '_expires'))
      const [before, ttl] = [await expires(), await redis.client.pExpireTime(key)]
      await eventually(() => Date.now() > before - 60_000 + 20)
      const { cookies } = await visitor.get('/')
      assert.equal(cookies.length, rolling ? 1 : 0)
      const end = await expires()
      assert.ok(end >= before + 20)
      assert.ok((await redis.client.pExpireTime(key)) >= ttl + 10)
      if (rolling) assert.match(cookies[0] ?? '', new RegExp(`Expires=${new Date(end).toUTCString()}`))
      // What is said of the cookie and when the session ends are the same instant, but for the way to Redis.
      assert.ok(Math.abs((await redis.client.pExpireTime(key)) - end) < 5000)
    })
  }

  it('regenerates: a new id, nothing of the old session, and the old one is over', async (t) => {
    const { store } = open()
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/begin', (req, res) => {
        req.session.cart = ['hat']
        res.end()
      })
      app.post('/again', (req, res, next) => {
        req.session.regenerate((error) => {
          if (error) return next(error)
          req.session.user = 'ada'
          res.json({ cart: req.session.cart ?? null })
        })
      })
      app.get('/', (req, res) => void res.json({ ...req.session, cookie: undefined }))
    })
    const one = visitor()
    await one.post('/begin')
    const [sid, cookie] = [sidOf(one), one.cookieHeader]
    assert.deepEqual((await one.post('/again')).json, { cart: null })
    assert.notEqual(sidOf(one), sid)
    assert.deepEqual((await one.get('/')).json, { user: 'ada' })
    assert.deepEqual((await one.get('/', { cookie })).json, {})
    assert.equal(await store.get(sid), null)
    await assert.rejects(store.set(sid, { cookie: {} } as never), ENDED)
    assert.deepEqual(errors, [])
  })

  it('saves at once, several times, and before a redirect', async (t) => {
    const { store } = open()
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/begin', (req, res, next) => {
        req.session.a = 1
        req.session.save((error) => {
          if (error) return next(error)
          req.session.b = 1
          req.session.save((second) => {
            if (second) return next(second)
            delete req.session.a
            req.session.save((third) => (third ? next(third) : res.redirect('/')))
          })
        })
      })
      app.get('/', (req, res) => void res.json({ ...req.session, cookie: undefined }))
    })
    const one = visitor()
    assert.equal((await one.post('/begin')).headers.location, '/')
    assert.deepEqual((await one.get('/')).json, { b: 1 })
    assert.deepEqual(errors, [])
  })

  it('reloads what others have written, and afterwards writes its own changes only', async (t) => {
    const { store } = open()
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/begin', (req, res) => {
        Object.assign(req.session, { a: 1, b: 1, c: 1 })
        res.end()
      })
      app.post('/reload', async (req, res, next) => {
        req.session.a = 'dropped'
        const other = await read(store, req.sessionID)
        other.b = 2
        await store.set(req.sessionID, other)
        req.session.reload(async (error) => {
          if (error) return next(error)
          const seen = { a: req.session.a, b: req.session.b }
          other.c = 2
          await store.set(req.sessionID, other)
          req.session.a = 3
          res.json(seen)
        })
      })
    })
    const one = visitor()
    await one.post('/begin')
    assert.deepEqual((await one.post('/reload')).json, { a: 1, b: 2 })
    const { a, b, c } = await read(store, sidOf(one))
    assert.deepEqual({ a, b, c }, { a: 3, b: 2, c: 2 })
    assert.deepEqual(errors, [])
  })

  it('keeps changes deep inside, dates, nulls, and what is deleted', async (t) => {
    const { store } = open()
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/begin', (req, res) => {
        Object.assign(req.session, { deep: { list: [{ n: 1 }] }, when: new Date(0), none: null, gone: 1, left: 'x' })
        res.end()
      })
      app.post('/change', (req, res) => {
        req.session.deep.list[0].n++
        req.session.deep.list.push({ n: 10 })
        delete req.session.gone
        req.session.left = undefined
        res.end()
      })
      app.get('/', (req, res) => void res.json({ ...req.session, cookie: undefined }))
    })
    const one = visitor()
    await one.post('/begin')
    await one.post('/change')
    const seen = { deep: { list: [{ n: 2 }, { n: 10 }] }, when: '1970-01-01T00:00:00.000Z', none: null }
    assert.deepEqual((await one.get('/')).json, seen)
    assert.deepEqual(errors, [])
  })

  it("keeps an application's own properties of whatever name", async (t) => {
    const { store } = open()
    const names = [
      'roles',
      'ip',
      'user_id',
      'created_at',
      'deadline',
      'device',
      'request_count',
      '_x',
      '_cookie',
      '_p:a',
    ]
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/set/:value', (req, res) => {
        for (const name of names) req.session[name] = [req.params.value]
        // Not the prototype but a property, as JSON would make it. express-session does not take it over when it reads.
        Object.defineProperty(req.session, '__proto__', { value: { x: 1 }, enumerable: true, configurable: true })
        res.end()
      })
      app.post('/drop', (req, res) => {
        for (const name of names) delete req.session[name]
        res.end()
      })
      app.get('/', (req, res) => void res.json({ ...req.session, cookie: undefined }))
    })
    const one = visitor()
    for (const value of ['first', 'second']) {
      await one.post(`/set/${value}`)
      const stored = await read(store, sidOf(one))
      assert.deepEqual(Object.getOwnPropertyDescriptor(stored, '__proto__')?.value, { x: 1 })
      assert.deepEqual((await one.get('/')).json, Object.fromEntries(names.map((name) => [name, [value]])))
    }
    await one.post('/drop')
    assert.deepEqual((await one.get('/')).json, {})
    assert.deepEqual(errors, [])
  })

  it('ends the session of a request that unsets it, where that is asked for', async (t) => {
    for (const unset of ['destroy', 'keep'] as const) {
      const { store } = open()
      const { visitor, errors } = await openApp(
        t,
        store,
        (app) => {
          app.post('/begin', (req, res) => {
            req.session.a = 1
            res.end()
          })
          app.post('/unset', (req, res) => {
            req.session = null as never
            res.end()
          })
        },
        { unset },
      )
      const one = visitor()
      await one.post('/begin')
      await one.post('/unset')
      assert.equal((await store.get(sidOf(one))) === null, unset === 'destroy')
      assert.deepEqual(errors, [])
    }
  })

  it('takes the cookie as each request leaves it: longer, shorter, or as long as the browser runs', async (t) => {
    const { store, prefix } = open()
    const { visitor, errors } = await openApp(t, store, (app) => {
      app.post('/begin', (req, res) => {
        req.session.a = 1
        res.end()
      })
      app.post('/for/:ms', (req, res) => {
        req.session.cookie.maxAge = Number(req.params.ms)
        req.session.n = req.params.ms
        res.end()
      })
      app.post('/browser', (req, res) => {
        req.session.cookie.expires = false as never
        req.session.n = 'browser'
        res.end()
      })
      app.get('/', (req, res) => void res.json(req.session.cookie))
    })
    const one = visitor()
    await one.post('/begin')
    const key = keyOf(prefix, sidOf(one))
    const lasts = async (ms: number) => {
      const left = await redis.client.pTTL(key)
      assert.ok(left <= ms && left > ms - 10_000, `${left} of ${ms} ms are left`)
    }
    await lasts(86_400_000)
    for (const ms of [3_600_000, 60_000, 7_200_000]) {
      await one.post(`/for/${ms}`)
      await lasts(ms)
      const { originalMaxAge, expires } = (await one.get('/')).json
      assert.ok(Math.abs(originalMaxAge - ms) < 10)
      assert.equal(new Date(expires).getTime() <= Date.now() + ms, true)
    }
    await one.post('/browser')
    await lasts(86_400_000)
    assert.equal(await redis.client.hExists(key, '_expires'), 0)
    assert.equal((await one.get('/')).json.expires, false)
    assert.deepEqual(errors, [])
  })

  it('loads a session as express-session does for others, by its id alone', async (t) => {
    const { store } = open()
    const { visitor } = await openApp(t, store, (app) => {
      app.post('/begin', (req, res) => {
        Object.assign(req.session, { a: 1, b: 1 })
        res.end()
      })
    })
    const one = visitor()
    await one.post('/begin')
    const sid = sidOf(one)
    const load = (id: string) =>
      // biome-ignore lint/suspicious/noExplicitAny: a session as express-session gives it
      new Promise<any>((resolve, reject) => store.load(id, (error, found) => (error ? reject(error) : resolve(found))))
    const [first, second] = [await load(sid), await load(sid)]
    first.a = 2
    second.b = 2
    await new Promise((resolve) => first.save(resolve))
    await new Promise((resolve) => second.save(resolve))
    const { a, b } = await read(store, sid)
    assert.deepEqual({ a, b }, { a: 2, b: 2 })
    assert.equal(await load('unknown'), undefined)
  })

  it('works with ids of its own making', async (t) => {
    const { store, keys } = open()
    let made = 0
    const { visitor } = await openApp(
      t,
      store,
      (app) => {
        app.post('/begin', (req, res) => {
          req.session.id_seen = req.sessionID
          res.end()
        })
        app.get('/', (req, res) => void res.json(req.session.id_seen))
      },
      { genid: () => `Ada/${++made} {x} \u{1f9e5}` },
    )
    const one = visitor()
    await one.post('/begin')
    assert.equal((await one.get('/')).json, 'Ada/1 {x} \u{1f9e5}')
    assert.ok((await keys()).every((key) => !key.includes('Ada')))
  })
})
