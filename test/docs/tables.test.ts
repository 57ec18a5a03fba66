import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { milliseconds } from '../../src/core/duration.ts'
import { RESERVED_FIELDS } from '../../src/core/fields.ts'
import { readOptions } from '../../src/core/options.ts'
import { Session } from '../../src/core/session.ts'
import { Sessions } from '../../src/core/sessions.ts'
import { UserSessions } from '../../src/core/user-sessions.ts'
import * as coatcheck from '../../src/index.ts'
import { memoryStore } from '../../src/memory.ts'
import { allPages, ROOT, readPage, tableRows } from './pages.ts'

// The tables of options, errors and warnings say what the sources say.

const README = readPage('README.md')
const source = (path: string) => readFileSync(join(ROOT, 'src', path), 'utf8')

/** The properties and methods of an interface, with their doc comments. */
function properties(text: string, name: string): Map<string, string> {
  const body = new RegExp(`^export interface ${name}(?:<[^{]*>)? \\{\\n(.*?)^\\}`, 'ms').exec(text)?.[1]
  assert.ok(body, `no interface ${name}`)
  const found = new Map<string, string>()
  for (const [, comment = '', property = ''] of body.matchAll(
    /^(?: {2}\/\*\*(.*?)\*\/\n)? {2}(?:readonly )?(\w+)\??[:(]/gms,
  )) {
    found.set(property, comment.replaceAll(/\s*\n\s*\*\s*/g, ' '))
  }
  return found
}

/** `code` without its back-ticks. */
const plain = (cell: string) => cell.replaceAll('`', '')

describe('the configuration tables of the README', () => {
  for (const [heading, file, name] of [
    ['createSessions\\(options\\)', 'core/options.ts', 'SessionsOptions'],
    ['cookie', 'core/cookie.ts', 'CookieOptions'],
    ['redisStore\\(client, options\\)', 'redis/redis-store.ts', 'RedisStoreOptions'],
    ['memoryStore\\(options\\)', 'memory/memory-store.ts', 'MemoryStoreOptions'],
    ['expressSessions\\(sessions, options\\)', 'express.ts', 'ExpressSessionsOptions'],
    ['fastifySessions\\(sessions, options\\)', 'fastify.ts', 'FastifySessionsOptions'],
    ['honoSessions\\(sessions, options\\)', 'hono.ts', 'HonoSessionsOptions'],
    ['fetchSessions\\(sessions, options\\)', 'fetch.ts', 'FetchSessionsOptions'],
    ['nodeSessions\\(sessions, options\\)', 'node.ts', 'NodeSessionsOptions'],
  ] as const) {
    const declared = properties(source(file), name)
    const rows = tableRows(README, heading)

    test(`list every option of ${name}, and no other`, () => {
      assert.deepEqual(rows.map(([option = '']) => plain(option)).sort(), [...declared.keys()].sort())
    })

    test(`give the defaults of ${name} as they are declared`, () => {
      for (const [option = '', shown = ''] of rows) {
        const comment = declared.get(plain(option)) ?? ''
        const quoted = /Default:? `([^`]*)`/.exec(comment)?.[1]
        const bare = /Default ([\d,]+)/.exec(comment)?.[1]
        const expected = quoted ?? bare
        if (expected !== undefined) assert.ok(plain(shown).startsWith(expected), `${option}: ${shown}, but ${comment}`)
      }
    })
  }

  test('give the durations and the limit that hold when an option is left out', () => {
    const settings = readOptions({ store: memoryStore() })
    const shown = new Map(
      tableRows(README, 'createSessions\\(options\\)').map(([option = '', value = '']) => [
        plain(option),
        plain(value),
      ]),
    )
    for (const name of ['idleTimeout', 'lifetime', 'storeTimeout', 'rotationGrace', 'reuseWindow'] as const) {
      assert.equal(milliseconds(shown.get(name)!.replaceAll("'", ''), name), settings[name], name)
    }
    const { limit, whenFull } = settings.maxPerUser
    assert.equal(shown.get('maxPerUser'), `{ limit: ${limit}, whenFull: '${whenFull}' }`)
  })

  for (const [page, heading, file, name] of [
    ['docs/express.md', 'Mounting it', 'express.ts', 'ExpressSessionsOptions'],
    ['docs/fastify.md', 'Registering it', 'fastify.ts', 'FastifySessionsOptions'],
    ['docs/hono.md', 'Mounting it', 'hono.ts', 'HonoSessionsOptions'],
    ['docs/fetch.md', 'Wrapping a handler', 'fetch.ts', 'FetchSessionsOptions'],
    ['docs/node.md', 'A server', 'node.ts', 'NodeSessionsOptions'],
  ] as const) {
    test(`are repeated without a contradiction in ${page}`, () => {
      assert.deepEqual(
        tableRows(readPage(page), heading)
          .map(([option = '']) => plain(option))
          .sort(),
        [...properties(source(file), name).keys()].sort(),
      )
    })
  }
})

describe('the table of errors in the README', () => {
  const rows = tableRows(README, 'Errors').map(([code = '', name = '', status = '']) => [
    plain(code),
    plain(name),
    status,
  ])
  const text = source('core/errors.ts')

  test('lists every code, and no other', () => {
    const codes = new Set([...text.matchAll(/'(ERR_[A-Z_]+)'/g)].map(([, code]) => code))
    assert.deepEqual(rows.map(([code]) => code).sort(), [...codes].sort())
  })

  test('names the class and the status of each', () => {
    const make: Record<string, (code: string) => coatcheck.CoatcheckError> = {
      ArgumentError: () => new coatcheck.ArgumentError(''),
      ConfigError: () => new coatcheck.ConfigError(''),
      DataError: () => new coatcheck.DataError('read', []),
      FieldError: (code) => new coatcheck.FieldError(code as coatcheck.FieldErrorCode, '', ''),
      HeadersSentError: () => new coatcheck.HeadersSentError(),
      LoginRevokedError: () => new coatcheck.LoginRevokedError(),
      MountError: () => new coatcheck.MountError(''),
      SessionEndedError: () => new coatcheck.SessionEndedError(),
      StoreError: (code) => new coatcheck.StoreError(code as coatcheck.StoreErrorCode, '', 'none'),
      UserLimitError: () => new coatcheck.UserLimitError(1),
    }
    for (const [code = '', name = '', status] of rows) {
      const error = make[name]?.(code)
      assert.ok(error, `no class ${name}`)
      assert.deepEqual([error.code, error.name, String(error.status)], [code, name, status])
    }
    for (const [, type = '', members = ''] of text.matchAll(
      /export type (\w+)ErrorCode =([^\n]*(?:\n {2}\|[^\n]*)*)/g,
    )) {
      for (const [, code] of members.matchAll(/'(ERR_\w+)'/g)) {
        assert.ok(
          rows.some(([each, name]) => each === code && name === `${type}Error`),
          `${code} is of ${type}Error`,
        )
      }
    }
  })
})

describe('the tables of calls in the README', () => {
  for (const [heading, { prototype }] of [
    ['The session of a request, sessions.of\\(req\\)', Session],
    ['Without a request, sessions', Sessions],
  ] as const) {
    test(`list every member of ${prototype.constructor.name}, and no other`, () => {
      const listed = tableRows(README, heading).flatMap(([cell = '']) => cell.match(/(?<=`)\w+/g) ?? [])
      const members = Object.getOwnPropertyNames(prototype).filter(
        (name) => !['constructor', 'openRequest'].includes(name),
      )
      assert.deepEqual(listed.toSorted(), members.toSorted())
    })
  }
})

describe('the tables of docs/users.md', () => {
  const page = readPage('docs/users.md')
  const cells = (heading: string) => tableRows(page, heading).map(([first = '']) => first)

  test('list every option of a login, and every error', () => {
    const options = [...properties(source('core/login-options.ts'), 'LoginOptions').keys()]
    const classes = [...source('core/session.ts').matchAll(/@throws ([^@]*?)\n {3}\*\/\n {2}async login/g)].flatMap(
      ([, text = '']) => text.match(/\b\w+Error\b/g) ?? [],
    )
    const [first, second] = [cells('Login').slice(0, options.length), cells('Login').slice(options.length)]
    assert.deepEqual(first.map(plain).sort(), options.sort())
    assert.ok(classes.length > 4)
    assert.deepEqual(second.map((cell) => /\w+Error/.exec(cell)?.[0]).sort(), classes.sort())
  })

  test('list every event, with the causes that are declared', () => {
    const declared = properties(source('core/events.ts'), 'SessionEvents')
    const rows = tableRows(page, 'Events')
    assert.deepEqual(rows.map(([type = '']) => plain(type)).sort(), [...declared.keys()].sort())
    for (const [type = '', , causes = ''] of rows) {
      const named = declared.get(plain(type))!.match(/(?<=`)\w+(?=`)/g) ?? []
      for (const cause of named.filter((word) => !['cause', 'previous', 'id'].includes(word))) {
        assert.ok(causes.includes(`\`${cause}\``), `${type}: ${cause}`)
      }
    }
  })

  test('list every call that ends sessions', () => {
    const listed =
      cells('Revoking')
        .join()
        .match(/\w+(?=\()/g) ?? []
    const prototypes = [Session.prototype, Sessions.prototype, UserSessions.prototype]
    const members = prototypes.flatMap((prototype) => Object.getOwnPropertyNames(prototype))
    const ending = new Set(members.filter((name) => name.startsWith('revoke')))
    assert.deepEqual([...new Set(listed.filter((name) => name !== 'user'))].sort(), [...ending].sort())
  })
})

describe('other lists in the documents', () => {
  test('the dependencies are those of docs/decisions/002-dependencies.md, and have none', () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const page = readPage('docs/decisions/002-dependencies.md')
    const listed = [...page.matchAll(/^- `([\w.-]+)` (?:parses|reads)/gm)].map(([, name]) => name!)
    assert.deepEqual(listed.toSorted(), Object.keys(dependencies).toSorted())
    for (const name of listed) {
      const installed = JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'))
      assert.deepEqual(Object.keys(installed.dependencies ?? {}), [])
    }
  })

  test('every warning that the library gives is in docs/production.md, and no other', () => {
    const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    )
    const given = new Set(files.flatMap((name) => source(name).match(/COATCHECK_[A-Z_]+/g) ?? []))
    const listed = tableRows(readPage('docs/production.md'), 'Warnings').map(([code = '']) => plain(code))
    assert.deepEqual(listed.sort(), [...given].sort())
  })

  test('every finding of sessions.check() is in docs/production.md, and no other', () => {
    const files = [
      ...readdirSync(join(ROOT, 'src/redis/check')).map((name) => `redis/check/${name}`),
      'memory/memory-store.ts',
    ]
    const found = new Set(
      files.flatMap((path) =>
        [...source(path).matchAll(/\b(?:code: |warning\(\s*)'([A-Z_]+)'/g)].map(([, code]) => code),
      ),
    )
    const rows = tableRows(readPage('docs/production.md'), 'What is wrong with it')
    assert.deepEqual(rows.map(([code = '']) => plain(code)).sort(), [...found].sort())
  })

  test('docs/how-it-works.md names every reserved field', () => {
    const page = readPage('docs/how-it-works.md')
    for (const field of RESERVED_FIELDS) assert.ok(page.includes(`\`${field}\``), field)
  })

  test('every error code and warning that a document mentions exists', () => {
    const known = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map(source)
      .join('\n')
    for (const path of allPages()) {
      for (const code of readPage(path).match(/\b(?:ERR|COATCHECK)_[A-Z_]+\b/g) ?? []) {
        if (code === 'ERR_UNKNOWN') continue // of an application, in an example
        assert.ok(known.includes(code), `${path}: ${code}`)
      }
    }
  })
})
