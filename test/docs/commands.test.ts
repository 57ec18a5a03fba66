import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { idOfToken } from '../../src/core/token.ts'
import { createSessions } from '../../src/index.ts'
import { scripts } from '../../src/redis/scripts.ts'
import { type NodeRedisClient, redisStore } from '../../src/redis.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { codeBlocks, ROOT, readPage } from './pages.ts'

// docs/how-it-works.md prints the exact commands of every operation. Here each operation is carried out, and what was sent
// (`onCommand`) and done (`MONITOR`) is compared with the page. After a change in lua/,
// `UPDATE_DOCS=1 npx node --test test/docs/commands.test.ts` writes what it finds into the page, for you to read.

const PAGE = 'docs/how-it-works.md'
const NAME_OF_SCRIPT = new Map(Object.entries(scripts).map(([name, { sha1 }]) => [sha1, name]))

interface Data {
  username: string
  theme: string
  views: number
  cart: string[]
}

/** Instants and names that differ from run to run, by what they are. */
class Placeholders {
  /** A session's id by the name that the page gives it. */
  readonly ids = new Map<string, string>()
  readonly deadlines = new Set<number>()
  idleTimeout = 30 * 60 * 1000

  forgetSessions(): void {
    this.ids.clear()
  }

  /** @param before the word before this one */
  of(word: string, before?: string): string {
    if (word.startsWith('{"')) return `'${this.#told(JSON.parse(word))}'`
    // Only a login has words of this shape: no token is ever sent.
    if (/^[\w-]{43}$/.test(word)) return '<seal>'
    if (before === '_sealed_until' && /^\d{13}$/.test(word)) return '<seal end>'
    // When a user was logged out everywhere is kept to the microsecond.
    if (/^\d{13}\.\d{3}$/.test(word)) return this.#instant(Math.trunc(Number(word)))
    const script = NAME_OF_SCRIPT.get(word)
    if (script !== undefined) return `<${script}.lua>`
    const [, bracket = '', digits] = /^(\(?)(\d{13})$/.exec(word) ?? []
    if (digits !== undefined) return bracket + this.#instant(Number(digits))
    let text = word
    for (const [id, name] of this.ids) {
      text = text === id ? `<${name} id>` : text.replace(`{${id.slice(0, 2)}}:${id.slice(2)}`, `{Qx}:<${name}>`)
    }
    text = text.replace(/\{[0-9A-Za-z]{2}\}/, '{Qx}')
    return /^[\w:{}<>.\- +]+$/.test(text) && !/^[ ]|[ ]$/.test(text) ? text : text === '' ? '""' : `'${text}'`
  }

  /** What a call says of itself, and what is told of it; Lua knows no order of names. */
  #told(said: Record<string, unknown>): string {
    const { from: _, at, id, userId, previous, ...rest } = said
    const idOf = (of: unknown) => (typeof of === 'string' ? this.of(of) : of)
    const { type, cause, actor } = rest
    const json = JSON.stringify({
      from: '<process>',
      type,
      cause,
      actor,
      previous: idOf(previous),
      ...(id !== undefined && { id: idOf(id) }),
      ...(userId !== undefined && { userId }),
      ...(at !== undefined && { at: this.#instant(Number(at)) }),
    })
    return json.replace(/"at":"(<[^"]+>)"/, '"at":$1')
  }

  #instant(at: number): string {
    if (this.deadlines.has(at)) return '<deadline>'
    const lengths = {
      now: 0,
      expiry: this.idleTimeout,
      'grace end': 10_000,
      'reuse end': 60 * 60 * 1000,
      '5m ago': -5 * 60 * 1000,
    }
    const ago = (length: number) => Date.now() - (at - length)
    const found = Object.entries(lengths).find(([, length]) => ago(length) > -500 && ago(length) < 5000)
    if (found === undefined) throw new Error(`an instant that the page does not know: ${at}`)
    return `<${found[0]}>`
  }
}

function lines(trace: string[][], placeholders: Placeholders): string[] {
  const counted: [line: string, times: number][] = []
  for (const words of trace) {
    const inside = words[0] === '  '
    const line = `${inside ? '  ' : ''}${words
      .slice(inside ? 1 : 0)
      .map((word, i, all) => (i === begunAt(all) ? '<begun>' : placeholders.of(word, all[i - 1])))
      .join(' ')}`
    const same = inside ? undefined : counted.find(([seen]) => seen === line)
    if (same) same[1]++
    else counted.push([line, 1])
  }
  return counted.map(([line, times]) => (times === 1 ? line : `${times} x ${line}`))
}

/** Where a script that begins a user's session is told when the login began. */
function begunAt([command, sha1 = '', keys, ...rest]: string[]): number {
  if (command !== 'EVALSHA' || NAME_OF_SCRIPT.get(sha1) !== 'create') return -1
  const at = Number(keys) + 7
  return rest[at] === '' ? -1 : at + 3
}

/** What many operations share is printed once; elsewhere a line in brackets names it. */
function fold(all: string[], name: string, part: string[]): string[] {
  for (const [suffix, of] of [
    ['', '<session'],
    [', of the successor', '<successor'],
  ] as const) {
    const own = part.map((line) => line.replaceAll('<session', of))
    const at = all.findIndex((_, i) => own.every((line, j) => all[i + j] === line))
    if (at !== -1) return [...all.slice(0, at), `  (${name}${suffix})`, ...all.slice(at + own.length)]
  }
  return all
}

/** What an index needs only if it is new, or if it lives for longer already: the page says so in words. */
function isNowAndThen([name, key = '', , condition]: string[]): boolean {
  return (name === 'PEXPIREAT' && condition === 'NX') || (name === 'PEXPIRETIME' && key.endsWith(':seen'))
}

describe('the commands on the page', () => {
  let server: RedisServer
  const found = new Map<string, string[]>()

  before(async () => {
    server = await startRedis()
    const client = await server.connect()
    const spy = await server.connect()
    const heard: string[][] = []
    let reached: (() => void) | undefined
    await spy.monitor((line) => {
      const words = [...String(line).matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) =>
        word.replaceAll(/\\(.)/g, '$1'),
      )
      if (words[0] === 'ECHO') reached?.()
      else if (String(line).includes(' lua] ')) {
        if (!isNowAndThen(words)) heard.push(['  ', ...words])
      } else heard.push(words)
    })
    const sent: string[][] = []
    /** MONITOR speaks over a connection of its own: it is heard out when it has told of this. */
    const hearOut = async () => {
      const end = new Promise<void>((resolve) => {
        reached = resolve
      })
      await client.sendCommand(['ECHO', 'end'])
      await end
    }
    const trace = async (operation: () => Promise<unknown>) => {
      await hearOut()
      heard.length = 0
      sent.length = 0
      await operation()
      await hearOut()
      const fromClient = heard.filter(([first]) => first !== '  ')
      assert.deepEqual(fromClient, sent, 'MONITOR has seen other commands than onCommand')
      return [...heard]
    }
    const store = redisStore(client, { onCommand: (words) => sent.push([...words]) })
    const sessions = createSessions<Data>({ store, touchInterval: 0 })
    await loadScripts(client)

    const placeholders = new Placeholders()
    const record = async (name: string, operation: () => Promise<unknown>) => {
      found.set(name, lines(await trace(operation), placeholders))
    }
    const know = async (name: string, token: string) => {
      const session = await sessions.peek(token)
      placeholders.ids.set(session!.id, name)
      placeholders.deadlines.add(session!.deadline)
    }

    const begin = async (name: string, create: () => Promise<{ token: string }>) => {
      let token = ''
      const seen = await trace(async () => {
        token = (await create()).token
      })
      await know('session', token)
      found.set(name, lines(seen, placeholders))
      return token
    }

    const token = await begin('create', () => sessions.create({ username: 'andrew', theme: 'dark', views: 1 }))
    await record('load, peek, find', () => sessions.peek(token))
    await record('touch', () => sessions.touch(token))
    const seldom = createSessions<Data>({ store })
    const plain = {}
    await seldom.openRequest(plain, `__Host-sid=${token}`)
    await record('write', async () => {
      seldom.of(plain).data.username = 'andrea'
      await seldom.of(plain).commit()
    })
    const request = {}
    await sessions.openRequest(request, `__Host-sid=${token}`)
    await record('commit', async () => {
      const { data } = sessions.of(request)
      data.username = 'anna'
      delete data.theme
      await sessions.of(request).commit()
    })
    await record('increment', () => sessions.increment(token, 'views'))
    await record('update', () => sessions.update(token, 'cart', (cart = []) => [...cart, 'umbrella']))
    await record('set', () => sessions.set(token, { username: 'andrew' }))
    await record('timeToLive', () => sessions.timeToLive(token))
    await record('count', () => sessions.count())
    await record('stats', () => sessions.stats())
    await record('countByIdleAge', () => sessions.countByIdleAge(['5m']))
    await record('recent', () => sessions.recent())
    placeholders.idleTimeout = 2 * 60 * 60 * 1000
    await record('setIdleTimeout', () => sessions.setIdleTimeout(token, '2h'))
    await record('destroy, revoke, logout', () => sessions.destroy(token))
    placeholders.idleTimeout = 30 * 60 * 1000
    // Indexes remember the longest expiry they have seen; what follows is to be as on an empty server.
    await client.flushAll()

    await begin('create, with a user', () => sessions.create({ username: 'andrew' }, { userId: 'u42' }))
    await client.flushAll()
    const rotated = await begin('create', () => sessions.create({ username: 'andrew', theme: 'dark', views: 1 }))
    let next = ''
    const rotating = await trace(async () => {
      next = (await sessions.rotate(rotated)).token!
    })
    await know('successor', next)
    found.set('rotate', lines(rotating, placeholders))
    await record('load by the old token', () => sessions.peek(rotated))
    const strict = createSessions<Data>({ store, rotationGrace: 0 })
    const { token: last } = await strict.rotate(next)
    placeholders.forgetSessions()
    await know('successor', last!)
    placeholders.ids.set(idOfToken(next), 'session')
    await record('load by the old token, after the grace', () => strict.load(next))

    await client.flushAll()
    placeholders.forgetSessions()
    const guest = await sessions.create({ username: 'andrew' })
    await know('guest', guest.token)
    const theirs = {}
    await sessions.openRequest(theirs, `__Host-sid=${guest.token}`)
    const session = sessions.of(theirs)
    const login = async (name: string) => {
      const seen = await trace(() => session.login('u42', { roles: ['editor'], device: 'laptop' }))
      placeholders.ids.set(session.id!, placeholders.ids.size === 1 ? 'session' : 'successor')
      placeholders.deadlines.add(session.deadline!)
      found.set(name, lines(seen, placeholders))
    }
    await login('login')
    const user = sessions.user('u42')
    await record('user(id).list, devices', () => user.list())
    await record('user(id).setRoles', () => user.setRoles(['reader']))
    await login('login, of the same user')
    placeholders.forgetSessions()
    placeholders.ids.set(session.id!, 'session')
    await record('user(id).revokeAll, revokeOthers', () => user.revokeAll({ actor: 'admin' }))
  })

  after(() => server.stop())

  /** The blocks as they ought to be, by heading. */
  const expected = () => {
    // A touch is nothing but these two parts, and what it writes to the session between them.
    const touch = found.get('touch') ?? []
    const from = (command: string, lines: string[]) => lines.findIndex((line) => line.startsWith(`  ${command} `))
    const entriesOf = (lines: string[]) => lines.slice(from('ZADD', lines))
    // What begins a session drops what has expired and writes the same entries, before it tells of it.
    const begun = (name: string) => (found.get(name) ?? []).slice(0, -1)
    const dropped = (lines: string[]) => lines.slice(from('ZRANGEBYSCORE', lines), from('ZADD', lines))
    const parts = new Map([
      ['is it alive', touch.slice(1, 3)],
      ['what has expired', dropped(begun('create'))],
      ['what has expired, with a user', dropped(begun('create, with a user'))],
      ['the index entries', entriesOf(touch)],
      ['the index entries, with a user', entriesOf(begun('create, with a user'))],
    ])
    const blocks = new Map(parts)
    for (const [name, all] of found) {
      blocks.set(
        name,
        [...parts].reduce((text, [part, own]) => fold(text, part, own), all),
      )
    }
    return blocks
  }
  const printed = codeBlocks(readPage(PAGE)).filter(({ language }) => language === 'redis')

  if (process.env.UPDATE_DOCS) {
    test('the page is brought up to date', () => {
      let page = readPage(PAGE)
      for (const [heading, all] of expected()) {
        const start = page.indexOf('```redis\n', page.indexOf(`\n### ${heading}\n`)) + '```redis\n'.length
        page = `${page.slice(0, start)}${all.join('\n')}\n${page.slice(page.indexOf('```', start))}`
      }
      writeFileSync(join(ROOT, PAGE), page)
    })
    return
  }

  for (const { heading, code } of printed) {
    test(`${heading}: what is sent and done is exactly what the page says`, () => {
      assert.deepEqual(expected().get(heading), code.trimEnd().split('\n'))
    })
  }

  test('no operation is missing from the page', () => {
    const headings = printed.map(({ heading }) => heading)
    assert.deepEqual(headings.toSorted(), [...expected().keys()].toSorted())
  })
})

test('when a client connects, what is sent is exactly what the page says', async (t) => {
  const server = await startRedis()
  t.after(() => server.stop())
  const client = await server.connect()
  const [, section = ''] = readPage(PAGE).split('### when a client connects')
  const expected = [...section.split('###')[0]!.matchAll(/`([A-Z]{4}[^`]*)`/g)].map(([, command]) => command)

  const sent: string[] = []
  await new Promise<void>((resolve) => {
    const spied: NodeRedisClient = {
      isReady: true,
      duplicate: () => client.duplicate(),
      sendCommand(words, options) {
        // The script is written out nowhere but where it is.
        sent.push(words[0] === 'EVAL' ? 'EVAL' : words.join(' '))
        if (sent.length === expected.length) resolve()
        return client.sendCommand(words, options)
      },
      on: (event, listener) => client.on(event, listener),
      off: (event, listener) => client.off(event, listener),
      listenerCount: (event) => client.listenerCount(event),
    }
    redisStore(spied)
  })
  await client.ping()
  assert.deepEqual(sent, expected)
})

test('a session with a user costs one call more by its token than in a request', async (t) => {
  const server = await startRedis()
  t.after(() => server.stop())
  const client = await server.connect()
  const sent: (readonly string[])[] = []
  const sessions = createSessions<Data>({ store: redisStore(client, { onCommand: (words) => sent.push(words) }) })
  await loadScripts(client)
  const { token } = await sessions.create({}, { userId: 'u42' })
  const request = {}
  await sessions.openRequest(request, `__Host-sid=${token}`)

  sent.length = 0
  await sessions.increment(token, 'views')
  assert.equal(sent.length, 2)
  await sessions.of(request).increment('views')
  assert.equal(sent.length, 3)
})

/** So that no operation is the first to need its script. */
async function loadScripts(client: { sendCommand(words: string[]): Promise<unknown> }): Promise<void> {
  for (const { source } of Object.values(scripts)) await client.sendCommand(['SCRIPT', 'LOAD', source])
}
