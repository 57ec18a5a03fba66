// Runs in a project where coatcheck is installed from its package, on every Node that is supported.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { createSessions } from 'coatcheck'
import { expressSessions } from 'coatcheck/express'
import { memoryStore } from 'coatcheck/memory'
import manifest from 'coatcheck/package.json' with { type: 'json' }
import { redisStore } from 'coatcheck/redis'

const sessions = createSessions({
  store: memoryStore(),
  idleTimeout: '30m',
  lifetime: '12h',
  cookie: { secure: false },
})
const { token, id } = await sessions.create({ views: 1 })
assert.notEqual(token, id)
assert.equal((await sessions.load(token))?.data.views, 1)
assert.equal(await sessions.destroy(token), true)
assert.equal(await sessions.load(token), null)
assert.equal(typeof expressSessions(sessions), 'function')
assert.equal(typeof redisStore, 'function')
await sessions.close()

// Every entry of the manifest can be imported, and required from CommonJS; both give the same module.
const require = createRequire(import.meta.url)
for (const entry of Object.keys(manifest.exports)) {
  if (entry === './package.json') continue
  const name = `coatcheck${entry.slice(1)}`
  assert.equal(require(name), await import(name))
}
console.log(process.version)
