/** Makes of any object its own result, so that a class derived from it gives that object its private fields. */
const Itself = class {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is what it is for
    return object
  }
}

/**
 * What is kept beside an object for as long as that lives: a `WeakMap` for requests, and in all that matters like one. Nobody
 * else sees it: no copy of a request has it, and who logs a request does not log its session.
 *
 * A `WeakMap` that has lived for a while keeps everything in it alive over the collections of young objects. A session leads
 * to its request, so every request outlived them, with all that hangs on it: that took more time than serving it. So it is in
 * a private field of the object itself.
 */
export interface Beside<Value> {
  get(object: object): Value | undefined
  set(object: object, value: Value): void
}

export function createBeside<Value>(): Beside<Value> {
  class Holder extends Itself {
    #value: Value

    constructor(object: object, value: Value) {
      super(object)
      this.#value = value
    }

    static get(object: object): Value | undefined {
      return #value in object ? object.#value : undefined
    }

    static set(object: object, value: Value): void {
      if (#value in object) object.#value = value
      else new Holder(object, value)
    }
  }
  return Holder
}
