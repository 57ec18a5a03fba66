/**
 * What is kept beside an object for as long as that lives: a `WeakMap` for requests, and in all that matters like one.
 *
 * A `WeakMap` that has lived for a while keeps everything in it alive over the collections of young objects. A session leads
 * to its request, so every request outlived them, with all that hangs on it: that took more time than serving it. So it is in
 * a hidden property of the object itself.
 */
export class Beside<Value> {
  readonly #key = Symbol('coatcheck')
  /** Of objects that take no property. */
  readonly #frozen = new WeakMap<object, Value>()

  get(object: object): Value | undefined {
    // Its own only: what inherits from a request is another one.
    if (Object.hasOwn(object, this.#key)) return (object as Record<symbol, Value>)[this.#key]
    return Object.isExtensible(object) ? undefined : this.#frozen.get(object)
  }

  set(object: object, value: Value): void {
    // Not enumerable: no copy of a request has it, and who logs a request does not log its session.
    if (!Reflect.defineProperty(object, this.#key, { value, writable: true, configurable: true })) {
      this.#frozen.set(object, value)
    }
  }
}
