import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { isDestroyed, streamOf } from './http2.ts'

/** What carries one response at a time: a connection, or in http2 a stream of it. */
type Carrier = Socket | ServerHttp2Stream

/** The destruction of one carrier, held back by one response or more: two sessions on one request, pipelined requests. */
interface Deferral {
  holders: number
  /** What was asked for meanwhile. */
  asked: { error: Error | undefined } | undefined
  /** The response that holds it first. */
  readonly res: ServerResponse
  /** Puts back what somebody else had there. */
  readonly restore: (() => void) | undefined
}

/** Under which a carrier has its deferral. */
const DEFERRAL = Symbol('coatcheck')

type Deferrable = Carrier & { [DEFERRAL]?: Deferral | null }

/**
 * Makes the connection of a response ready to hold back its destruction, at its first request already. When only a write did so,
 * connections came in two kinds, and Node's own functions were slower for both (docs/decisions/005-response-gate.md).
 */
export function makeDeferrable(res: ServerResponse): void {
  const socket = (streamOf(res) ? null : res.req.socket) as Deferrable | null
  if (!socket || Object.hasOwn(socket, 'destroy')) return
  socket.destroy = destroy as Carrier['destroy']
  socket[DEFERRAL] = null
}

/**
 * Holds back `socket.destroy()` while a response waits for its commit. Express's last error handler destroys the socket when
 * a handler throws after it has answered; unheld, a short answer would have been written before that and arrive, so a held
 * one must arrive too. At most the store's deadline long.
 * @returns ends it, and does what was asked for meanwhile: at once, or when an answer that is complete has been sent
 */
export function deferDestroy(res: ServerResponse): (complete: boolean) => void {
  // A pipelined response has no socket of its own before its turn comes; its request has.
  const socket: Deferrable | null = streamOf(res) ?? res.socket ?? res.req.socket
  if (!socket || socket.destroyed) return () => undefined
  const deferral = socket[DEFERRAL] ?? begin(socket, res)
  deferral.holders++
  return (complete) => {
    deferral.holders--
    if (deferral.holders > 0) return
    socket[DEFERRAL] = null
    deferral.restore?.()
    if (deferral.asked === undefined) return
    // To a client that has hung up nothing can be sent, and the end of that would never come.
    if (!complete || isDestroyed(res) || !socket.writable) {
      socket.destroy(deferral.asked.error)
    } else if (res.writableFinished) {
      destroySoon(socket)
    } else {
      res.once('finish', () => destroySoon(socket))
    }
  }
}

function destroySoon(socket: Carrier): void {
  if ('destroySoon' in socket) socket.destroySoon()
  else socket.close()
}

function begin(socket: Deferrable, res: ServerResponse): Deferral {
  const before = socket.destroy
  const isTaken = Object.hasOwn(socket, 'destroy') && before !== destroy
  const restore = isTaken ? () => (socket.destroy = before) : undefined
  // If nobody else had one there, it stays: a connection that it is put on and taken from with each request is slow for good.
  socket.destroy = destroy as Carrier['destroy']
  const deferral: Deferral = { holders: 0, asked: undefined, res, restore }
  socket[DEFERRAL] = deferral
  return deferral
}

function destroy(this: Deferrable, error?: Error): Carrier {
  const deferral = this[DEFERRAL]
  if (!deferral) return Object.getPrototypeOf(this).destroy.call(this, error)
  deferral.asked ??= { error }
  // Said in the head if it has not left yet, so that no client sends its next request into a closing connection.
  deferral.res.shouldKeepAlive = false
  return this
}
