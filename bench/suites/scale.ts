import type { Size, Suite } from '../suite.ts'
import {
  type Arrival,
  type EventCost,
  measure,
  measureEvents,
  OPERATIONS,
  type OperationName,
  type Used,
} from './scale/measure.ts'
import { type Subject, startSubject } from './scale/subjects.ts'
import { checkTable } from './scale/tables.ts'

/** What was found of one server and of clusters of one, two and three masters: lists are in this order. */
export interface ScaleResult {
  readonly sessions: number
  readonly subjects: readonly string[]
  /** Bytes a session. */
  readonly bytes: readonly number[]
  /** The same without the indexes of monitoring. */
  readonly bytesUnmonitored: readonly number[]
  readonly used: readonly {
    readonly operation: OperationName
    readonly arrival: Arrival
    readonly monitoring: boolean
    readonly of: readonly Used[]
  }[]
  readonly events: readonly EventCost[]
}

const SIZES: Readonly<Record<Size, { sessions: number; rounds: number; repetitions: number }>> = {
  quick: { sessions: 4000, rounds: 1, repetitions: 128 },
  full: { sessions: 120_000, rounds: 5, repetitions: 1000 },
}
const WAYS = [
  { arrival: 'together', monitoring: true },
  { arrival: 'apart', monitoring: true },
  { arrival: 'apart', monitoring: false },
] as const

const scale: Suite<ScaleResult> = {
  name: 'scale',

  async run(size, say) {
    const { sessions, rounds, repetitions } = SIZES[size]
    const subjects: Subject[] = []
    try {
      for (const masters of [0, 1, 2, 3]) {
        const subject = await startSubject(masters, sessions)
        subjects.push(subject)
        say(`${subject.name}: ${sessions} sessions are there, ${Math.round(subject.bytes)} B each`)
      }
      const used: ScaleResult['used'][number][] = []
      for (const operation of OPERATIONS) {
        for (const way of WAYS) {
          const of = await measure(subjects, operation, { ...way, rounds, repetitions })
          used.push({ operation, ...way, of })
        }
        say(`${operation} is measured`)
      }
      const events: EventCost[] = []
      for (const subject of subjects) events.push(await measureEvents(subject, rounds, repetitions))
      const bytesUnmonitored: number[] = []
      for (const subject of subjects) bytesUnmonitored.push(await subject.dropMonitoring())
      return {
        sessions,
        subjects: subjects.map(({ name }) => name),
        bytes: subjects.map(({ bytes }) => bytes),
        bytesUnmonitored,
        used,
        events,
      }
    } finally {
      for (const subject of subjects) await subject.stop()
    }
  },

  report: (result) => ({
    markdown: `## One server and several

What an operation costs the processors of all masters together, on one server and on clusters without replicas: ${result.sessions.toLocaleString('en-GB')}
sessions, 64 clients with one call under way each. What follows from it for 100 million sessions is in [scale.md](scale.md).

${checkTable(result)}

Bytes a session: ${result.subjects.map((name, i) => `${name} ${Math.round(result.bytes[i] as number)}`).join(', ')}.
`,
    charts: {},
  }),
}

export default scale
