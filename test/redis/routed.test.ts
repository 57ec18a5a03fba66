import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ServerConnection } from '../../src/redis/clients/connection.ts'
import { RoutedConnection, type Servers } from '../../src/redis/clients/routed.ts'
import { AwayError, isReply, mayPass, NotSentError, storeError } from '../../src/redis/errors.ts'
import { call } from '../store-contract.ts'

/**
 * Servers of which each key's fails with this; `found`: it was asked anew which server holds what.
 * @param asked what the server fails with that a redirection names
 */
function failing(error: Error, asked?: Error): { connection: RoutedConnection; found: Promise<unknown> } {
  const other = {
    send: ([word]: string[]) => (word === 'ASKING' ? Promise.resolve('OK') : Promise.reject(asked)),
  } as object as ServerConnection
  const server = { send: () => Promise.reject(error) } as object as ServerConnection
  let tell = () => {}
  const found = new Promise<void>((resolve) => {
    tell = resolve
  })
  const servers: Servers = {
    isClosed: false,
    of: () => server,
    at: () => (asked === undefined ? null : other),
    masters: () => [],
    trouble: () => null,
    refresh: async () => tell(),
    onReady: () => () => undefined,
  }
  return { connection: new RoutedConnection(servers), found }
}

describe('a connection to several servers', { timeout: 10_000 }, () => {
  it('finds out anew who the master is when one says that it is none any more', async () => {
    const { connection, found } = failing(new Error("READONLY You can't write against a read only replica."))
    await assert.rejects(connection.send(['HSET', 'key', 'field', 'value'], call()), (error) =>
      isReply(storeError(error), 'READONLY'),
    )
    await found
  })

  it('may be tried again where the way to the master was lost before the command went', async () => {
    const { connection } = failing(new NotSentError('The connection was lost'))
    await assert.rejects(connection.send(['HGETALL', 'key'], call()), (error) => {
      assert.ok(error instanceof AwayError)
      return mayPass(storeError(error))
    })
  })

  for (const onwards of ['MOVED 3999 127.0.0.1:6383', 'ASK 3999 127.0.0.1:6383']) {
    it(`may be tried again where the server that was asked says ${onwards.split(' ')[0]} in its turn`, async () => {
      const { connection } = failing(new Error('ASK 3999 127.0.0.1:6382'), new Error(onwards))
      await assert.rejects(connection.send(['HGETALL', 'key'], call()), (error) => mayPass(storeError(error)))
    })
  }

  it('is not tried again where nobody knows whether the command was carried out', async () => {
    const { connection } = failing(new Error('Socket closed unexpectedly'))
    await assert.rejects(connection.send(['HGETALL', 'key'], call()), (error) => {
      assert.equal(storeError(error).outcome, 'unknown')
      return !mayPass(storeError(error))
    })
  })
})
