import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from './machine.ts'
import type { Suite } from './suite.ts'

const NAMES = ['http', 'store', 'memory', 'growth', 'scale', 'imports']
const results = join(import.meta.dirname, 'results')

/** What a full run found, and where. */
export interface Kept {
  readonly machine: Machine
  readonly result: unknown
}

/** The suites that there are, in the order of the report. */
export function suiteNames(): string[] {
  return NAMES.filter((name) => existsSync(fileOf(name)))
}

/** A suite by its name. What it measures is its own affair: only it reads its results. */
export async function suiteNamed(name: string): Promise<Suite<unknown>> {
  if (!suiteNames().includes(name)) throw new Error(`There is no suite ${name}: ${suiteNames().join(', ')}.`)
  return ((await import(fileOf(name))) as { default: Suite<unknown> }).default
}

export function keep(name: string, kept: Kept): void {
  mkdirSync(results, { recursive: true })
  writeFileSync(resultOf(name), `${JSON.stringify(kept, null, 1)}\n`)
}

/** What the last full run of a suite found; `null`: it has not been run. */
export function kept(name: string): Kept | null {
  return existsSync(resultOf(name)) ? (JSON.parse(readFileSync(resultOf(name), 'utf8')) as Kept) : null
}

function fileOf(name: string): string {
  return join(import.meta.dirname, 'suites', `${name}.ts`)
}

function resultOf(name: string): string {
  return join(results, `${name}.json`)
}
