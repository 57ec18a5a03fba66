import assert from 'node:assert/strict'
import { deferred, headOf, Visitor } from '../support/http.ts'
import { connectionsEndWithTheirSession } from './connections.ts'

connectionsEndWithTheirSession({
  name: 'server-sent-events',
  async open(scope, server, { cookies }) {
    const visitor = new Visitor(scope, server)
    for (const [name, value] of cookies) visitor.cookies.set(name, value)
    const res = await headOf(visitor.begin('/events'))
    // The head of a stream may bring the token of a rotation that was due.
    for (const [name, value] of visitor.cookies) cookies.set(name, value)
    if (res.statusCode !== 200) {
      res.resume()
      return Number(res.statusCode)
    }
    assert.equal(res.headers['content-type'], 'text/event-stream')
    let heard = deferred()
    const read = async () => {
      let text = ''
      for await (const chunk of res.setEncoding('utf8')) {
        text += chunk
        if (!/^data: \d{4}-/m.test(chunk)) continue
        heard.resolve()
        heard = deferred()
      }
      return /event: (.*)\ndata: (.*)\n\n$/.exec(text)?.slice(1).join(' ') ?? 'without a word'
    }
    // Its first line of data says that the session is watched.
    const first = heard.promise
    const ended = read()
    // At the end of a test it is cut.
    ended.catch(() => undefined)
    await first
    return { ended, hear: () => heard.promise }
  },
  endOf: (cause) => `ended ${cause}`,
  endOfServer: 'without a word',
})
