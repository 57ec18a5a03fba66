// Imported before a program, it moves the wall clock of its process by CLOCK_SHIFT milliseconds. The monotonic clock
// (performance.now, timers) stays as it is: so it is on a server whose wall clock is wrong.

const shift = Number(process.env.CLOCK_SHIFT)
const now = () => RealDate.now() + shift
const RealDate = globalThis.Date

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
})
Object.defineProperty(performance, 'timeOrigin', { value: performance.timeOrigin + shift })

export {}
