import type { MasterKillResult } from './master-kill.ts'

/** Warnings that are told once while Redis is away, and what Node.js adds to them. */
const EXPECTED = /COATCHECK_(TOUCH|ROTATION|REDIS)_|--trace-warnings/
/** A request may have two calls to the store, of a second each; a busy machine is late by less than the rest. */
const LONGEST = 2000 + 2000

/** What must not have come of kills whose logins and logouts waited for a replica, where it has. */
export function violationsOf(result: MasterKillResult): string[] {
  const { wrong, said, exit, longestFailed, lostAfterKill, loginsLost, logoutsUndone } = result
  const counted = Object.entries({ lostAfterKill, loginsLost, logoutsUndone }).filter(([, count]) => count > 0)
  return [
    ...counted.map(([what, count]) => `${what}: ${count}`),
    ...wrong,
    ...said.filter((line) => !EXPECTED.test(line)),
    ...(exit === 0 ? [] : [`the process ended with ${exit}`]),
    ...(longestFailed < LONGEST ? [] : [`a failed request took ${Math.round(longestFailed)} ms`]),
  ]
}
