import assert from 'node:assert/strict'

/** What the demo answers; which of it is there depends on the route. */
export interface DemoAnswer {
  error?: string
  authenticated: boolean
  session_id: string
  key: string
  session: Record<string, string>
  configured_ttl: number
  ttl: number
  store: string
  commands: { words: string[]; script: string | null; sent: boolean }[]
}

export interface Reply<Body = DemoAnswer> {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
  /** The raw answer: head and body. */
  readonly raw: string
}

/** A browser as far as the demo's routes need one: it keeps the session cookie and sends it to every port of the host. */
export class Visitor {
  readonly base: string
  /** The `name=value` of the session cookie. */
  cookie: string | null = null
  /** Every token ever received. */
  readonly tokens: string[] = []
  /** Everything received but the cookies. */
  received = ''

  constructor(base: string) {
    this.base = base
  }

  get<Body = DemoAnswer>(path: string, headers: Record<string, string> = {}): Promise<Reply<Body>> {
    return this.send('GET', path, undefined, headers)
  }

  /** Sends a form. */
  post(path: string, form: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<Reply> {
    return this.send('POST', path, new URLSearchParams(form), headers)
  }

  json<Body = DemoAnswer>(path: string, body: unknown): Promise<Reply<Body>> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return this.send('POST', path, text, { 'content-type': 'application/json' })
  }

  async send<Body = DemoAnswer>(
    method: string,
    path: string,
    body: string | URLSearchParams | undefined,
    headers: Record<string, string> = {},
  ): Promise<Reply<Body>> {
    const response = await fetch(new URL(path, this.base), {
      method,
      redirect: 'manual',
      headers: { ...headers, ...(this.cookie !== null && { cookie: this.cookie }) },
      ...(body !== undefined && { body }),
    })
    const text = await response.text()
    this.#keep(response.headers)
    const head = [...response.headers].filter(([name]) => name !== 'set-cookie')
    const raw = `${JSON.stringify(head)}\n${text}`
    this.received += raw
    const isJson = text !== '' && response.headers.get('content-type')?.startsWith('application/json')
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : {}, raw }
  }

  #keep(headers: Headers): void {
    for (const line of headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split('; ')
      const gone = attributes.includes('Max-Age=0')
      this.cookie = gone ? null : pair
      if (!gone) this.tokens.push(pair.slice(pair.indexOf('=') + 1))
    }
  }
}

/** The reply is a live session; gives its body. */
export function live(reply: Reply): DemoAnswer {
  assert.equal(reply.status, 200, reply.raw)
  assert.equal(reply.body.authenticated, true)
  return reply.body
}

/** The reply is this error and nothing else. */
export function refused(reply: Reply<unknown>, status: number, error: string): void {
  assert.deepEqual({ status: reply.status, body: reply.body }, { status, body: { error } })
}
