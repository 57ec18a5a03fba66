import { shownAddress } from './address.ts'
import { clipLabel, deviceLabel } from './device.ts'
import type { Duration } from './duration.ts'
import { ArgumentError, must } from './errors.ts'
import { readLimits } from './limits.ts'
import type { LoginRequest } from './logins.ts'
import type { RequestState } from './request-state.ts'
import { checkUserId } from './token.ts'
import { checkDeviceId, checkRoles, type UserDetails } from './user-fields.ts'

/** What a login says of the user and the device. */
export interface LoginOptions {
  /** What the user may do. Default none. */
  roles?: readonly string[]
  /** How the device is called in the user's list, at most 64 bytes. Default: from the `User-Agent`, as `Chrome on macOS`. */
  device?: string
  /** The application's own id of the device. Another session of the user on the same device ends. */
  deviceId?: string
  /** What becomes of the data of the session before. Default `'keep'`, if that had no user or the same; else it is dropped. */
  data?: 'keep' | 'drop'
  /**
   * Other limits for this session, and a cookie that the browser keeps until its deadline, even when it is closed ("remember
   * me"). A limit that is not given is the configured one.
   */
  remember?: { idleTimeout?: Duration; lifetime?: Duration }
}

/**
 * Reads and checks what is said of a user and a device.
 * @param seen what is known of them beside it; `device` is asked if nothing is said
 * @throws ArgumentError
 */
export function readDetails(
  { roles = [], device, deviceId }: Pick<LoginOptions, 'roles' | 'device' | 'deviceId'>,
  seen: Pick<UserDetails, 'ip' | 'remember'> & { device(): string | null },
): UserDetails {
  return {
    ...seen,
    roles: checkRoles(roles),
    device: device === undefined ? seen.device() : clipLabel(device),
    deviceId: deviceId === undefined ? null : checkDeviceId(deviceId),
  }
}

/** Reads and checks the options of a login. @throws ArgumentError */
export function readLogin(
  userId: string,
  options: LoginOptions,
  { client, operations }: Pick<RequestState, 'client' | 'operations'>,
): Omit<LoginRequest, 'changes' | 'begun'> {
  const { data = 'keep', remember } = options
  const { settings } = operations
  must(data === 'keep' || data === 'drop', "data must be 'keep' or 'drop'.", ArgumentError)
  const limits = readLimits(remember ?? {}, settings)
  const details = readDetails(options, {
    device: () => deviceLabel(client.userAgent()),
    ip: shownAddress(client.address(), settings.address),
    remember: remember !== undefined,
  })
  return { userId: checkUserId(userId), details, ...limits, keepData: data === 'keep' }
}
