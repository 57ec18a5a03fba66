import { type Done, outcomeOf } from './history.ts'
import { type Moment, wrongCount, wrongList, wrongRegister } from './registers.ts'
import type { Known, Truth } from './truth.ts'

/** What requests have written, by the session that the data began in: a login goes on with the data of the session before. */
export class Writes {
  readonly #truth: Truth
  readonly #byRoot = new Map<string, Map<string, Done[]>>()
  readonly #rolesOfUser = new Map<string, Done[]>()

  constructor(history: readonly Done[], truth: Truth) {
    this.#truth = truth
    for (const done of history) {
      const known = truth.of(done.token)
      if (done.op === 'setRoles') push(this.#rolesOfUser, known?.user ?? '', done)
      const field = { write: done.field, increment: 'views', append: 'list' }[done.op as string]
      if (known === undefined || field === undefined) continue
      const root = truth.rootOf(known)
      const fields = this.#byRoot.get(root) ?? new Map<string, Done[]>()
      this.#byRoot.set(root, fields)
      push(fields, field, done)
    }
  }

  /** What is wrong with the data of a session, as read at a moment. */
  wrongData(known: Known, data: Readonly<Record<string, unknown>>, at: Moment): string[] {
    // The session before may have gone on, with writes of its own.
    if (known.previous !== null && !this.#truth.hasTakenOver(known.begun)) return []
    const { label, views = 0, list = [], ...fields } = data
    const writes = this.#byRoot.get(this.#truth.rootOf(known)) ?? new Map<string, Done[]>()
    const wrong: string[] = []
    const note = (field: string, what: string | null) => {
      if (what !== null) wrong.push(`the field ${field} of ${known.label} ${what}`)
    }
    if (label !== known.label) note('label', 'is that of another session')
    note('views', wrongCount(Number(views), writes.get('views') ?? [], at))
    note('list', wrongList(list as unknown[], writes.get('list') ?? [], at))
    for (const [field, value] of Object.entries(fields)) {
      const writer = (writes.get(field) ?? []).find((each) => each.value === value)
      note(field, wrongRegister(writer, writes.get(field) ?? [], at))
    }
    for (const [field, all] of writes) {
      if (field === 'views' || field === 'list' || field in fields) continue
      note(field, wrongRegister(null, all, at))
    }
    return wrong
  }

  /** What is wrong with an increment's answer: no two get the same. */
  wrongIncrement(known: Known, done: Done): string | null {
    if (known.previous !== null && !this.#truth.hasTakenOver(known.begun)) return null
    const all = this.#byRoot.get(this.#truth.rootOf(known))?.get('views') ?? []
    const value = done.answer.value ?? 0
    const same = all.some((each) => each !== done && outcomeOf(each) === 'done' && each.answer.value === value)
    return same ? `two increments of ${known.label} were answered ${value}` : null
  }

  /** What is wrong with the roles of a session, as read at a moment. */
  wrongRoles({ user, begun, label }: Known, roles: readonly string[], at: Moment): string | null {
    const writes = [begun, ...(this.#rolesOfUser.get(user ?? '') ?? [])]
    const writer = roles.length === 0 ? begun : writes.find((each) => same(each.roles, roles))
    const wrong = wrongRegister(writer, writes, at)
    return wrong && `the roles of ${label}: the session ${wrong}`
  }

  /** Whether somebody without this role could be there at a moment. */
  mayLack(known: Known, role: string, at: Moment): boolean {
    const others = (this.#rolesOfUser.get(known.user ?? '') ?? []).map(({ roles = [] }) => roles)
    return [[], ...others].some((roles) => !roles.includes(role) && this.wrongRoles(known, roles, at) === null)
  }
}

function same(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a !== undefined && a.length === b.length && a.every((role, i) => role === b[i])
}

function push<K>(map: Map<K, Done[]>, key: K, done: Done): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [done])
  else list.push(done)
}
