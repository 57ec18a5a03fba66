import { setInterval } from 'node:timers/promises'

/** Under npm there is a shell between npm and the program, which does not pass on a signal that is meant to end npm. */
export async function parentGone(): Promise<void> {
  const parent = process.ppid
  for await (const _ of setInterval(500, undefined, { ref: false })) if (process.ppid !== parent) return
}
