import assert from 'node:assert/strict'
import { connect as connectTo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { type Sessions, StoreError } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { type Data, open } from '../core/sessions-contract.ts'
import { Authority, type Certificate } from '../support/certificate.ts'
import { measureStall } from '../support/lag.ts'
import { startRedis } from '../support/redis-server.ts'
import { type AnyClient, CLIENTS } from './clients.ts'
import { clientsToTry } from './many-clients.ts'
import { warningsOf } from './support.ts'

// What is set up wrongly: requests fail within their deadline with a word on why, the process goes on, and service comes by
// itself once it is put right.

const DEADLINE = 400

/** The clients here trust this one, as if the machine did. */
const trusted = new Authority('An authority of these tests')
setDefaultCACertificates([...getCACertificates('default'), trusted.cert])

for (const [name, newClient] of clientsToTry(CLIENTS)) {
  describe(`with ${name}`, { timeout: 60_000 }, () => {
    /** Sessions by a client that may not get in. */
    function by(t: TestContext, url: string, storeTimeout = DEADLINE): { sessions: Sessions<Data>; client: AnyClient } {
      const client = newClient(url)
      t.after(() => client.destroy())
      const sessions = open(redisStore(client.client), { storeTimeout, touchInterval: 0 })
      client.connect().catch(() => undefined)
      return { sessions, client }
    }

    async function start(t: TestContext, args: string[] = []) {
      const server = await startRedis({ args })
      t.after(() => server.stop())
      const [, password] = args
      const admin = await server.connect(password === undefined ? {} : { password })
      return { server, admin }
    }

    it('a wrong password is told, and nothing has to be started again once it is right', async (t) => {
      const { server, admin } = await start(t, ['--requirepass', 'right'])
      const { sessions } = by(t, server.url.replace('//', '//:wrong@'))
      const warnings = await warningsOf(async () => {
        await isRefused(sessions, /refuses the user name or the password \(WRONGPASS\)/)
      })
      assertWarned(warnings, /\(WRONGPASS\)/)
      await admin.configSet('requirepass', 'wrong')
      await isServed(sessions)
    })

    it('no password where one is wanted is told, likewise', async (t) => {
      const { server, admin } = await start(t, ['--requirepass', 'right'])
      const { sessions } = by(t, server.url)
      await isRefused(sessions, /wants a password.*\(NOAUTH\)/)
      await admin.configSet('requirepass', '')
      // Connected without one, it has to come again.
      await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal'])
      await isServed(sessions)
    })

    it('a password that is changed concerns nobody who is connected, and is told when they come again', async (t) => {
      const { server, admin } = await start(t, ['--requirepass', 'first'])
      const { sessions } = by(t, server.url.replace('//', '//:first@'))
      await isServed(sessions)
      const { token } = await sessions.create({ name: 'Ada' })
      await admin.configSet('requirepass', 'second')
      assert.equal((await sessions.load(token))?.data.name, 'Ada')
      await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal'])
      await isRefused(sessions, /\(WRONGPASS\)/)
      await admin.configSet('requirepass', 'first')
      await isServed(sessions)
      assert.equal((await sessions.load(token))?.data.name, 'Ada')
    })

    it('a right that a user loses fails what needs it, by name, until it is given back', async (t) => {
      const { server, admin } = await start(t)
      await admin.sendCommand(['ACL', 'SETUSER', 'shop', 'on', '>secret', '~*', '&*', '+@all'])
      const { sessions } = by(t, server.url.replace('//', '//shop:secret@'))
      await isServed(sessions)
      const { token } = await sessions.create({ name: 'Ada', views: 1 })
      for (const [right, fails] of [
        ['hgetall', () => sessions.load(token)],
        ['hincrby', () => sessions.increment(token, 'views')],
        ['evalsha', () => sessions.increment(token, 'views')],
        ['del', () => sessions.destroy(token)],
      ] as const) {
        await admin.sendCommand(['ACL', 'SETUSER', 'shop', `-${right}`])
        await assert.rejects(fails, { code: 'ERR_STORE_REPLY', status: 503 })
        const findings = await sessions.check()
        assert.deepEqual(
          findings.filter(({ level }) => level === 'error').map(({ message }) => message.split('SETUSER <user> ')[1]),
          [`+${right}`],
        )
        await admin.sendCommand(['ACL', 'SETUSER', 'shop', `+${right}`])
      }
      assert.deepEqual((await sessions.load(token))?.data, { name: 'Ada', views: 1 })
    })

    for (const [what, wrong, code] of [
      ['that nobody knows', () => new Authority('Nobody').issue('localhost'), /CERT|VERIFY/],
      ['for another host', () => trusted.issue('elsewhere.example'), /ERR_TLS_CERT_ALTNAME_INVALID/],
    ] as const) {
      it(`a certificate ${what} is told, and nothing has to be started again once it is right`, async (t) => {
        const { server } = await start(t)
        const tls = await inTls(t, server.port, wrong())
        const { sessions } = by(t, `rediss://localhost:${tls.port}`)
        const failure = await isRefused(sessions, /certificate is not accepted/)
        assert.match((failure.cause as { code: string }).code, code)
        tls.present(trusted.issue('localhost'))
        await isServed(sessions)
      })
    }

    it('scripts and functions that are flushed in the midst of work lose nothing', async (t) => {
      const { server, admin } = await start(t)
      const { sessions } = by(t, server.url, 10_000)
      await isServed(sessions)
      const { token } = await sessions.create({ name: '' })
      let flushes = 0
      let isOver = false
      const flush = async () => {
        while (!isOver) {
          await admin.sendCommand(['SCRIPT', 'FLUSH', flushes % 2 ? 'SYNC' : 'ASYNC'])
          await admin.sendCommand(['FUNCTION', 'FLUSH'])
          flushes++
        }
      }
      const work = async () => {
        for (let i = 0; i < 50; i++) {
          await sessions.increment(token, 'views')
          await sessions.update(token, 'name', (name) => `${name}.`)
        }
      }
      const working = Promise.all([work(), work(), work(), work()]).finally(() => {
        isOver = true
      })
      await Promise.all([working, flush()])
      assert.ok(flushes > 10, `flushed ${flushes} times`)
      assert.deepEqual((await sessions.peek(token))?.data, { name: '.'.repeat(200), views: 200 })
    })
  })
}

/** Requests fail in time with an error that is ours, and `check()` says why. */
async function isRefused(sessions: Sessions<Data>, why: RegExp): Promise<StoreError> {
  const busy = measureStall()
  const begin = performance.now()
  await assert.rejects(
    sessions.create({ name: 'Ada' }),
    (error) => error instanceof StoreError && error.outcome !== undefined,
  )
  const took = performance.now() - begin
  assert.ok(took < DEADLINE + 200 + busy(), `took ${took} ms`)
  // The client may not have been told yet.
  for (let attempt = 1; ; attempt++) {
    const failure = await sessions.check().then(
      () => assert.fail('it answered'),
      (error: unknown) => error,
    )
    assert.ok(failure instanceof StoreError && failure.status === 503, String(failure))
    if (why.test(failure.message)) return failure
    assert.ok(attempt < 20, failure.message)
  }
}

async function isServed(sessions: Sessions<Data>): Promise<void> {
  while (
    !(await sessions.create().then(
      () => true,
      (error) => assert.ok(error instanceof StoreError),
    ))
  )
    await pause(10)
}

/** It is said once in a process, by the first of the clients. */
let isFirst = true

function assertWarned(warnings: (Error & { code?: string })[], text: RegExp): void {
  const told = warnings.filter(({ code }) => code === 'COATCHECK_REDIS_CONNECTION')
  assert.equal(told.length, isFirst ? 1 : 0)
  if (isFirst) assert.match(told[0]!.message, text)
  isFirst = false
}

/** A server that hands on to another what comes by TLS. */
async function inTls(t: TestContext, port: number, certificate: Certificate) {
  const server = createServer(certificate, (socket) => {
    const onward = connectTo(port, '127.0.0.1')
    socket.pipe(onward).pipe(socket)
    for (const end of [socket, onward])
      end.on('error', () => undefined).on('close', () => [socket, onward].map((each) => each.destroy()))
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  t.after(() => server.close())
  return {
    port: (server.address() as { port: number }).port,
    present: (other: Certificate) => server.setSecureContext(other),
  }
}
