import assert from 'node:assert/strict'
import type { Visitor } from '../visitor.ts'

/** What a browser hears from `GET /account/events`. */
export class EventStream {
  readonly #reader: ReadableStreamDefaultReader<string>
  readonly #gone: AbortController
  #text = ''

  private constructor(body: ReadableStream<Uint8Array>, gone: AbortController) {
    this.#reader = body.pipeThrough(new TextDecoderStream() as never).getReader() as never
    this.#gone = gone
  }

  static async open(visitor: Visitor): Promise<EventStream> {
    const gone = new AbortController()
    const url = new URL('/account/events', visitor.base)
    const response = await fetch(url, { headers: { cookie: visitor.cookie ?? '' }, signal: gone.signal })
    assert.equal(response.status, 200)
    assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
    const stream = new EventStream(response.body as ReadableStream<Uint8Array>, gone)
    await stream.hears('retry: 1000')
    return stream
  }

  /** Waits until the stream has said this since the last time that it was asked for something. */
  async hears(text: string): Promise<void> {
    while (!this.#text.includes(text)) {
      const { value, done } = await this.#reader.read()
      if (done) assert.fail(`the stream has ended without '${text}': ${this.#text}`)
      this.#text += value
    }
    this.#text = this.#text.slice(this.#text.indexOf(text) + text.length)
  }

  /** Waits until the server ends the stream, which says by then why the session has. */
  async ends(cause: string): Promise<void> {
    await this.hears(`event: ended\ndata: ${JSON.stringify({ cause })}\n\n`)
    for (;;) {
      const { done } = await this.#reader.read()
      if (done) return
    }
  }

  /** The browser goes away. */
  close(): void {
    this.#gone.abort()
    this.#reader.cancel().catch(() => undefined)
  }
}
