import type { SessionRef, SessionStore } from '../../../src/core/store.ts'
import { tags } from '../../../src/core/tags.ts'
import { median, shuffled } from '../../numbers.ts'
import { redisCpu } from '../../redis-usage.ts'
import { anyOf, CALL, CHANGE, NOTE, newSession, takeOne } from '../../support/calls.ts'
import { manyTimes } from '../../support/population.ts'
import { CLIENTS, type Subject } from './subjects.ts'

/** What is measured of each subject; the model's operations are among them. */
export const OPERATIONS = ['load', 'touch', 'write', 'login', 'logout'] as const
export type OperationName = (typeof OPERATIONS)[number]

type Step = (store: SessionStore, sessions: SessionRef[]) => Promise<unknown>

const STEPS: Readonly<Record<OperationName, Step>> = {
  load: (store, sessions) => store.load(anyOf(sessions).id, null, CALL),
  touch: (store, sessions) => store.touch(anyOf(sessions), 0, 1, CALL),
  /** As nearly all are: no touch is due. */
  async write(store, sessions) {
    const { id } = anyOf(sessions)
    if (!(await store.write(id, CHANGE.set, CALL))) throw new Error('The run is void: nothing was written.')
  },
  login(store, sessions) {
    const session = newSession(anyOf(sessions).userId)
    sessions.push({ id: session.id, userId: session.userId })
    return store.create(session, CALL)
  },
  logout: (store, sessions) => store.destroy(takeOne(sessions), NOTE, CALL),
}

/** How commands come: all over one connection, or each over one of its own as from many processes. */
export type Arrival = 'together' | 'apart'

export interface Used {
  /** Microseconds of processor time an operation, on all masters together. */
  readonly cpu: number
  /** How much more than the mean the busiest master does. */
  readonly busiest: number
}

/** What an operation costs on each of the subjects: the medians of rounds in which each has its turn, whichever is first. */
export async function measure(
  subjects: readonly Subject[],
  operation: OperationName,
  {
    arrival,
    monitoring = true,
    rounds,
    repetitions,
  }: {
    arrival: Arrival
    monitoring?: boolean
    rounds: number
    repetitions: number
  },
): Promise<Used[]> {
  const found = subjects.map((): Used[] => [])
  for (let round = -1; round < rounds; round++) {
    for (const i of shuffled(subjects.map((_, i) => i))) {
      const subject = subjects[i] as Subject
      const stores = monitoring ? subject.stores : subject.unmonitored
      const used = await cpuDuring(subject, async () => {
        await manyTimes(
          repetitions,
          async (n) => {
            const store = stores[arrival === 'together' ? 0 : n % CLIENTS] as SessionStore
            await STEPS[operation](store, subject.sessions)
          },
          CLIENTS,
        )
      })
      // The first is to learn scripts.
      if (round >= 0) found[i]?.push(spread(used, repetitions))
    }
  }
  return found.map((rounds) => ({
    cpu: median(rounds.map(({ cpu }) => cpu)),
    busiest: median(rounds.map(({ busiest }) => busiest)),
  }))
}

/** Microseconds of processor time that an event costs the master where it happens, and each other one. */
export interface EventCost {
  readonly own: number
  readonly others: number
}

/** What telling of an event costs, when it comes alone, as from a script: nobody listens. */
export async function measureEvents(subject: Subject, rounds: number, repetitions: number): Promise<EventCost> {
  const [first] = subject.masters
  const event = JSON.stringify({ ...NOTE, id: `${tags[0]}${'A'.repeat(22)}`, userId: 'u00000000001', at: Date.now() })
  const found: EventCost[] = []
  for (let round = -1; round < rounds; round++) {
    const [own = 0, ...others] = await cpuDuring(subject, () =>
      manyTimes(repetitions, async () => void (await first?.publish('session:events', event)), CLIENTS),
    )
    const sum = others.reduce((sum, one) => sum + one, 0)
    const each = others.length === 0 ? 0 : sum / others.length
    if (round >= 0) found.push({ own: own / repetitions, others: each / repetitions })
  }
  return { own: median(found.map(({ own }) => own)), others: median(found.map(({ others }) => others)) }
}

/** Microseconds of processor time that each master uses while something is done. */
async function cpuDuring({ masters }: Subject, work: () => Promise<void>): Promise<number[]> {
  const read = () => Promise.all(masters.map(redisCpu))
  const before = await read()
  await work()
  const after = await read()
  return after.map((used, i) => used - (before[i] as number))
}

function spread(used: readonly number[], repetitions: number): Used {
  const sum = used.reduce((sum, one) => sum + one, 0)
  return { cpu: sum / repetitions, busiest: Math.max(...used) / (sum / used.length) - 1 }
}
