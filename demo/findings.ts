import type { Finding, Sessions } from '../src/index.ts'
import type { ChosenStore } from './choose-store.ts'
import { DemoError } from './demo-error.ts'

/**
 * Says what is wrong with the Redis that keeps the sessions, and what to do.
 * @throws DemoError for an error where this Redis was asked for: whoever did wants to know before a login fails
 */
export async function sayFindings<Data>(
  sessions: Sessions<Data>,
  { name, wasAsked, isPrivate }: ChosenStore,
  say: (line: string) => void,
): Promise<void> {
  const findings = (await check(sessions, name)).filter(({ code }) => !(isPrivate && code === TOLD_ALREADY))
  for (const { level, message } of findings) say(`${level === 'error' ? 'Error' : 'Warning'}: ${message}`)
  const errors = findings.filter(({ level }) => level === 'error').length
  if (errors > 0 && wasAsked) {
    const what = errors === 1 ? 'the error' : `the ${errors} errors`
    throw new DemoError(`The ${name} cannot keep sessions as it is: put ${what} above right.`)
  }
}

/** A private server keeps nothing on disk. */
const TOLD_ALREADY = 'PERSISTENCE'

async function check<Data>(sessions: Sessions<Data>, name: string): Promise<Finding[]> {
  try {
    return await sessions.check()
  } catch (error) {
    throw new DemoError(`The ${name} is there, but cannot be asked (${(error as Error).message}).`)
  }
}
