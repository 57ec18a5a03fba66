/** Overrides properties of one object. Returns how to put them back exactly as they were. */
export function override(target: object, properties: Record<string, PropertyDescriptor>): () => void {
  const before = Object.keys(properties).map((name) => [name, Object.getOwnPropertyDescriptor(target, name)] as const)
  for (const [name, property] of Object.entries(properties)) {
    Object.defineProperty(target, name, { ...property, configurable: true })
  }
  return () => {
    for (const [name, property] of before) {
      if (property === undefined) delete (target as Record<string, unknown>)[name]
      else Object.defineProperty(target, name, property)
    }
  }
}
