import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createSessions, type Finding } from '../../src/index.ts'
import { redisStore } from '../../src/redis.ts'
import { block } from '../docs/pages.ts'
import type { AnyClient } from './clients.ts'
import { CLIENTS } from './clients.ts'
import { clientsToTry } from './many-clients.ts'
import { useRedis, warningsOf } from './support.ts'

/** The rule that docs/production.md gives. */
const [, , user = '', ...RULE] = block('docs/production.md', 'acl').trim().split(/\s+/)
/** What sessions go on without. */
const OPTIONAL = ['+publish', '+subscribe', '+info', '&session:events']

/** Of the clients: a warning is given once. */
let isFirst = true

for (const [name, newClient] of clientsToTry(CLIENTS)) {
  describe(`an ACL user, with ${name}`, { timeout: 60_000 }, () => {
    const redis = useRedis({ args: ['--maxmemory', '200mb', '--appendonly', 'yes'] })

    /** A client of a user with these rights, and what becomes of the rights later. */
    async function userWith(t: TestContext, rules: readonly string[]): Promise<AnyClient> {
      await allow(rules)
      const url = new URL(redis.server.url)
      Object.assign(url, { username: user, password: 'secret' })
      const client = newClient(url.href)
      t.after(() => client.destroy())
      await client.connect()
      return client
    }

    async function allow(rules: readonly string[]): Promise<void> {
      await redis.client.sendCommand(['ACL', 'SETUSER', user, 'reset', ...rules])
    }

    it('with the least rights has all that sessions need, and nothing is refused', async (t) => {
      const { client } = await userWith(t, RULE)
      await redis.client.sendCommand(['ACL', 'LOG', 'RESET'])
      const warnings = await warningsOf(async () => {
        assert.deepEqual(await createSessions({ store: redisStore(client) }).check(), [])
      })
      assert.deepEqual(warnings, [])
      assert.deepEqual(await redis.client.aclLog(), [])
    })

    it('that lacks any one of them is told which', async (t) => {
      const { client } = await userWith(t, RULE)
      const sessions = createSessions({ store: redisStore(client), storeTimeout: '10s' })
      const rights = RULE.filter((rule) => /^[+~&]/.test(rule) && rule !== '+hello')
      assert.ok(rights.length > 30)
      for (const right of rights) {
        await allow(RULE.filter((rule) => rule !== right))
        const expected = OPTIONAL.includes(right) ? ['ACL_OPTIONAL', 'warning'] : ['ACL', 'error']
        assertNames(await sessions.check(), expected, right)
      }
    })

    it('that lacks what its client needs to connect is told so, if it does', async (t) => {
      await allow(RULE.filter((rule) => rule !== '+hello'))
      const client = newClient(redis.server.url.replace('//', `//${user}:secret@`))
      t.after(() => client.destroy())
      client.connect().catch(() => undefined)
      const sessions = createSessions({ store: redisStore(client.client), storeTimeout: '5s' })
      // A client that speaks RESP2 says no HELLO.
      await sessions.check().then(
        (findings) => assert.deepEqual(findings, []),
        ({ message }) => assert.match(message, /lacks a right that the client needs to connect.*\(NOPERM\)/),
      )
    })

    it('that lacks several is told of all of them', async (t) => {
      const { client } = await userWith(t, RULE)
      const sessions = createSessions({ store: redisStore(client) })
      await allow(RULE.filter((rule) => !['+hget', '+zadd', '+time', '+publish'].includes(rule)))
      const [needed, optional, ...others] = await sessions.check()
      assert.match(needed?.message ?? '', /ACL SETUSER <user> \+time \+hget \+zadd$/)
      assert.match(optional?.message ?? '', /ACL SETUSER <user> \+publish$/)
      assert.deepEqual(others, [])
    })

    it('needs to read and write every key of the prefix', async (t) => {
      const { client } = await userWith(t, RULE)
      const sessions = createSessions({ store: redisStore(client) })
      const all = '~session:{??}:*'
      const sessionsAlone = '~session:{??}:??????????????????????'
      for (const pattern of [all, '%R~session:*', '%W~session:*', sessionsAlone]) {
        await allow(RULE.map((rule) => (rule === '~session:*' ? pattern : rule)))
        const findings = await sessions.check()
        if (pattern === all) assert.deepEqual(findings, [])
        else assertNames(findings, ['ACL', 'error'], '~session:*')
      }
    })

    it('that lacks a needed one is warned of as the client is connected, and not of those that may be left out', async (t) => {
      await userWith(
        t,
        RULE.filter((rule) => !OPTIONAL.includes(rule)),
      ).then(connected)
      assert.deepEqual(await userWith(t, RULE).then(connected), [])
      const without = (right: string) => RULE.filter((rule) => rule !== right)
      const warnings = [
        ...(await userWith(t, without('+hincrby')).then(connected)),
        ...(await userWith(t, without('+zadd')).then(connected)),
      ]
      // Once in a process.
      assert.deepEqual(
        warnings.map(({ code }) => code),
        isFirst ? ['COATCHECK_ACL'] : [],
      )
      if (isFirst) assert.match(warnings[0]!.message, /lacks rights.*\+hincrby.*ACL SETUSER <user> \+hincrby$/)
      isFirst = false
    })
  })
}

/** What is said as a store gets a connection. */
function connected({ client, ping }: AnyClient) {
  return warningsOf(async () => {
    const store = redisStore(client)
    while (store.now() === null) await pause(1)
    // All is asked in one turn, so this is answered behind it.
    await ping().catch(() => undefined)
  })
}

function assertNames(findings: readonly Finding[], expected: readonly string[], right: string): void {
  assert.deepEqual([findings.map(({ code, level }) => [code, level]), right], [[expected], right])
  assert.ok(
    findings[0]?.message.includes(` ${right}`) && findings[0].message.includes('ACL SETUSER'),
    findings[0]?.message,
  )
}
