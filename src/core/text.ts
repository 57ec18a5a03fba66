/** Whether a value is a well-formed string of 1 to `longest` characters. */
export function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= longest && value.isWellFormed()
}
