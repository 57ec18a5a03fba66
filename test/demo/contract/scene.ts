import type { RedisServer } from '../../support/redis-server.ts'
import type { DemoAnswer, Visitor } from '../visitor.ts'

/** What the tests of the routes work with, whichever store is behind the demo. */
export interface Scene {
  /** Where the demo listens. */
  url(): string
  newVisitor(): Visitor
  /** A new visitor who has just started a session. */
  login(form?: Record<string, string>): Promise<{ visitor: Visitor; first: DemoAnswer }>
  /** The Redis behind the demo; `null`: it runs on the memory store. */
  redis(): RedisServer | null
}
