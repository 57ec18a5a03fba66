import ms from 'ms'
import { LONGEST_DURATION } from './bounds.ts'
import { ArgumentError, type CoatcheckError, ConfigError, must } from './errors.ts'
import { isText } from './kinds.ts'

/** Milliseconds, or a string such as `'30m'`, `'12h'`, `'7 days'` (parsed by the `ms` package). */
export type Duration = number | string

/**
 * Reads a duration as whole milliseconds.
 * @param name the option or argument, for the error
 * @param least the smallest allowed value in milliseconds (default 1)
 * @throws ArgumentError, or what `Wrong` makes, when it is no duration, below `least`, or above ten years
 */
export function milliseconds(
  value: Duration,
  name: string,
  least = 1,
  Wrong: new (message: string) => CoatcheckError = ArgumentError,
): number {
  // ms throws on an empty string and on more than 100 characters.
  const parsed = isText(value, 100) ? ms(value as ms.StringValue) : value
  must(
    // Neither NaN nor what is no number is within any bounds.
    typeof parsed === 'number' && Math.round(parsed) >= least && parsed <= LONGEST_DURATION,
    `${name} must be a duration from ${least} ms to ten years: milliseconds, or a string such as '30m'.`,
    Wrong,
  )
  return Math.round(parsed)
}

/**
 * Reads a duration among the options.
 * @throws ConfigError
 */
export function durationOption(value: Duration, name: string, least?: number): number {
  return milliseconds(value, name, least, ConfigError)
}
