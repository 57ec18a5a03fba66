import { tags } from '../../../src/core/tags.ts'

// From what one operation costs to what so many sessions cost. Pure arithmetic: docs/scale.md says where it comes from.

/** What was measured. Processor time in microseconds, memory in bytes. */
export interface Costs {
  /** A session with all its indexes, on a cluster. */
  readonly bytes: number
  readonly cpu: Readonly<Record<'load' | 'touch' | 'write' | 'login' | 'logout', number>>
  /** What an event costs the master that sends it, for each other node, and what it costs each node that gets it. */
  readonly event: { readonly send: number; readonly receive: number }
}

/** What a site is like. */
export interface Site {
  readonly sessions: number
  /** Seconds between two requests of a session, in the mean. */
  readonly requestEvery: number
  /** The share of requests that write. */
  readonly writing: number
  /** Seconds that a session lasts, in the mean. */
  readonly lasts: number
  /** The share of sessions that end by a logout; the others expire. */
  readonly loggedOut: number
  /** Seconds: the option of that name. */
  readonly touchInterval: number
  /** Whether scripts may publish what they do. */
  readonly events: boolean
}

/** What a master may be made to do. */
export interface Limits {
  /** The share of its one thread that may be busy: the rest is for peaks, and for when another one is away. */
  readonly busy: number
  /** Bytes of memory for data. */
  readonly memory: number
  /** What used_memory is multiplied by: fragmentation, buffers, copies while a snapshot is written. */
  readonly overhead: number
}

export interface Plan {
  /** Commands a second, on all masters. */
  readonly rates: Readonly<Record<keyof Costs['cpu'], number>>
  /** Events a second. */
  readonly events: number
  /** Processors that the commands keep busy; of what they tell other masters, only what three masters tell each other. */
  readonly cores: number
  /** Bytes on all masters. */
  readonly bytes: number
  readonly mastersForMemory: number
  /** Infinite: no number of masters is enough. */
  readonly mastersForCpu: number
  readonly masters: number
  /** The share of each master's thread that goes into telling other nodes of events. */
  readonly telling: number
  /** What decides how many masters there are. */
  readonly limit: 'memory' | 'processor' | 'events'
  /** The operation that takes the most of the processors. */
  readonly dearest: keyof Costs['cpu']
}

/** As many as there are partitions to spread. */
export const MOST_MASTERS: number = tags.length

export function planFor(site: Site, costs: Costs, limits: Limits): Plan {
  const rates = ratesOf(site)
  const events = site.events ? rates.login + rates.logout : 0
  const perSecond = (name: keyof Costs['cpu']) => rates[name] * costs.cpu[name]
  const names = Object.keys(rates) as (keyof Costs['cpu'])[]
  const cores = names.reduce((sum, name) => sum + perSecond(name), 0) / 1e6
  const bytes = site.sessions * costs.bytes * limits.overhead
  const mastersForMemory = fewest((masters) => bytes * largestPart(masters) <= limits.memory)
  const telling = (masters: number) => tellingShare(events, masters, costs)
  const mastersForCpu = fewest((masters) => cores * largestPart(masters) + telling(masters) <= limits.busy)
  const masters = Math.max(mastersForMemory, mastersForCpu)
  const alone = fewest((masters) => cores * largestPart(masters) <= limits.busy)
  return {
    rates,
    events,
    cores,
    bytes,
    mastersForMemory,
    mastersForCpu,
    masters,
    telling: telling(Math.min(masters, MOST_MASTERS)),
    limit: mastersForMemory >= mastersForCpu ? 'memory' : mastersForCpu > 2 * alone ? 'events' : 'processor',
    dearest: names.reduce((dearest, name) => (perSecond(name) > perSecond(dearest) ? name : dearest)),
  }
}

/** Commands a second. */
export function ratesOf({ sessions, requestEvery, writing, lasts, loggedOut, touchInterval }: Site): Plan['rates'] {
  const requests = sessions / requestEvery
  const login = sessions / lasts
  return {
    load: requests,
    // When a touch has been, the next is due with the first request after the interval. One that writes as well costs hardly more.
    touch: sessions / (touchInterval + requestEvery),
    write: writing * requests,
    login,
    logout: loggedOut * login,
  }
}

/**
 * The share of a master's thread that events take. An event goes to every other node, replicas too: with one for each master,
 * there are twice as many nodes. So what each node gets hardly depends on how many there are.
 */
function tellingShare(events: number, masters: number, { event }: Costs): number {
  const sent = (events / masters) * (2 * masters - 1) * event.send
  const got = ((events * (masters - 1)) / masters) * event.receive
  return masters === 1 ? 0 : (sent + got) / 1e6
}

/** How much of everything the busiest master has: partitions are not divided. */
function largestPart(masters: number): number {
  return Math.ceil(tags.length / masters) / tags.length
}

function fewest(suffices: (masters: number) => boolean): number {
  for (let masters = 1; masters <= MOST_MASTERS; masters++) if (suffices(masters)) return masters
  return Number.POSITIVE_INFINITY
}
