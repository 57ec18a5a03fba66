import type { Client } from '../core/request-state.ts'

/** What is asked of requests: what their framework tells of them, and what the application says. */
export interface RequestReader<Request> {
  /** The `User-Agent` header. */
  userAgent(request: Request): string | undefined
  /** The client's address. */
  address(request: Request): string | undefined
  /** Whether it came over https. */
  secure(request: Request): boolean
  /** Whether it counts as activity. */
  touch?: ((request: Request) => boolean) | undefined
  /** Whether it is served as a visitor's if the store fails as its session is read. */
  serveAsVisitor?: ((request: Request) => boolean) | undefined
  /** Told of errors that no handler can see any more. */
  onError?: ((error: unknown, request: Request) => void) | undefined
}

/** One request as its adapter sees it: one object, since functions made for each request take longer than what they are for. */
export class RequestFacts<Request> implements Client {
  readonly #request: Request
  readonly #reader: RequestReader<Request>

  constructor(request: Request, reader: RequestReader<Request>) {
    this.#request = request
    this.#reader = reader
  }

  userAgent(): string | undefined {
    return this.#reader.userAgent(this.#request)
  }

  address(): string | undefined {
    return this.#reader.address(this.#request)
  }

  secure(): boolean {
    return this.#reader.secure(this.#request)
  }

  /** By default every request counts. What the application's own function throws comes to whoever asks. */
  touch(): boolean {
    const { touch } = this.#reader
    return touch === undefined || touch(this.#request)
  }

  /** Asked as the request comes. What the function throws is reported at its end, when it is asked again. */
  isActive(): boolean {
    try {
      return this.touch()
    } catch {
      return true
    }
  }

  serveAsVisitor(): boolean {
    return this.#reader.serveAsVisitor?.(this.#request) === true
  }

  onError(error: unknown): void {
    const { onError } = this.#reader
    // Not the request, which holds the token.
    if (onError === undefined) console.error(error)
    else onError(error, this.#request)
  }
}
