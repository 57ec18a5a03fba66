import type { Finding } from '../../core/check.ts'
import type { StoreCall } from '../../core/store.ts'
import { tags } from '../../core/tags.ts'
import type { Server } from '../clients/connection.ts'
import type { Keys } from '../keys.ts'
import type { Facts } from './look.ts'

/** In so many partitions a session is looked at. */
const PARTITIONS = 32

/** So many have to be there for their form to say something. */
const ENOUGH = 8

/**
 * Whether most sessions are in the form that takes more than twice the memory, because of one long value or of many fields. Looks
 * at some that are there: where values are short, the default is right, and nothing is said.
 */
export async function hashFindings(server: Server, keys: Keys, facts: Facts, call: StoreCall): Promise<Finding[]> {
  if (facts.rights?.curious.has('object')) return []
  // One may be on another server of a cluster.
  const ask = (words: readonly string[]) => server.send(words, call).catch(() => null)
  const indexes = tags.slice(0, PARTITIONS).flatMap((tag) => [keys.guests(tag), keys.members(tag)])
  const listed = await Promise.all(indexes.map((key) => ask(['ZRANGE', key, '0', '0'])))
  const ids = (listed as (string[] | null)[]).flatMap((found) => found ?? [])
  const forms = await Promise.all(ids.map((id) => ask(['OBJECT', 'ENCODING', keys.session(id)])))
  const told = forms.filter((form) => form !== null)
  const large = told.filter((form) => form === 'hashtable').length
  if (told.length < ENOUGH || large * 2 <= told.length) return []
  const [bytes, fields] = ['value', 'entries'].map(
    (limit) => facts.config?.get(`hash-max-listpack-${limit}`) ?? 'too little',
  )
  return [
    {
      code: 'HASH_FORM',
      level: 'warning',
      message:
        `Most sessions take more than twice the memory that they could (${large} of ${told.length} that were looked at): a value is longer than ` +
        `hash-max-listpack-value (${bytes}), or there are more fields than hash-max-listpack-entries (${fields}). Raise what is too ` +
        'small a little above what your sessions hold, or keep less in them.',
    },
  ]
}
