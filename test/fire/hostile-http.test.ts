import assert from 'node:assert/strict'
import { connect } from 'node:net'
import test from 'node:test'
import fc from 'fast-check'
import { idOfToken, isToken } from '../../src/core/token.ts'
import { createSessions } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { inParallel } from '../support/http.ts'
import { assertEveryKeyExpires, assertNoToken, startRedis } from '../support/redis-server.ts'
import { startApp } from './child.ts'
import { type Delivery, delivery, type Plan } from './hostile-requests.ts'

// HOSTILE_REQUESTS sets how many requests are sent, HOSTILE_SEED sends the same ones again.

const REQUESTS = Number(process.env.HOSTILE_REQUESTS ?? 5000)
const SEED = Number(process.env.HOSTILE_SEED ?? Math.floor(Math.random() * 2 ** 31))
const BATCH = 250
/** What the heap may have grown by, in bytes, for the memory to count as flat. */
const GROWTH = 3_000_000
/** In the data of a session that no request may reach. */
const SECRET = 'the coat that nobody else gets'

test(`${REQUESTS} hostile requests are each answered below 500, and change nothing that is not theirs`, {
  timeout: 60_000 + REQUESTS * 20,
}, async (t) => {
  t.diagnostic(`HOSTILE_SEED=${SEED}`)
  const redis = await startRedis()
  t.after(() => redis.stop())
  const client = await redis.connect()
  // The deadline is not what is tested here, and a busy machine is no failure.
  const app = await startApp(t, { redisUrl: redis.url, sessions: { idleTimeout: '2m', storeTimeout: '20s' } })
  const direct = createSessions<Record<string, unknown>>({ store: redisStore(client) })
  t.after(() => direct.close())
  const control = await direct.create({ secret: SECRET, count: 7 })
  const controlKey = `session:{${control.id.slice(0, 2)}}:${control.id.slice(2)}`
  const before = { ...(await client.hGetAll(controlKey)) }
  const own: string[] = []
  const issued = new Set<string>()
  const beginAnew = async (i: number) => {
    const { token } = await direct.create({ text: 'abc', count: Number.MAX_SAFE_INTEGER })
    own[i] = token
    issued.add(token)
  }

  const statuses = new Map<number, number>()
  const codes = new Map<string, number>()
  let [deliveries, sent, aborted, answers, silent] = [0, 0, 0, 0, 0]
  const send = async (plan: Plan, replay: string) => {
    const planned = plan({ own, control: control.token })
    sent += planned.requests
    deliveries++
    const received = await deliver(app.port, planned)
    if (planned.abort !== null) aborted++
    else if (received === '') silent++
    const request = () => `${replay}\n${planned.bytes.toString('latin1').slice(0, 600)}\n=>\n${received.slice(0, 600)}`
    assert.ok(!received.includes(SECRET), `the control session was shown: ${request()}`)
    for (const [, status] of received.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)) {
      answers++
      count(statuses, Number(status))
      assert.ok(Number(status) < 500, request())
    }
    for (const [, code = ''] of received.matchAll(/"error":"(ERR_\w+)"/g)) count(codes, code)
    for (const [, token = ''] of received.matchAll(/^Set-Cookie: __Host-sid=([\w-]{43});/gim)) {
      assert.ok(isToken(token))
      issued.add(token)
      // The clients go on with the sessions that they are given, too.
      own[10 + (issued.size % 10)] = token
    }
  }

  const heap: number[] = []
  for (let batch = 0; sent < REQUESTS; batch++) {
    for (let i = 0; i < (batch === 0 ? 20 : 10); i++) await beginAnew(i)
    const plans = fc.sample(delivery, { seed: SEED + batch, numRuns: BATCH })
    await inParallel(plans.length, 12, (i) => send(plans[i] as Plan, `seed ${SEED + batch}, delivery ${i}`))
    heap.push(await app.ask('memory'))
  }

  const third = Math.floor(heap.length / 3)
  const growth = median(heap.slice(-third)) - median(heap.slice(0, third))
  t.diagnostic(
    `${sent} requests in ${deliveries} deliveries, ${aborted} broken off, ${silent} without an answer, ${answers} answers: ${JSON.stringify([...statuses])}`,
  )
  t.diagnostic(`errors: ${JSON.stringify([...codes])}`)
  t.diagnostic(`heap after gc, MB: ${heap.map((bytes) => (bytes / 1e6).toFixed(1)).join(' ')}`)
  t.diagnostic(`heap of the last third against the first: ${growth} bytes`)
  assert.ok(growth < GROWTH, `the heap has grown by ${growth} bytes`)

  // Requests of every kind have come through: else this would prove nothing.
  for (const status of [200, 400, 404]) assert.ok((statuses.get(status) ?? 0) > 50, `few answers of ${status}`)
  for (const code of ['RESERVED', 'NAME', 'VALUE', 'TOO_LARGE', 'NOT_INTEGER', 'RANGE']) {
    assert.ok(codes.has(`ERR_FIELD_${code}`), `no ERR_FIELD_${code}`)
  }
  assert.ok(codes.has('ERR_ARGUMENT'), 'no ERR_ARGUMENT')
  assert.ok(silent < 0.02 * deliveries, `${silent} of ${deliveries} deliveries got no answer`)

  assert.ok(app.isAlive)
  const plainHttp = /^\(node:\d+\) \[COATCHECK_SECURE_COOKIE\].*\n\(Use `node --trace-warnings.*\n/m
  assert.equal(app.stderr.replace(plainHttp, ''), '')
  assert.deepEqual({ ...(await client.hGetAll(controlKey)) }, before)
  assert.equal((await direct.peek(control.token))?.data.secret, SECRET)
  assert.equal(idOfToken(control.token), control.id)
  t.diagnostic(`${await assertEveryKeyExpires(client)} keys, ${issued.size} tokens`)
  await assertNoToken(client, [control.token, ...[...issued].slice(-30)])
  for (const token of issued) assert.ok(!app.stderr.includes(token) && !app.stdout.includes(token))
})

/** Sends what was planned. Resolves with all that came back, when the connection has ended. */
function deliver(port: number, { bytes, splitAt, abort }: Delivery): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const patience = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end in 30 s: ${bytes.toString('latin1').slice(0, 600)}\n=>\n${received.slice(0, 600)}`))
    }, 30_000)
    let received = ''
    socket.setEncoding('latin1').on('data', (text) => {
      received += text
    })
    // Whoever is answered before all is sent finds the connection closed.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(patience)
      resolve(received)
    })
    if (abort !== null) {
      const part = bytes.subarray(0, abort.at)
      if (abort.how === 'half-close') socket.end(part)
      else socket.write(part, () => socket.destroy())
    } else if (splitAt !== null) {
      socket.setNoDelay(true)
      socket.write(bytes.subarray(0, splitAt), () => setImmediate(() => socket.write(bytes.subarray(splitAt))))
    } else {
      socket.write(bytes)
    }
  })
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? assert.fail('no numbers')
}
