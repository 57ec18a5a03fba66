import { ignored } from './ignored.ts'

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

/**
 * Says what hardly ever has to be said: the words are loaded then, and if they cannot be, it stays unsaid. Nobody waits for it: a
 * warning comes in a later turn in any case.
 */
export function warnLater(say: (warnings: typeof import('./warnings.ts')) => void): void {
  import('./warnings.ts').then(say).catch(ignored)
}
