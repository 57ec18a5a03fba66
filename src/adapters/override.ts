/** Overrides properties of one object. Returns how to put them back exactly as they were. */
export function override(target: object, properties: Record<string, PropertyDescriptor>): () => void {
  const before = Object.entries(properties).map(([name, property]) => {
    const own = Object.getOwnPropertyDescriptor(target, name)
    Object.defineProperty(target, name, { ...property, configurable: true })
    return [name, own] as const
  })
  return () => {
    for (const [name, property] of before) {
      if (property === undefined) delete (target as Record<string, unknown>)[name]
      else Object.defineProperty(target, name, property)
    }
  }
}
