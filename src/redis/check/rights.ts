import type { Finding } from '../../core/check.ts'
import type { StoreCall } from '../../core/store.ts'
import { tags } from '../../core/tags.ts'
import type { Server } from '../clients/connection.ts'
import { isReply, storeError } from '../errors.ts'
import type { Keys } from '../keys.ts'

/**
 * Every command that coatcheck sends, or that its scripts run, on its keys: as it may be sent, with `KEY` for any of them.
 * Whole: what Redis asks of the arguments while it looks for keys, it asks of them unchecked (`SET` alone ends Redis 7.0).
 */
const ON_KEYS = [
  'hgetall KEY',
  'hget KEY f',
  'hmget KEY f',
  'hset KEY f v',
  'hdel KEY f',
  'hkeys KEY',
  'hincrby KEY f 1',
  'get KEY',
  'set KEY v',
  'del KEY',
  'exists KEY',
  'rename KEY KEY',
  'pexpire KEY 1',
  'pexpireat KEY 1',
  'pexpiretime KEY',
  'pttl KEY',
  'zadd KEY 1 m',
  'zrem KEY m',
  'zrange KEY 0 -1',
  'zrangebyscore KEY 0 1',
  'zremrangebyscore KEY 0 1',
  'zcard KEY',
  'zcount KEY 0 1',
  'zscore KEY m',
]

/** Without keys. */
const OTHERS = ['evalsha x 0', 'time', 'info']

/** On a cluster, of a server that a session is on its way to. */
const OF_CLUSTER = ['asking']

/** On the channel. */
const ON_CHANNEL = ['publish CHANNEL m', 'subscribe CHANNEL']

/** Those without which sessions go on: no process is told what others do; some of what is wrong with a server is not seen. */
const OPTIONAL = new Set(['+publish', '+subscribe', '+info'])

/** What only `sessions.check()` asks, and no ACL user needs: `CONFIG GET` shows passwords too. */
const CURIOUS = ['config get save', 'cluster info', 'object encoding KEY'] as const

/** The rules to add to an ACL user: those without which requests fail, and those without which something is missing. */
export interface Rights {
  readonly needed: readonly string[]
  readonly optional: readonly string[]
  /** Those that only a cluster needs. */
  readonly ofCluster: readonly string[]
  /** Whether nothing else can be missing. */
  readonly isAll: boolean
  /** What had better not be asked, for each refusal is in the server's ACL log. */
  readonly curious: ReadonlySet<string>
  /** The server does not know a command that came with Redis 7.0. */
  readonly isTooOld: boolean
}

/**
 * Runs no command but asks which of them would be refused. One that the server does not know is no matter of rights.
 *
 * ARGV     lists of words as JSON: commands, keys; the channel. The words KEY and CHANNEL stand for one of these
 * Returns  { whether the server is older than 7.0, { the first words of commands that are refused }, whether a key is,
 *          whether all of them are }
 */
const SCRIPT = `
local commands, keys, channel = cjson.decode(ARGV[1]), cjson.decode(ARGV[2]), ARGV[3]
local old = string.find(string.lower(redis.pcall('PEXPIRETIME')['err']), 'unknown') and 1 or 0
if not redis.acl_check_cmd then return { old, {}, 0, 0 } end
local usable, refused = nil, 0
for _, key in ipairs(keys) do
  if redis.acl_check_cmd('eval', '', 1, key) then usable = usable or key else refused = 1 end
end
local denied = {}
for _, command in ipairs(commands) do
  local words, onKey = {}, false
  for i, word in ipairs(command) do
    if word == 'KEY' then onKey = true end
    words[i] = word == 'KEY' and usable or word == 'CHANNEL' and channel or word
  end
  if usable or not onKey then
    local known, may = pcall(redis.acl_check_cmd, unpack(words))
    if known and not may then table.insert(denied, words[1]) end
  end
end
return { old, denied, refused, usable and 0 or 1 }`

/** What this user may not do at a server. */
export async function askRights(server: Server, keys: Keys, call: StoreCall): Promise<Rights> {
  const commands = [...OTHERS, ...OF_CLUSTER, ...ON_KEYS, ...ON_CHANNEL, ...CURIOUS].map((command) =>
    command.split(' '),
  )
  const asked = [JSON.stringify(commands), JSON.stringify(someKeys(keys)), keys.channel]
  let reply: unknown
  try {
    // Whole: it is not asked often enough to be remembered. Without keys of its own, it may be run anywhere.
    reply = await server.send(['EVAL', SCRIPT, '0', ...asked], call)
  } catch (error) {
    if (isReply(storeError(error), 'NOPERM')) return WITHOUT_SCRIPTS // guard: no right to run scripts
    throw error
  }
  const [old, denied, someKey, everyKey] = reply as [number, string[], number, number]
  const of = (list: readonly string[]) => list.map(firstWord).filter((name) => denied.includes(name))
  const commandRules = of([...OTHERS, ...ON_KEYS]).map((name) => `+${name}`)
  const ofChannel = of(ON_CHANNEL).map((name) => `+${name}`)
  const optional = [...commandRules.filter((rule) => OPTIONAL.has(rule)), ...ofChannel]
  // If both are refused, it may be for the channel.
  if (ofChannel.length === ON_CHANNEL.length) optional.push(`&${keys.channel}`)
  const needed = commandRules.filter((rule) => !OPTIONAL.has(rule))
  if (someKey === 1) needed.push(`~${keys.prefix}*`)
  return {
    needed,
    optional,
    ofCluster: of(OF_CLUSTER).map((name) => `+${name}`),
    isAll: everyKey === 0,
    curious: new Set(of(CURIOUS)),
    isTooOld: old === 1,
  }
}

const WITHOUT_SCRIPTS: Rights = {
  needed: ['+eval'],
  optional: [],
  ofCluster: [],
  isAll: false,
  curious: new Set(CURIOUS.map(firstWord)),
  isTooOld: false,
}

function firstWord(command: string): string {
  return command.split(' ', 1)[0] as string
}

/** One key of each kind. */
function someKeys(keys: Keys): string[] {
  const tag = tags[0] as string
  const id = `${tag}${'A'.repeat(22)}`
  return [
    keys.session(id),
    ...keys.indexes({ id, userId: null }),
    keys.user(tag, '1'),
    keys.users(tag),
    keys.since(tag, '1'),
  ]
}

/** What an ACL user lacks. */
export function rightsFindings({ optional, isAll, ...rights }: Rights, isInCluster = false): Finding[] {
  const needed = isInCluster ? [...rights.needed, ...rights.ofCluster] : rights.needed
  const findings: Finding[] = []
  if (needed.length > 0) {
    const more = isAll ? '' : '. What else is missing can be told only then.'
    findings.push({
      code: 'ACL',
      level: 'error',
      message: `The Redis user lacks rights that sessions need: ${rule(needed)}${more}`,
    })
  }
  if (optional.length > 0) {
    const lost = [
      optional.some((right) => right !== '+info') ? 'processes are not told of what others do to sessions' : '',
      optional.includes('+info') ? 'faults of the server, such as eviction, are not seen' : '',
    ].filter((text) => text !== '')
    findings.push({
      code: 'ACL_OPTIONAL',
      level: 'warning',
      message: `The Redis user lacks rights without which ${lost.join(', and ')}: ${rule(optional)}`,
    })
  }
  return findings
}

function rule(rights: readonly string[]): string {
  return `${rights.join(' ')}. Add them: ACL SETUSER <user> ${rights.join(' ')}`
}
