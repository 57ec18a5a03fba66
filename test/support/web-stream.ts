/**
 * A body from what produces its chunks, one ahead of whoever reads. (`Readable.toWeb` throws where nobody can catch it when it is
 * cancelled while a chunk is on its way, and `ReadableStream.from` produces nothing before somebody reads.)
 */
export function webStream(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await chunks.return?.()
    },
  })
}
