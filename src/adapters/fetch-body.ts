/**
 * The same body, whose end does not leave before `complete` allows it: if that rejects, the body breaks off. Nothing is read
 * ahead. A client that knows the `length` takes the last byte for the end, so from there on it is held back.
 */
export function watchBody(
  body: ReadableStream<Uint8Array>,
  length: number | null,
  complete: () => Promise<void>,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  const held: Uint8Array[] = []
  let seen = 0

  /** The next chunk to hand out; `undefined`: there is none any more. */
  async function next(): Promise<Uint8Array | undefined> {
    while (true) {
      const { value } = await reader.read()
      if (value === undefined) return undefined
      seen += value.byteLength
      if (length === null || seen < length) return value
      held.push(value) // guard: the last byte is the end
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const chunk = await next()
        if (chunk !== undefined) return controller.enqueue(chunk)
        await complete() // guard: changes while the body leaves
        for (const last of held) controller.enqueue(last)
        controller.close()
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
