/** Waits so many milliseconds; rejects when `signal` says so. */
export { setTimeout as pause } from 'node:timers/promises'
