/** What can be done to an application under test. */
export const OPERATIONS = ['read', 'visitor', 'write', 'login', 'logout'] as const

export type Operation = (typeof OPERATIONS)[number]

/** An application under test: a file of this folder, what it exports there, and how the report calls it. */
export interface Variant {
  readonly name: string
  readonly file: 'express' | 'fastify' | 'hono' | 'node'
  readonly application: string
  readonly title: string
  readonly operations: readonly Operation[]
}

const ALL = OPERATIONS

export const VARIANTS: readonly Variant[] = [
  variant('express', 'none', 'Express, no sessions', ALL),
  variant('express', 'empty', 'Express, a middleware that does nothing', ALL),
  variant('express', 'floor', 'Express, one `HGETALL` by hand (the floor)', ['read', 'visitor', 'write']),
  variant('express', 'coatcheck', 'Express, coatcheck', ALL),
  variant('express', 'coatcheckTouching', 'Express, coatcheck, `touchInterval: 0`', ['read']),
  variant('express', 'connectRedis', 'express-session, connect-redis', ALL),
  variant('express', 'ourStore', 'express-session, coatcheck’s store', ALL),
  variant('fastify', 'none', 'Fastify, no sessions', ALL),
  variant('fastify', 'empty', 'Fastify, a hook that does nothing', ALL),
  variant('fastify', 'floor', 'Fastify, one `HGETALL` by hand (the floor)', ['read', 'visitor', 'write']),
  variant('fastify', 'coatcheck', 'Fastify, coatcheck', ALL),
  variant('fastify', 'notRolling', '@fastify/session, connect-redis, `rolling: false`', ALL),
  variant('fastify', 'rolling', '@fastify/session, connect-redis (its default)', ALL),
  variant('hono', 'none', 'Hono, no sessions', ALL),
  variant('hono', 'empty', 'Hono, a middleware that does nothing', ALL),
  variant('hono', 'coatcheck', 'Hono, coatcheck', ALL),
  variant('node', 'none', 'node:http, no sessions', ALL),
  variant('node', 'coatcheck', 'node:http, coatcheck', ALL),
]

function variant(file: Variant['file'], application: string, title: string, operations: readonly Operation[]): Variant {
  return { name: `${file}-${application}`, file, application, title, operations }
}
