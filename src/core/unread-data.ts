/**
 * The data of a session that could not be read, for a request that is served all the same. A removal would leave no trace in data
 * that are empty, and seem to be done; so every write is noticed as it is made.
 */
export function noticingWrites(values: Record<string, unknown>, noticed: () => void): Record<string, unknown> {
  return new Proxy(values, {
    defineProperty(target, field, descriptor) {
      noticed()
      return Reflect.defineProperty(target, field, descriptor)
    },
    deleteProperty(target, field) {
      noticed()
      return Reflect.deleteProperty(target, field)
    },
  })
}
