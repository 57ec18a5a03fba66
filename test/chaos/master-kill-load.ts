import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

// Users of an application over HTTP, who remember what they were told.

/** What one user was told. */
export interface Customer {
  readonly user: string
  readonly cookie: string
  /** When the request to log in was sent, by `performance.now()`. */
  readonly begunAt: number
  /** How many writes were acknowledged. */
  writes: number
  /** `unknown`: it was asked for, and failed. */
  loggedOut: 'yes' | 'no' | 'unknown'
}

/** What the requests have met. */
export interface Tally {
  requests: number
  readonly failures: { code: string; at: number; took: number }[]
  /** Answers that should not be. */
  readonly wrong: string[]
}

/** Milliseconds between one login of a user and the next: it is answers that are counted, not requests. */
const THINKS = 25
/** Milliseconds that the application may fail to answer when all is well again. */
const PATIENCE = 30_000

interface Answer {
  readonly status: number
  readonly cookie: string | null
  // biome-ignore lint/suspicious/noExplicitAny: the application is ours
  readonly body: any
}

/** Each logs in, writes, reads, and logs out or not, again and again. */
export function customers(port: number, connections: number, run: number, tally: Tally) {
  let stopped = false
  const all: Customer[] = []
  const live = async (n: number) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ask = async (method: string, path: string, cookie?: string): Promise<Answer | null> => {
      const began = performance.now()
      tally.requests++
      const failed = (code: string) => {
        tally.failures.push({ code, at: performance.now(), took: performance.now() - began })
        return null
      }
      try {
        const answer = await send(port, agent, method, path, cookie)
        if (answer.status === 503) return failed(String(answer.body.code))
        if (answer.status >= 500) tally.wrong.push(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
        return answer
      } catch (error) {
        tally.wrong.push(`${method} ${path}: ${error}`)
        return null
      }
    }
    for (let i = 0; !stopped; i++) {
      await pause(THINKS)
      const user = `${run}-${n}-${i}`
      const begunAt = performance.now()
      const login = await ask('POST', `/login/${user}`)
      if (login === null || login.cookie === null) continue
      const { cookie } = login
      const customer: Customer = { user, cookie, begunAt, writes: 0, loggedOut: 'no' }
      all.push(customer)
      for (let j = 0; j < 2; j++) {
        // The one on the way may be counted or not.
        const written = await ask('POST', '/write', cookie)
        if (written?.status === 200) customer.writes = written.body.writes
        await ask('GET', '/read', cookie)
      }
      if (i % 2 === 0) continue
      const logout = await ask('POST', '/logout', cookie)
      customer.loggedOut = logout === null ? 'unknown' : 'yes'
    }
    agent.destroy()
  }
  const lives = Array.from({ length: connections }, (_, n) => live(n))
  const loggedOut = () => all.filter((customer) => customer.loggedOut === 'yes').length
  return {
    /** Resolves when some have been told that they are logged out, from now on. */
    async goesOn(): Promise<void> {
      const [before, until] = [loggedOut(), performance.now() + PATIENCE]
      while (loggedOut() < before + connections / 4 && performance.now() < until) await pause(THINKS)
    },
    /** Returns what all were told when they have all come to an end. */
    async stop(): Promise<Customer[]> {
      stopped = true
      await Promise.all(lives)
      return all
    },
  }
}

const checker = new Agent({ keepAlive: true, maxSockets: 8 })

/** Whom the application takes a user's cookie for. */
export async function stillThere(port: number, { cookie }: Customer): Promise<{ user: string | null; writes: number }> {
  for (const until = performance.now() + PATIENCE; ; ) {
    const { status, body } = await send(port, checker, 'GET', '/read', cookie)
    if (status === 200) return body
    if (performance.now() > until) throw new Error(`It answers ${status} ${JSON.stringify(body)}`)
  }
}

function send(port: number, agent: Agent, method: string, path: string, cookie?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = cookie === undefined ? {} : { cookie }
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent }, async (response) => {
      try {
        let text = ''
        for await (const chunk of response.setEncoding('utf8')) text += chunk
        const set = response.headers['set-cookie']?.[0]
        const token = set === undefined ? null : (set.split(';')[0] ?? null)
        resolve({ status: response.statusCode ?? 0, cookie: token, body: JSON.parse(text) })
      } catch (error) {
        reject(error)
      }
    })
    sent.on('error', reject)
    sent.end()
  })
}
