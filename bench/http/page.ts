// What the applications under test have in common: routes, answers, and what a login stores.
//
//   GET /page      tells two fields of the session, also to a visitor without one
//   POST /write    sets one field to another value each time
//   POST /login    logs a user in
//   POST /logout   ends the session

/** What the session holds besides the user. */
export interface Data {
  name: string
  views: number
  lastItem: string
}

/** A user who logs in: an id of 12 bytes, a role, a device. */
export interface Login {
  readonly userId: string
  readonly roles: readonly string[]
  readonly device: string
}

export const OK = { ok: true } as const

/** The same number of bytes with a session and without one. */
export function pageOf(data: Partial<Data>): { name: string; views: number } {
  return { name: data.name ?? 'nobody known', views: data.views ?? 0 }
}

/** What a login puts into the session. */
export const FIRST_DATA = { name: 'Ada Lovelace', views: 7 } as const

const USERS = 5000
let logins = 0
export function nextLogin(): Login {
  logins = (logins + 1) % USERS
  return { userId: `user-${String(logins).padStart(7, '0')}`, roles: ['customer'], device: 'Chrome on macOS' }
}

let cookies = 0
/** Another cookie each time, as long as that of a session, for who has none. */
export function nextCookie(): string {
  cookies++
  return `sid=${String(cookies).padStart(43, 'x')}; Path=/; HttpOnly; SameSite=Lax`
}

let items = 0
/** Never twice the same, or there would be nothing to write. */
export function nextItem(): string {
  items = (items + 1) % 1_000_000
  return `item-${String(items).padStart(6, '0')}`
}
