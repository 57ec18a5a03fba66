import { Agent, type ClientRequest, request } from 'node:http'
import type { Answer, Done } from './history.ts'

/** Longer than any request may take: what has no answer by then hangs. */
const PATIENCE = 20_000

type Asked = Pick<Done, 'op' | 'token' | 'label' | 'user' | 'target' | 'field' | 'value' | 'roles'>

/** Sends requests to the processes of an application, to each of them in turn, over connections that stay open. */
export class Asker {
  readonly #ports: readonly number[]
  readonly #agent = new Agent({ keepAlive: true })
  readonly #onTheWay = new Set<ClientRequest>()
  #sent = 0

  constructor(ports: readonly number[]) {
    this.#ports = ports
  }

  async ask(asked: Asked & { readonly at?: string }): Promise<Done> {
    const { op, token, at, ...rest } = asked
    const begin = performance.now()
    const { status, answer, issued } = await this.#send(op, token, { ...rest, at })
    return { op, token, ...rest, begin, end: performance.now(), status, answer, issued }
  }

  breakOne(): void {
    const all = [...this.#onTheWay]
    all[Math.floor(Math.random() * all.length)]?.destroy()
  }

  close(): void {
    this.#agent.destroy()
  }

  #send(path: string, token: string | null, body: object): Promise<Pick<Done, 'status' | 'answer' | 'issued'>> {
    const port = this.#ports[this.#sent++ % this.#ports.length] as number
    const headers = { 'content-type': 'application/json', ...(token !== null && { cookie: `sid=${token}` }) }
    const options = { host: '127.0.0.1', port, path: `/${path}`, method: 'POST', headers, agent: this.#agent }
    return new Promise((resolve) => {
      const nothing = { status: null, answer: {}, issued: null }
      const req = request({ ...options, timeout: PATIENCE })
      this.#onTheWay.add(req)
      req.on('timeout', () => req.destroy())
      req.on('error', () => resolve(nothing))
      req.on('close', () => {
        this.#onTheWay.delete(req)
        resolve(nothing)
      })
      req.on('response', (res) => {
        let text = ''
        res.setEncoding('utf8').on('data', (chunk) => {
          text += chunk
        })
        res.on('error', () => resolve(nothing))
        // An answer that breaks off acknowledges nothing.
        res.on('end', () => {
          if (!res.complete) return
          const issued = /^sid=([\w-]{43});/.exec(res.headers['set-cookie']?.[0] ?? '')?.[1] ?? null
          resolve({ status: res.statusCode ?? null, answer: parse(text), issued })
        })
      })
      req.end(JSON.stringify(body))
    })
  }
}

function parse(text: string): Answer {
  try {
    return JSON.parse(text) as Answer
  } catch {
    return {}
  }
}
