import fc from 'fast-check'

// What comes from clients that mean no good: raw HTTP requests, and ways of sending them.

/** What there is to aim at. */
interface Targets {
  /** Tokens of sessions that the clients have begun themselves. */
  readonly own: readonly string[]
  /** A token that they do not have, but everything that looks like it. */
  readonly control: string
}

export interface Delivery {
  readonly bytes: Buffer
  /** How many whole requests there are in it. */
  readonly requests: number
  /** The bytes go in two parts. */
  readonly splitAt: number | null
  /** Only so many bytes are sent, and then: the connection is broken, or its sending half is closed. */
  readonly abort: { readonly at: number; readonly how: 'break' | 'half-close' } | null
}

/** Made from a seed. The tokens are put in when it is sent: the own ones are known only then. */
export type Plan = (targets: Targets) => Delivery

const NAME = '__Host-sid'

const RESERVED = [
  ...['created_at', 'last_accessed_at', 'session_ttl', 'deadline', 'user_id', 'roles', 'authenticated_at', 'device'],
  ...['device_id', 'ip', 'request_count', '_', '_v', '_successor', '_sealed_until', '__proto__'],
]

/** Field names, as JSON text: escapes that no string of this process could hold as they are. */
const fieldName: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('"a"', '"b"', '"text"', '"count"', '"list"') },
  { weight: 3, arbitrary: fc.constantFrom(...RESERVED).map((name) => JSON.stringify(name)) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...['""', '"\\ud800"', '"a\\udc00b"', '"\\u0000"', '"a\\u0000b"', '"\\u005f_proto__"', '" _v"', '"{}"', '"*"'],
      ...['"constructor"', '"prototype"', '"toString"', '"hasOwnProperty"', '"then"', '"length"', '"a:b"', '"\\r\\n"'],
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom(255, 256, 257, 10_240).map((length) => `"${'n'.repeat(length)}"`) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }).map((name) => JSON.stringify(name)) },
  { weight: 1, arbitrary: fc.constantFrom('null', '7', '[]', '{}', '["a"]', 'true', '{"toString":1}') },
)

const MEGABYTE = 1_048_576

/** Values, as JSON text. */
const value: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.constantFrom(
      ...['1', '-1', '0', '-0', '1.5', '9007199254740991', '9007199254740992', '-9007199254740993', '1e20', '1e400'],
      ...['-1e400', '"NaN"', '"Infinity"', 'null', 'true', '"1"', '"1.5"', '"abc"', '"30m"', '"-1"', '""', '"0x10"'],
      ...['[]', '{}', '"["', '"{\\"a\\":"', '"\\ud800"', '"\\u0000"', '{"__proto__":{"polluted":1}}', '[null,[1e400]]'],
      ...['{"constructor":{"prototype":{"polluted":1}}}', '{"toJSON":1}', '{"then":1}', '{"a":"\\udfff"}', '"null"'],
    ),
  },
  { weight: 20, arbitrary: fc.json({ maxDepth: 3 }) },
  { weight: 8, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }).map((text) => JSON.stringify(text)) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(100, 499, 500, 501, 2000, 20_000), fc.constantFrom('[]', '{"a":}'))
      .map(([depth, [open = '', ...rest]]) => {
        const inner = rest.slice(0, -1).join('')
        return `${(open + inner).repeat(depth)}1${rest.at(-1)?.repeat(depth)}`
      }),
  },
  // About as large as a value may be, and beyond. In two bytes a character: the limit is in bytes.
  {
    weight: 1,
    arbitrary: fc.constantFrom(MEGABYTE / 2, MEGABYTE / 2 + 1).map((length) => `"${'é'.repeat(length)}"`),
  },
)

const body: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fieldName, value).map(([f, v]) => `{"field":${f},"value":${v},"by":${v}}`),
  },
  {
    weight: 4,
    arbitrary: fc
      .array(fc.tuple(fieldName, value), { maxLength: 4 })
      .map((pairs) => `{${pairs.map(([f, v]) => `${f.startsWith('"') ? f : '"x"'}:${v}`).join(',')}}`),
  },
  { weight: 1, arbitrary: value },
  { weight: 1, arbitrary: fc.constantFrom('', '{', '{"a":', '[', '\u0000', '{"a":1}}', '{"a":NaN}', "{'a':1}") },
)

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** What looks like a token and is none, by the canonical token that it looks like. */
const nearToken: fc.Arbitrary<(token: string) => string> = fc.oneof(
  // Another last character: some of these decode to the same bytes.
  fc.constantFrom(...BASE64URL).map((last) => (token: string) => token.slice(0, -1) + otherThan(last, token.at(-1))),
  fc.constant((token: string) => token.slice(0, 42)),
  fc.constantFrom(...'Aw=%"').map((more) => (token: string) => token + more),
  // Percent-encoded, one character or all.
  fc.nat(42).map((i) => (token: string) => token.slice(0, i) + percent(token[i]) + token.slice(i + 1)),
  fc.constant((token: string) => [...token].map(percent).join('')),
  fc.constantFrom('"', "'", '\\').map((quote) => (token: string) => quote + token + quote),
  fc.constant((token: string) => swapCase(token)),
  fc.constant((token: string) => [...token].reverse().join('')),
  fc.constant((token: string) => `${token.slice(0, 20)} ${token.slice(20)}`),
  fc.constant((token: string) => `${token}, ${NAME}=${token}`),
  fc.constantFrom('\u00a0', '\u0085', '\u00ff', '\u000b').map((blank) => (token: string) => blank + token),
)

const ownCookie = own((token) => `${NAME}=${token}`)

/** A whole `Cookie` header's value. Each entry: what the plan needs to say it. */
const cookieHeader: fc.Arbitrary<(targets: Targets) => string> = fc.oneof(
  { weight: 14, arbitrary: ownCookie },
  // Nearly the control session's.
  {
    weight: 6,
    arbitrary: nearToken.map(
      (near) =>
        ({ control }: Targets) =>
          `${NAME}=${near(control)}`,
    ),
  },
  // The control session's under a name that is not quite the cookie's.
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(
        ...['__host-sid', '__HOST-SID', '__Host-Sid', '"__Host-sid"', '__Host-sid[]', 'x__Host-sid', '__Host-sid2'],
        ...['__Host\u00a0-sid', '\u00a0__Host-sid', '__Host-sid\u00a0', '$__Host-sid', '__Host%2Dsid', 'sid', ''],
        ...['__Secure-sid', '__Host-sid%20', '\u00c2\u00a0__Host-sid', '__proto__', 'constructor', '$Version'],
      )
      .map(
        (name) =>
          ({ control }: Targets) =>
            `${name}=${control}`,
      ),
  },
  // Two different values, in every spelling that a parser may take for the name: neither counts.
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom('', ' ', '\t', '  '), fc.constantFrom('', ' ', '\t'), fc.boolean(), fc.nat())
      .map(([first, second, swap, pick]) => ({ control, own }: Targets) => {
        const pair = [control, own[pick % own.length] ?? '']
        const [a, b] = swap ? pair.reverse() : pair
        return `${NAME}${first}=${a}; other=1; ${NAME}${second}=${b}`
      }),
  },
  // The same name ten times.
  { weight: 2, arbitrary: own((token) => Array.from({ length: 10 }, () => `${NAME}=${token}`).join('; ')) },
  {
    weight: 2,
    arbitrary: fc.nat(9).map(
      (at) =>
        ({ own, control }: Targets) =>
          Array.from({ length: 10 }, (_, i) => `${NAME}=${i === at ? control : own[i % own.length]}`).join(';'),
    ),
  },
  // Near 16 kB and beyond, what Node takes of headers in all.
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom(15_000, 16_384, 20_000), fc.nat()).map(
      ([size, pick]) =>
        ({ own }: Targets) =>
          `${'a=b; '.repeat(size / 5)}${NAME}=${own[pick % own.length]}`,
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom(15_000, 16_000).map((size) => () => `${NAME}=${'A'.repeat(size)}`) },
  // Any bytes at all.
  { weight: 3, arbitrary: bytes().map((text) => () => `${NAME}=${text}`) },
  { weight: 2, arbitrary: bytes().map((text) => () => text) },
  { weight: 1, arbitrary: fc.constantFrom('', '=', ';', '; ; ;=;', `${NAME}`, `${NAME}=`).map((text) => () => text) },
)

const POSTS = ['/set', '/assign', '/increment', '/update', '/append', '/timeout', '/note', '/rotate', '/logout']

/** Method and path. */
const target: fc.Arbitrary<readonly [string, string]> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom(...POSTS, '/set', '/increment', '/timeout').map((path) => ['POST', path] as const),
  },
  { weight: 3, arbitrary: fc.constantFrom('/data', '/about/me').map((path) => ['GET', path] as const) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constantFrom('GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'PROPFIND'),
      fc.constantFrom(
        ...['/', '//', '/about/%00', '/about/%', '/about/%ff', '/about/a?__proto__[x]=1', '/../data', '/%2e%2e/data'],
        ...['*', 'http://other.example/data', `/about/${'x'.repeat(8000)}`, '/data/__proto__', '/about/\u00ff\u0001'],
        ...['/data', '/set'],
      ),
    ),
  },
)

const contentType = fc.oneof(
  { weight: 12, arbitrary: fc.constant('application/json') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...['text/plain', 'application/json; charset=utf-16', 'application/json; charset=nonsense', '', '\u00ff/x'],
      ...['application/x-www-form-urlencoded'],
    ),
  },
)

/** Lines that stand between the usual ones; the first takes care of its own framing. */
const extraHeader = fc.oneof(
  { weight: 12, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...['Expect: 100-continue', 'Upgrade: websocket', 'X-Forwarded-Proto: https', 'Cookie: __Host-sid=second'],
      ...['Cookie : __Host-sid=third', 'Content-Encoding: gzip', 'Content-Encoding: nonsense', 'Host: second.example'],
      ...[' folded: line', '__proto__: 1', 'constructor: 1', 'Content-Length: 5', 'Transfer-Encoding: nonsense'],
    ),
  },
)

interface Request {
  head(targets: Targets, last: boolean): string
  readonly body: Buffer
}

/** At the fields that the clients' own sessions begin with: `text` holds none, `count` the largest integer. */
const AIMED = [
  ...['{"field":"text","by":1}', '{"field":"count","by":1}', '{"field":"count","by":9007199254740991}'].map(
    (body) => ['/increment', body] as const,
  ),
  ['/update', `{"field":"a","value":"${'é'.repeat(MEGABYTE / 2 + 1)}"}`] as const,
]

const request: fc.Arbitrary<Request> = fc
  .oneof(
    {
      weight: 12,
      arbitrary: fc.record({ target, contentType, extraHeader, body, cookie: cookieHeader, chunked: fc.nat(9) }),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constantFrom(...AIMED), ownCookie).map(([[path, body], cookie]) => ({
        target: ['POST', path] as const,
        ...{ contentType: 'application/json', extraHeader: '', body, cookie, chunked: 1 },
      })),
    },
  )
  .map(({ target: [method, path], contentType, extraHeader, body: text, cookie, chunked }) => {
    const hasBody = method !== 'GET' && method !== 'HEAD'
    const plain = Buffer.from(hasBody ? text : '')
    const isChunked = hasBody && chunked === 0
    const body = isChunked ? inChunks(plain) : plain
    const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${plain.length}`
    return {
      body,
      head: (targets, last) =>
        [
          `${method} ${path} HTTP/1.1`,
          'Host: app.example',
          `Cookie: ${cookie(targets)}`,
          ...(hasBody ? [`Content-Type: ${contentType}`, framing] : []),
          // Without a body the server would wait for one.
          ...(extraHeader === '' || (!hasBody && extraHeader.startsWith('Content-')) ? [] : [extraHeader]),
          ...(last ? ['Connection: close'] : []),
          '\r\n',
        ].join('\r\n'),
    }
  })

/** One to five requests on one connection, sent whole, in two parts, or not to the end. */
export const delivery: fc.Arbitrary<Plan> = fc
  .record({
    requests: fc.oneof(
      { weight: 6, arbitrary: fc.tuple(request) },
      { weight: 1, arbitrary: fc.array(request, { minLength: 2, maxLength: 5 }) },
    ),
    cut: fc.double({ min: 0, max: 1, noNaN: true }),
    way: fc.nat(19),
  })
  .map(({ requests, cut, way }) => (targets) => {
    const bytes = Buffer.concat(
      requests.flatMap(({ head, body }, i) => [Buffer.from(head(targets, i === requests.length - 1), 'latin1'), body]),
    )
    const at = Math.floor(cut * bytes.length)
    return {
      bytes,
      requests: requests.length,
      splitAt: way === 2 ? at : null,
      abort: way === 0 ? { at, how: 'break' } : way === 1 ? { at, how: 'half-close' } : null,
    }
  })

function own(say: (token: string) => string): fc.Arbitrary<(targets: Targets) => string> {
  return fc.nat().map(
    (pick) =>
      ({ own }: Targets) =>
        say(own[pick % own.length] ?? ''),
  )
}

/** Bytes as one-byte characters; without those that would begin another header, or end all of them. */
function bytes(): fc.Arbitrary<string> {
  return fc.uint8Array({ maxLength: 60 }).map((array) =>
    Buffer.from(array)
      .toString('latin1')
      .replaceAll(/[\r\n]/g, ''),
  )
}

function inChunks(body: Buffer): Buffer {
  const middle = body.length >> 1
  const chunk = (part: Buffer) =>
    part.length === 0 ? [] : [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]
  return Buffer.concat([...chunk(body.subarray(0, middle)), ...chunk(body.subarray(middle)), Buffer.from('0\r\n\r\n')])
}

function percent(char = ''): string {
  return `%${char.charCodeAt(0).toString(16)}`
}

function otherThan(char: string, taken = ''): string {
  return char === taken ? '*' : char
}

function swapCase(text: string): string {
  return text.replaceAll(/[a-z]/gi, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()))
}
