/** A whole answer, in place of the application's. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What an answer depends on is who asks. */
export const NOT_STORED: Readonly<Record<string, string>> = { 'Cache-Control': 'no-store' }

/** An answer for the client alone. */
export function jsonAnswer(status: number, value: object, more?: Readonly<Record<string, string>>): Answer {
  const headers = { 'Content-Type': 'application/json; charset=utf-8', ...NOT_STORED, ...more }
  return { status, headers, body: JSON.stringify(value) }
}
