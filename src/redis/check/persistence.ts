import type { Finding } from '../../core/check.ts'
import type { Facts } from './look.ts'

/** What a crash or a restart loses, and writes that are refused because the disk does not take them. */
export function persistenceFindings({ info, config }: Facts): Finding[] {
  if (info === null) return []
  return [lossOfCrash(info, config), failedWrite(info, config)].filter((finding) => finding !== null)
}

type Answers = ReadonlyMap<string, string>

function lossOfCrash(info: Answers, config: Answers | null): Finding | null {
  const warning = (code: string, message: string): Finding => ({ code, level: 'warning', message })
  if (info.get('aof_enabled') === '1') {
    if (config?.get('appendfsync') !== 'no') return null
    return warning(
      'APPENDFSYNC',
      'Redis has appendfsync no: a crash of the machine loses what the operating system had not written yet, half a minute of ' +
        'logins and logouts. Set appendfsync to everysec, or to always.',
    )
  }
  const save = config?.get('save')
  if (save === undefined) return null
  if (save === '') {
    return warning(
      'PERSISTENCE',
      'Redis keeps nothing on disk: a restart logs everyone out. Set appendonly to yes, unless that is what you want.',
    )
  }
  return warning(
    'SNAPSHOTS',
    `Redis keeps snapshots only (save ${save}): a crash loses the logins since the last one, and sessions that have been logged out ` +
      'since then are back. Set appendonly to yes.',
  )
}

function failedWrite(info: Answers, config: Answers | null): Finding | null {
  const error = (message: string): Finding => ({ code: 'DISK', level: 'error', message })
  if (info.get('aof_enabled') === '1' && info.get('aof_last_write_status') === 'err') {
    return error(
      'Redis could not write its append-only file, and refuses writes. Look into its log: the disk may be full.',
    )
  }
  if (info.get('rdb_last_bgsave_status') !== 'err') return null
  const refuses = config?.get('stop-writes-on-bgsave-error') !== 'no' && config?.get('save') !== ''
  const message = `The last snapshot of Redis failed${refuses ? ', and it refuses writes until one succeeds (stop-writes-on-bgsave-error)' : ''}.`
  const advice = ' Look into its log: the disk may be full, or there is no memory to fork.'
  return refuses ? error(message + advice) : { code: 'DISK', level: 'warning', message: message + advice }
}
