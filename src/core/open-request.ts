import type { Adoptions } from './adoptions.ts'
import { SessionEndedError, StoreError } from './errors.ts'
import { isSession, type Operations } from './operations.ts'
import { type Arrival, type Client, type Opened, RequestState, UNKNOWN_CLIENT } from './request-state.ts'
import { rotationIsDue } from './rotations.ts'
import type { SessionRecord } from './store.ts'
import { idOfToken, type Token } from './token.ts'
import { warnLater } from './warn.ts'

/** What an adapter tells of a request. */
export interface OpenOptions {
  readonly client?: Client
  /** `false`: the answer carries no cookie, ever (a WebSocket's upgrade). Default `true`. */
  readonly cookies?: boolean
  /** Kept with what is mounted on the request. */
  readonly note?: object
}

/**
 * Reads the session that a `Cookie` header names: no command without a canonical token, and no wait; one command with it. Where
 * that leads to none, sessions of another library may be adopted. A rotation that is due is done.
 * @param mount what is done with it at the end: here, since each promise on the way costs a read time
 */
export function openRequest(
  operations: Operations,
  cookieHeader: string | undefined,
  { client = UNKNOWN_CLIENT, cookies = true }: OpenOptions = {},
  adoptions: Adoptions | null = null,
  mount: Mount = (state) => state,
): RequestState | Promise<RequestState> {
  // Before anything is awaited: what happens while the session is read has happened after the request came.
  const asked = {
    client,
    cookies,
    arrivedAt: performance.now(),
    headSent: !cookies,
    mount,
    endOld: adoptions === null ? undefined : () => adoptions.end(cookieHeader),
  }
  const token = operations.settings.cookie.read(cookieHeader)
  if (token === null && adoptions === null) return mount(new RequestState(operations, null, asked)) // guard: no token
  return open(operations, token, cookieHeader, asked, adoptions)
}

type Mount = (state: RequestState) => RequestState

interface Asked extends Arrival {
  readonly cookies: boolean
  readonly mount: Mount
}

async function open(
  operations: Operations,
  token: Token | null,
  cookieHeader: string | undefined,
  asked: Asked,
  adoptions: Adoptions | null,
): Promise<RequestState> {
  const { mount, client } = asked
  const begin = (record: SessionRecord | null, opened?: Opened) =>
    mount(new RequestState(operations, record, asked, opened))
  try {
    const id = token ? idOfToken(token) : null
    const found = id ? await operations.find(id) : null
    const record = isSession(found) ? found : await operations.gone(found)
    if (record === null && adoptions !== null) {
      const adopted = await adoptions.open(cookieHeader, asked)
      if (adopted !== null) {
        const { record, issue } = adopted
        return begin(record, issue === null ? { superseded: true } : { begun: issue })
      }
    }
    if (token === null) return begin(null)
    const superseded = record !== null && record.id !== id
    const state = new RequestState(operations, record, asked, { ended: record === null, superseded })
    if (!asked.cookies) return mount(state) // guard: no cookie for the new token
    // A rotation extends the session.
    if (!rotationIsDue(operations.settings, record) || client.isActive?.() === false) return mount(state)
    return mount(await rotated(state, asked))
  } catch (error) {
    if (!(error instanceof StoreError) || client.serveAsVisitor?.() !== true) throw error
    return begin(null, { failure: error })
  }
}

async function rotated(state: RequestState, asked: Arrival): Promise<RequestState> {
  try {
    await state.rotate('periodic')
    return state
  } catch (error) {
    if (error instanceof SessionEndedError) return new RequestState(state.operations, null, asked, { ended: true })
    if (!(error instanceof StoreError)) throw error
    // As with a touch: what was read can be served.
    warnLater(({ warnOfRotation }) => warnOfRotation(error))
    return state
  }
}
