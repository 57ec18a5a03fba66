import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

// A network between two processes of one machine: slow, stalled or cut, whenever a test says so.

export interface Proxy {
  readonly port: number
  /** How long bytes travel from now on, each way. Order is kept: a shorter delay never overtakes a longer one. */
  setDelay(delayMs: number): void
  /** Nothing arrives any more, as if the other side had frozen. Connections stay up. */
  pause(): void
  /** What was held back arrives at once. */
  resume(): void
  /** The connections that there are lead nowhere from now on, and nobody is told: half-open. New ones are as ever. */
  strand(): void
  /** Drops every connection. New ones are accepted. */
  cut(): void
  /** Drops every connection and accepts no more. */
  stop(): Promise<void>
}

export async function startProxy(targetPort: number, { delayMs = 0 } = {}): Promise<Proxy> {
  const network: Network = { delayMs, paused: false }
  const lanes = new Set<Lane>()
  const sockets = new Set<Socket>()

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const target = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    for (const lane of [new Lane(client, target, network), new Lane(target, client, network)]) {
      lanes.add(lane)
      lane.to.on('close', () => lanes.delete(lane))
    }
    for (const socket of [client, target]) {
      sockets.add(socket)
      socket.on('close', () => {
        sockets.delete(socket)
        if (socket === client) target.end()
      })
      // An orderly end travels in the queue, behind what was sent before it; a broken connection breaks the other at once.
      socket.on('error', () => {
        client.destroy()
        target.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: address.port,
    setDelay: (delayMs) => {
      network.delayMs = delayMs
    },
    pause: () => {
      network.paused = true
    },
    resume: () => {
      network.paused = false
      for (const lane of lanes) lane.deliver()
    },
    strand: () => {
      for (const lane of lanes) lane.strand()
    },
    cut,
    async stop() {
      server.close()
      cut()
      await once(server, 'close')
    },
  }
}

interface Network {
  delayMs: number
  paused: boolean
}

/** One direction of one connection: a queue of what is on its way, `null` being the end of the stream. */
class Lane {
  readonly to: Socket
  readonly #network: Network
  readonly #queue: { chunk: Buffer | null; due: number }[] = []
  #timer: NodeJS.Timeout | undefined
  #stranded = false

  constructor(from: Socket, to: Socket, network: Network) {
    this.to = to
    this.#network = network
    from.on('data', (chunk) => this.#send(chunk))
    from.on('end', () => this.#send(null))
    to.on('close', () => clearTimeout(this.#timer))
  }

  strand(): void {
    this.#stranded = true
    this.#queue.length = 0
  }

  #send(chunk: Buffer | null): void {
    if (this.#stranded) return
    const earliest = this.#queue.at(-1)?.due ?? 0
    this.#queue.push({ chunk, due: Math.max(earliest, performance.now() + this.#network.delayMs) })
    this.deliver()
  }

  /** Hands over what is due, in order, and sets the one timer for the rest. */
  deliver(): void {
    clearTimeout(this.#timer)
    if (this.#network.paused) return
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const wait = next.due - performance.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.deliver(), wait)
        return
      }
      this.#queue.shift()
      if (next.chunk === null) this.to.end()
      else this.to.write(next.chunk)
    }
  }
}
