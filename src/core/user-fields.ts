import { LONGEST_DEVICE_ID, LONGEST_ROLE, MOST_ROLES } from './bounds.ts'
import { ArgumentError, must } from './errors.ts'
import { isText, textOf } from './kinds.ts'
import type { SessionRecord } from './store.ts'

// coatcheck's own fields about a session's user and device: how they are checked, stored and read.

/** What a session says of its user and device, apart from who it is. */
export interface UserDetails {
  readonly roles: readonly string[]
  readonly device: string | null
  readonly deviceId: string | null
  readonly ip: string | null
  /** Whether the browser keeps the cookie to the session's deadline. */
  readonly remember: boolean
}

/** With the session, so that its cookie stays what it is when a rotation issues it anew. */
const REMEMBER = '_remember'

/** The fields to store, without those that hold nothing. */
export function detailFields({ roles, device, deviceId, ip, remember }: UserDetails): Map<string, string> {
  const fields = { roles: encodeRoles(roles), device, device_id: deviceId, ip, [REMEMBER]: remember ? '1' : null }
  return new Map(Object.entries(fields).filter((entry): entry is [string, string] => Boolean(entry[1])))
}

/** Of these fields, those that every login says anew: a device keeps its id. */
export const RENEWED_FIELDS: readonly string[] = ['roles', 'device', 'ip', REMEMBER]

/** Whether the browser keeps the cookie of a session to its deadline. */
export function isRemembered(record: SessionRecord | null): boolean {
  return record?.fields.has(REMEMBER) === true
}

/** Roles as stored; `null`: none, and no field. */
export function encodeRoles(roles: readonly string[]): string | null {
  return roles.length === 0 ? null : JSON.stringify(roles)
}

/** The roles of a stored session. What is none of ours gives no rights. */
export function rolesOf(record: SessionRecord | null): readonly string[] {
  const text = record?.fields.get('roles')
  if (text === undefined) return []
  try {
    const roles: unknown = JSON.parse(text)
    return Array.isArray(roles) && roles.every((role) => typeof role === 'string') ? roles : []
  } catch {
    return []
  }
}

/** A field of coatcheck's own that holds a whole number. */
export function numberOf(record: SessionRecord | null, field: 'authenticated_at' | 'request_count'): number | null {
  const text = record?.fields.get(field)
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null
}

/**
 * Checks roles: up to 64 different names, each a well-formed string of 1 to 64 characters.
 * @throws ArgumentError
 */
export function checkRoles(roles: unknown): readonly string[] {
  must(
    Array.isArray(roles) && roles.length <= MOST_ROLES && roles.every((role) => isText(role, LONGEST_ROLE)),
    `roles must be an array of at most ${MOST_ROLES} names, each ${textOf(LONGEST_ROLE)}.`,
    ArgumentError,
  )
  return [...new Set(roles as string[])]
}

/**
 * Checks a device id: a well-formed string of 1 to 256 characters.
 * @throws ArgumentError
 */
export function checkDeviceId(deviceId: unknown): string {
  must(isText(deviceId, LONGEST_DEVICE_ID), `A deviceId must be ${textOf(LONGEST_DEVICE_ID)}.`, ArgumentError)
  return deviceId
}
