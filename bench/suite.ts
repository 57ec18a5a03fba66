/** How much is measured. */
export type Size = 'quick' | 'full'

/** One kind of measurement: what it found is plain data, kept as JSON, from which the report is written. */
export interface Suite<Result> {
  /** Also the name of its files: `bench/suites/<name>.ts`, `bench/results/<name>.json`. */
  readonly name: string
  /** Measures. `quick`: fewer rounds and sessions, for `npm run bench -- --quick`, all suites together under 3 minutes. */
  run(size: Size, say: (line: string) => void): Promise<Result>
  /** The part of docs/benchmarks.md about it: Markdown, and the charts that it shows (file name → SVG). */
  report(result: Result): SuiteReport
}

export interface SuiteReport {
  readonly markdown: string
  readonly charts: Readonly<Record<string, string>>
  /** What this suite has to show, for the table at the top of the report. */
  readonly requirements?: readonly Requirement[]
}

/** Something that must be reached, and what was. */
export interface Requirement {
  readonly what: string
  /** Such as `at least 1.8 times`. */
  readonly must: string
  /** Such as `2.1 times`. */
  readonly reached: string
  readonly met: boolean
}
