/** Something that is wrong with what sessions are kept in, or that could be better, and what to do. */
export interface Finding {
  /** Stable, such as `EVICTION`: docs/production.md lists them. */
  readonly code: string
  /** `error`: promises do not hold, or requests fail. `warning`: it works, at a risk that the message names. */
  readonly level: 'error' | 'warning'
  /** What is wrong, and what to do. */
  readonly message: string
  /** Which of several servers, by address. */
  readonly server?: string
}

/** The power of a store to look at what it stands on, beside `SessionStore`: one without it has nothing to say. */
export interface CheckableStore {
  /**
   * Resolves with what is wrong for sessions, errors first.
   * @param timeout each server answers within this many milliseconds
   * @throws StoreError when nothing answers, which says why
   */
  check(timeout: number): Promise<Finding[]>
}
