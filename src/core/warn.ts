const said = new Set<string>()

/**
 * Says something to whoever runs the process (Node prints it, and `process.on('warning')` hears it): once per `code`, or
 * once per `code` and what it is `about`.
 */
export function warnOnce(code: string, message: string, about = ''): void {
  const key = `${code} ${about}`
  if (said.has(key)) return
  said.add(key)
  process.emitWarning(message, { type: 'CoatcheckWarning', code })
}
