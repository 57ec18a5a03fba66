/** Whether a value is a well-formed string of 1 to `longest` characters. */
export function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= longest && value.isWellFormed()
}

/** What {@link isText} asks for, in words. */
export function textOf(longest: number): string {
  return `a well-formed string of 1 to ${longest} characters`
}

/** Whether a value is an object of any kind. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
