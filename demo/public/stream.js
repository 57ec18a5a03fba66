import { call } from './api.js'
import { showProblem } from './page.js'

/** How long to wait until the server is asked again, in milliseconds. */
const RETRY = 1000

/** Why a session has ended, for people. */
const CAUSES = {
  logout: 'You logged out in another tab of this browser.',
  login: 'Another user has logged in with this browser.',
  revoke: 'It was revoked: from another device of yours, or by an administrator.',
  device: 'The sessions of this device were revoked, or you logged in on it once more.',
  others: 'You logged out your other devices, and this was one of them.',
  all: 'You were logged out everywhere.',
  limit: 'You logged in on more devices than the demo allows. The oldest session ended.',
  expired: 'Its time was up.',
}

/** Hears from the server what becomes of the session. Nothing is polled. */
export class SessionStream {
  #source = null
  #timer = 0
  #heard

  /** @param {{ ended: (why: string) => void, changed?: () => void }} heard `changed`: the list of devices has changed */
  constructor(heard) {
    this.#heard = heard
  }

  start() {
    this.stop()
    const source = new EventSource('/account/events')
    this.#source = source
    source.onopen = () => {
      showProblem(null)
      // Something may have changed before it was open.
      this.#heard.changed?.()
    }
    source.addEventListener('devices', () => this.#heard.changed?.())
    source.addEventListener('ended', ({ data }) => this.#end(JSON.parse(data).cause))
    source.onerror = () => {
      // The browser tries again by itself, unless it got an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) void this.#retry()
      else showProblem('The connection to the demo server is lost')
    }
  }

  stop() {
    clearTimeout(this.#timer)
    this.#source?.close()
    this.#source = null
  }

  #end(cause) {
    this.stop()
    showProblem(null)
    this.#heard.ended(CAUSES[cause] ?? `Why: ${cause}.`)
  }

  async #retry() {
    const source = this.#source
    const { status, body } = await call('GET', '/account/profile')
    if (source !== this.#source) return
    if (status === 401) return this.#end('expired')
    if (status !== 200) showProblem(body.error)
    this.#timer = setTimeout(() => this.start(), RETRY)
  }
}
