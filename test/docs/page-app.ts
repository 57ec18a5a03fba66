import { after, before } from 'node:test'
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts'
import { program } from './pages.ts'
import { type Running, Sandbox } from './sandbox.ts'

/** The program of a page while it runs, and requests to it. */
export interface PageApp {
  readonly url: string
  /** What it has written. */
  readonly output: string
  send(path: string, cookie?: string, init?: RequestInit): Promise<Response>
  post(path: string, cookie?: string, headers?: Record<string, string>): Promise<Response>
}

/** Runs the program of `docs/<name>.md` for the tests of one `describe`, with a Redis of its own. */
export function usePageApp(name: string): PageApp {
  const sandbox = new Sandbox()
  let redis: RedisServer
  let app: Running
  let url: string
  before(async () => {
    redis = await startRedis()
    const port = await freePort()
    app = sandbox.start(sandbox.write(`${name}.ts`, program(`docs/${name}.md`)), {
      REDIS_URL: redis.url,
      PORT: String(port),
    })
    // Some listen on every address that localhost has.
    await app.listens(port)
    url = `http://127.0.0.1:${port}`
  })
  after(async () => {
    await app.stop()
    await redis.stop()
    sandbox.remove()
  })
  const send = (path: string, cookie = '', init: RequestInit = {}) =>
    fetch(url + path, { redirect: 'manual', ...init, headers: { cookie, ...init.headers } })
  return {
    get url() {
      return url
    },
    get output() {
      return app.output
    },
    send,
    post: (path, cookie = '', headers = {}) => send(path, cookie, { method: 'POST', headers }),
  }
}

/** The cookie that a response sets, for the next request. */
export function cookieOf(response: Response): string {
  return response.headers.getSetCookie().join().split(';')[0] ?? ''
}
