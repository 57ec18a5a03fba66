/** Overrides properties of one object. Returns how to put them back exactly as they were. */
export function override(target: object, properties: Record<string, PropertyDescriptor>): () => void {
  const before = Object.entries(properties).map(([name, property]) => {
    const own = Object.getOwnPropertyDescriptor(target, name)
    Object.defineProperty(target, name, { ...property, configurable: true })
    return () => (own ? Object.defineProperty(target, name, own) : Reflect.deleteProperty(target, name))
  })
  return () => {
    for (const restore of before) restore()
  }
}
