import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Scope } from '../support/http.ts'

/** A way to Redis on which one chosen command, or the reply to it, gets lost. */
export interface LossyProxy {
  readonly port: number
  /**
   * From now on, the first bytes sent that hold `words` get lost, or the reply to them does: Redis has carried them out by
   * then. With that the connection breaks, or falls silent for good, both ways.
   * @param keep how many bytes of the reply, and of what comes behind it, still arrive before the connection breaks; default 0
   * @returns resolves when it has happened
   */
  lose(what: 'request' | 'reply', words: string, then: 'break' | 'silence', keep?: number): Promise<void>
  /** Breaks the connections that have fallen silent. */
  breakSilent(): void
  /** Breaks every connection and accepts none, until told otherwise: nothing that a client sends can leave its process. */
  refuse(refusing: boolean): Promise<void>
}

interface Loss {
  readonly what: 'request' | 'reply'
  readonly words: string
  readonly then: 'break' | 'silence'
  keep: number
  readonly done: () => void
}

export async function startLossyProxy(scope: Scope, targetPort: number): Promise<LossyProxy> {
  let loss: Loss | null = null
  const sockets = new Set<Socket>()
  const silent = new Set<Socket>()

  const server = createServer({ noDelay: true }, (client) => {
    const target = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
    let lost: Loss | null = null
    const happens = ({ then, done }: Loss) => {
      if (then === 'silence') for (const socket of [client, target]) silent.add(socket)
      else end()
      done()
    }
    const end = () => {
      client.destroy()
      target.destroy()
    }
    for (const socket of [client, target]) {
      sockets.add(socket)
      socket.on('error', end)
      socket.on('close', () => {
        end()
        sockets.delete(socket)
        silent.delete(socket)
      })
    }
    client.on('data', (bytes) => {
      if (lost !== null && lost.keep === 0) return
      if (lost === null && loss !== null && bytes.includes(loss.words)) {
        lost = loss
        loss = null
        if (lost.what === 'request') {
          happens(lost)
          return
        }
      }
      target.write(bytes)
    })
    target.on('data', (bytes) => {
      if (lost === null) client.write(bytes)
      else if (lost.keep > 0) breakWithin(bytes, lost)
      else if (!silent.has(target) && !client.writableEnded) happens(lost)
    })
    const breakWithin = (bytes: Buffer, loss: Loss) => {
      const kept = bytes.subarray(0, loss.keep)
      loss.keep -= kept.length
      if (loss.keep > 0) client.write(kept)
      else client.end(kept, () => happens(loss))
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  scope.after(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    lose: (what, words, then, keep = 0) =>
      new Promise((resolve) => {
        loss = { what, words, then, keep, done: resolve }
      }),
    breakSilent() {
      for (const socket of silent) socket.destroy()
    },
    async refuse(refusing) {
      if (refusing) {
        const closed = once(server.close(), 'close')
        for (const socket of sockets) socket.destroy()
        await closed
      } else {
        await once(server.listen(port, '127.0.0.1'), 'listening')
      }
    },
  }
}
