// The child's end of a test's own process (child.ts). Imported before a program, it ends that program with its test: the
// channel between the two closes however the test's process ends.

interface Question {
  readonly id: number
  readonly name: string
  readonly args: readonly unknown[]
}

process.on('disconnect', () => process.exit(3))
// The channel alone does not keep a program alive.
process.channel?.unref()

/** Says that the program is ready. */
export function tellReady(info: unknown): void {
  process.send?.({ ready: info })
}

// biome-ignore lint/suspicious/noExplicitAny: what a test sends and gets is between the test and its program
export function answer(handlers: Record<string, (...args: any[]) => unknown>): void {
  process.on('message', async ({ id, name, args }: Question) => {
    try {
      process.send?.({ id, value: await handlers[name]?.(...args) })
    } catch (error) {
      const { name, code, status, outcome, message } = error as Error & Record<string, unknown>
      process.send?.({ id, error: { name, code, status, outcome, message } })
    }
  })
  process.channel?.unref()
}
