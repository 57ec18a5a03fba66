import { type Done, outcomeOf } from './history.ts'
import type { Known, Truth } from './truth.ts'
import type { Writes } from './writes.ts'

/** Codes that say that a request was not served, and why: each of them can be tried again, or asks for a login. */
const TYPED =
  /^(?:ERR_(?:STORE_(?:TIMEOUT|UNAVAILABLE)|SESSION_ENDED|LOGIN_REVOKED)|no session$|Session (?:expired|store unavailable)$)/
/** Where a session is not what is asked for. */
const WITHOUT = new Set(['begin', 'login'])

/** What is wrong with what a request was answered. */
export class Answers {
  readonly #truth: Truth
  readonly #writes: Writes
  readonly #patience: number

  constructor(truth: Truth, writes: Writes, patience: number) {
    this.#truth = truth
    this.#writes = writes
    this.#patience = patience
  }

  wrongWith(done: Done): string[] {
    const { op, status, answer, begin, end } = done
    const wrong: string[] = []
    const known = WITHOUT.has(op) ? this.#truth.sessions.get(done.label ?? '') : this.#truth.of(done.token)
    if (end - begin > this.#patience) wrong.push(`was answered after ${Math.round(end - begin)} ms`)
    if (status !== null && status !== 200) wrong.push(...this.#refusal(done))
    if (status === 200 && known === undefined) wrong.push('was served with a token that nobody was given')
    else if (status === 200 && known !== undefined) wrong.push(...this.#service(done, known))
    if (status === 401 && known !== undefined) wrong.push(...this.#missed(done, known))
    if (op === 'guarded' && status === 403 && known !== undefined && !this.#writes.mayLack(known, 'admin', done)) {
      wrong.push('was refused though the user had the role')
    }
    return wrong.map(
      (what) => `${op} ${done.label ?? known?.label ?? ''} ${what} (${JSON.stringify(answer).slice(0, 200)})`,
    )
  }

  #refusal({ op, status, answer }: Done): string[] {
    const { error = 'none' } = answer
    if (op === 'guarded' && (status === 401 || status === 403)) return []
    return (status === 401 || status === 503) && TYPED.test(error) ? [] : [`was answered ${status} ${error}`]
  }

  /** The session that served a request is the token's, and all that was read of it can be so. */
  #service(done: Done, known: Known): string[] {
    const { op, answer, begin, token } = done
    const { label, user, roles, data, devices } = answer
    const wrong: string[] = []
    if (label !== undefined && label !== known.label) wrong.push(`was served by the session ${label}`)
    if (user !== undefined && user !== known.user) wrong.push(`was served as ${user}`)
    if (!WITHOUT.has(op) && this.#truth.hasEnded(known, begin)) wrong.push('was served after its session had ended')
    if (op === 'login') wrong.push(...this.#takeOver(done, token))
    if (WITHOUT.has(op) && done.issued === null) wrong.push('was given no token')
    if (roles !== undefined && !WITHOUT.has(op)) wrong.push(this.#writes.wrongRoles(known, roles, done) ?? '')
    if (op === 'guarded' && !roles?.includes('admin')) wrong.push('was served without the role')
    if (data !== undefined) wrong.push(...this.#writes.wrongData(known, data, done))
    if (op === 'increment') wrong.push(this.#writes.wrongIncrement(known, done) ?? '')
    if (devices !== undefined) wrong.push(...this.wrongList(known.user ?? '', devices, done))
    return wrong.filter((what) => what !== '')
  }

  /** The list of a user's sessions is the truth. */
  wrongList(user: string, labels: readonly (string | null)[], at: { begin: number; end: number }): string[] {
    const listed = new Set(labels)
    const own = this.#truth.ofUser(user)
    const wrong: string[] = []
    if (listed.size < labels.length) wrong.push('lists a session twice')
    for (const known of own) {
      const { label } = known
      const isListed = listed.delete(label)
      if (isListed && this.#truth.hasEnded(known, at.begin)) wrong.push(`lists ${label}, which had ended`)
      if (isListed && outcomeOf(known.begun) === 'refused') wrong.push(`lists ${label}, whose login was refused`)
      const isThere = this.#truth.hasBegun(known, at.begin) && !this.#truth.mayHaveEnded(known, at.end)
      if (isThere && !isListed) wrong.push(`does not list ${label}`)
    }
    for (const label of listed) wrong.push(`lists ${label}, which is not the user's`)
    return wrong
  }

  /** A login goes on with the data of the session before it, once. */
  #takeOver(done: Done, token: string | null): string[] {
    const before = this.#truth.of(token)
    const { previous = null } = done.answer
    if (before === undefined || before.user !== null) return []
    if (previous === before.label) {
      const twice = before.ends.some(
        (end) =>
          end !== done && end.op === 'login' && end.answer.previous === previous && this.#truth.hasTakenOver(end),
      )
      return twice && this.#truth.hasTakenOver(done) ? [`went on with ${previous}, as another login did`] : []
    }
    const isGone = this.#truth.mayHaveEnded(before, done.end, done) || !this.#truth.isGood(token ?? '', done.end)
    return isGone ? [] : [`has lost the session before, ${before.label}`]
  }

  /** Somebody was told that there is no session. */
  #missed(done: Done, known: Known): string[] {
    const { op, token, begin, end } = done
    if (op === 'login') return this.#refusedLogin(done)
    const isThere = this.#truth.hasBegun(known, begin) && !this.#truth.mayHaveEnded(known, end, done)
    return isThere && this.#truth.isGood(token ?? '', end) ? ['was told that its session is gone'] : []
  }

  /** Only a log-out-everywhere of the user, or the end of the session before, is a reason to refuse a login. */
  #refusedLogin({ user = '', token, begin, end, answer }: Done): string[] {
    if (answer.error === 'ERR_LOGIN_REVOKED') {
      const revoked = this.#truth
        .ofUser(user)
        .some(({ ends }) => ends.some((each) => each.op.startsWith('revoke') && each.begin < end))
      return revoked ? [] : ['was refused as revoked, and nobody had']
    }
    const before = this.#truth.of(token)
    const others = before?.ends.some((each) => each.begin < end) || !this.#truth.isGood(token ?? '', end)
    return others || before === undefined || this.#truth.hasEnded(before, begin)
      ? []
      : ['was refused because the session before had ended, which it had not']
  }
}
