import { setTimeout as pause } from 'node:timers/promises'

// How much later things come on a busy machine than they would on a quiet one: what a promise in milliseconds is measured
// with, so that it need not be loosened.

/** How long this process did not get to run at a stretch since the call. */
export function measureStall(): () => number {
  let [last, longest] = [performance.now(), 0]
  const beat = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last - 10)
    last = now
    return longest
  }
  setInterval(beat, 10).unref()
  return beat
}

/**
 * The same of another process, as a client sees it: how long it took at most to answer, since the call, what needs no more
 * than the process itself.
 * @param ask asked again and again until the result is called
 */
export function measureLag(ask: () => Promise<unknown>): () => Promise<number> {
  let [over, longest] = [false, 0]
  const asking = (async () => {
    do {
      const asked = performance.now()
      await ask()
      longest = Math.max(longest, performance.now() - asked)
      await pause(10)
    } while (!over)
  })()
  // The server may go before anybody asks for the result; whoever does is told.
  asking.catch(() => undefined)
  return async () => {
    over = true
    await asking
    return longest
  }
}
