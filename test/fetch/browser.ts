import { isToken } from '../../src/core/token.ts'
import { parseSetCookie, tokensSeen } from '../support/http.ts'

/** Makes requests, and keeps the cookies of what comes back. */
export class Browser {
  readonly cookies = new Map<string, string>()

  request(path = '/', init: RequestInit = {}): Request {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(cookie && { cookie }), ...(init.headers as Record<string, string> | undefined) }
    return new Request(new URL(path, 'http://app.example'), { ...init, headers })
  }

  post(path = '/', init: RequestInit = {}): Request {
    return this.request(path, { method: 'POST', ...init })
  }

  /** Takes the cookies of a response, and hands it on. */
  async keep<Answer extends { readonly headers: Headers }>(response: Answer | Promise<Answer>): Promise<Answer> {
    const answer = await response
    for (const line of answer.headers.getSetCookie()) {
      const { name, value, maxAge } = parseSetCookie(line)
      if (isToken(value)) tokensSeen.add(value)
      if (maxAge === '0') this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return answer
  }
}
