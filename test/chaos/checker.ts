import { Answers } from './answers.ts'
import type { Done } from './history.ts'
import { Remains } from './remains.ts'
import type { Stored } from './stored.ts'
import { Truth } from './truth.ts'
import { Writes } from './writes.ts'

// Whether an application kept its promises: what it answered to every request, and what is in Redis when all is over. Knows
// nothing of coatcheck but its data format as documented (docs/how-it-works.md), and shares no code with it.

export interface CheckOptions {
  readonly history: readonly Done[]
  readonly stored: Stored
  /** For how many ms a token is good after its rotation. */
  readonly grace: number
  /** How many ms a request may take. */
  readonly patience: number
  /** How many ms later than it should a key may expire: `MIGRATE` hands on what is left, and takes a while. Default 0. */
  readonly drift?: number
  /** When all connections to Redis were broken. */
  readonly cuts?: readonly number[]
}

/** @returns everything that is wrong, each as a sentence: at most so many of one kind that it can be read */
export function check({ history, stored, grace, patience, drift = 0, cuts = [] }: CheckOptions): string[] {
  const truth = new Truth(history, grace, cuts)
  const writes = new Writes(history, truth)
  const answers = new Answers(truth, writes, patience)
  return few([
    ...history.flatMap((done) => answers.wrongWith(done)),
    ...new Remains(stored, truth, writes, drift).wrong(),
  ])
}

const MOST = 20

function few(violations: readonly string[]): string[] {
  return violations.length <= MOST
    ? [...violations]
    : [...violations.slice(0, MOST), `and ${violations.length - MOST} more`]
}
