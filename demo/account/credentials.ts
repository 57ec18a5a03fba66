import { InputError } from '../errors.ts'
import { field } from '../input.ts'

/** What a login sends. */
export interface Credentials {
  readonly username: string
  readonly password: string
  /** What the browser calls itself, so that logging in again takes the place of the session before. */
  readonly deviceId: string | undefined
}

const LONGEST_DEVICE_ID = 64

/** @throws InputError */
export function readCredentials(body: unknown): Credentials {
  const [username, password] = [field(body, 'username'), field(body, 'password')]
  if (typeof username !== 'string' || typeof password !== 'string') {
    throw new InputError('Send a JSON object with username and password.')
  }
  const deviceId = field(body, 'deviceId')
  return { username, password, deviceId: deviceId === undefined ? undefined : checkDeviceId(deviceId) }
}

/** @throws InputError */
export function checkDeviceId(value: unknown): string {
  if (typeof value !== 'string' || !/^[\w.-]+$/.test(value) || value.length > LONGEST_DEVICE_ID) {
    throw new InputError(`A device id must have 1 to ${LONGEST_DEVICE_ID} letters, digits or any of _ . -`)
  }
  return value
}
