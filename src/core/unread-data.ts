/**
 * The data of a session that could not be read, for a request that is served all the same. A removal would leave no trace in data
 * that are empty, and seem to be done; so every write is noticed as it is made.
 */
export function noticingWrites(values: Record<string, unknown>, noticed: () => void): Record<string, unknown> {
  return new Proxy(values, {
    defineProperty(...property) {
      noticed()
      return Reflect.defineProperty(...property)
    },
    deleteProperty(...property) {
      noticed()
      return Reflect.deleteProperty(...property)
    },
  })
}
