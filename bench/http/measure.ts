import { redisCpu } from '../redis-usage.ts'
import type { RedisClient } from './application.ts'
import { type Load, load } from './load.ts'
import type { Subject } from './subject.ts'
import type { Operation } from './variants.ts'

/** What one operation on one application took, over a while. Times are microseconds of processor time a request. */
export interface Sample {
  readonly requests: number
  readonly perSecond: number
  readonly nodeCpu: number
  readonly redisCpu: number
}

export interface Measured extends Sample {
  /** The cookies that the answers have set. */
  readonly cookies: readonly string[]
}

/** Sends one request with each cookie (`null`: so many without one). */
export async function measureOnce(
  subject: Subject,
  redis: RedisClient,
  operation: Operation,
  cookies: readonly string[],
  amount: number = cookies.length,
): Promise<Measured> {
  const before = { ...(await clocks({ answered: 0 }, subject, redis)) }
  const requests = load(subject.port, operation, cookies, amount)
  await requests.done
  const after = await clocks(requests, subject, redis)
  await requests.stop()
  return sample(before, after, requests)
}

interface Clocks {
  readonly at: number
  readonly answered: number
  readonly nodeCpu: number
  readonly redisCpu: number
}

async function clocks(requests: Pick<Load, 'answered'>, subject: Subject, redis: RedisClient): Promise<Clocks> {
  const [nodeCpu, redisCpuTime] = await Promise.all([subject.cpu(), redisCpu(redis)])
  return { at: performance.now(), answered: requests.answered, nodeCpu, redisCpu: redisCpuTime }
}

function sample(before: Clocks, after: Clocks, { fault, cookies }: Load): Measured {
  if (fault !== null) throw new Error(`The run is void: ${fault}.`)
  const requests = after.answered - before.answered
  if (requests === 0) throw new Error('The run is void: nothing was answered.')
  return {
    requests,
    perSecond: requests / ((after.at - before.at) / 1000),
    nodeCpu: (after.nodeCpu - before.nodeCpu) / requests,
    redisCpu: (after.redisCpu - before.redisCpu) / requests,
    cookies,
  }
}
