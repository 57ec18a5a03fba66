import { decode } from './codec.ts'
import { ConfigError, DataError, must } from './errors.ts'
import { ignored } from './ignored.ts'
import { decodeData } from './record.ts'

/**
 * A schema of the session data, by the Standard Schema interface (standardschema.dev, version 1), which zod, valibot and
 * arktype implement. It must be synchronous and accept `{}`: every session begins empty.
 */
export interface DataSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

/** What a schema says of a value: the value as it is to be used, or what is wrong with it. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
      }[]
    }

/** The data that a schema describes. */
export type DataOfSchema<Schema extends DataSchema> = NonNullable<Schema['~standard']['types']>['output']

type Values = Record<string, unknown>

/** Data as read through a schema. */
export interface CheckedData {
  readonly values: Values
  /** It only fits after `migrate`: the stored form is another. */
  readonly migrated: boolean
}

/** Checks session data where it is read and before it is written, never when a session is loaded or ended. */
export class DataChecker {
  readonly #schema: DataSchema
  readonly #migrate: ((data: Values) => unknown) | undefined

  /** @throws ConfigError when it is no synchronous Standard Schema that accepts `{}` */
  constructor(schema: DataSchema, migrate?: (data: Values) => unknown) {
    must(
      typeof schema?.['~standard']?.validate === 'function',
      'schema must be a Standard Schema (version 1), as of zod, valibot or arktype.',
    )
    this.#schema = schema
    this.#migrate = migrate
    const { wrong } = this.#validate({})
    if (wrong !== undefined) {
      throw new ConfigError(
        `schema must accept {}, as every session begins empty: make '${wrong.join("', '")}' optional.`,
      )
    }
  }

  /**
   * Data as the application reads it.
   * @throws DataError `ERR_DATA_INVALID` when it fits the schema neither as stored nor after `migrate`
   */
  read(stored: Values): CheckedData {
    const { values, wrong } = this.#validate(stored)
    if (wrong === undefined) return { values, migrated: false }
    if (this.#migrate === undefined) throw new DataError('read', wrong)
    return { values: this.#check('migrated', this.#migrate(structuredClone(stored))), migrated: true }
  }

  /** One field as the application reads it, alone. */
  readField(field: string, text: string): unknown {
    return this.read({ [field]: decode(text) }).values[field]
  }

  /**
   * Data about to be written, in the form in which it will be read again.
   * @throws DataError `ERR_DATA_INVALID`
   */
  checkWrite(fields: ReadonlyMap<string, string>): void {
    this.#check('written', decodeData(fields))
  }

  #check(when: 'migrated' | 'written', value: unknown): Values {
    const { values, wrong } = this.#validate(value)
    if (wrong !== undefined) throw new DataError(when, wrong)
    return values
  }

  #validate(value: unknown): { values: Values; wrong?: undefined } | { values?: undefined; wrong: string[] } {
    const result = this.#schema['~standard'].validate(value)
    if (result instanceof Promise) {
      // The answer does not matter: an asynchronous schema is refused.
      result.catch(ignored)
      throw new ConfigError('schema must be synchronous: data are read without waiting.')
    }
    if (result.issues === undefined) return { values: result.value as Values }
    // Only where: what a schema says of a value may quote it.
    const places = result.issues.map(({ path }) => {
      const first = path?.[0]
      return String(typeof first === 'object' ? first.key : (first ?? 'the data'))
    })
    return { wrong: [...new Set(places)] }
  }
}
