import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DemoError } from '../../demo/demo-error.ts'
import { type DemoOptions, readOptions } from '../../demo/options.ts'

function read(args: string, env: Record<string, string> = {}): DemoOptions {
  return readOptions(args.split(' ').filter(Boolean), env) ?? assert.fail('help')
}

describe('the options of the demo', () => {
  it('have defaults', () => {
    assert.deepEqual(read(''), {
      port: 8080,
      host: '127.0.0.1',
      instances: 1,
      secure: false,
      redis: null,
      password: undefined,
    })
  })

  it('come from the command line', () => {
    assert.deepEqual(read('--port 3000 --host 0.0.0.0 --instances 3 --secure --redis-url redis://db:7000/2'), {
      port: 3000,
      host: '0.0.0.0',
      instances: 3,
      secure: true,
      redis: { url: 'redis://db:7000/2', shown: 'db:7000, database 2' },
      password: undefined,
    })
  })

  it('come from the environment', () => {
    assert.equal(read('', { PORT: '3000' }).port, 3000)
    assert.equal(read('', { REDIS_URL: 'redis://db:7000' }).redis?.shown, 'db:7000')
    assert.equal(read('', { REDIS_HOST: 'db' }).redis?.shown, 'db:6379')
    assert.equal(read('', { REDIS_PORT: '7000' }).redis?.shown, 'localhost:7000')
    assert.equal(read('', { REDIS_HOST: 'db', REDIS_PORT: '7000' }).redis?.url, 'redis://db:7000')
    assert.equal(read('', { REDIS_PASSWORD: 'secret' }).password, 'secret')
  })

  it('take an empty environment variable for none', () => {
    assert.deepEqual(
      read('', { PORT: '', REDIS_URL: '', REDIS_HOST: '', REDIS_PORT: '', REDIS_PASSWORD: '' }),
      read(''),
    )
  })

  it('on the command line win over the environment', () => {
    const env = { PORT: '3000', REDIS_URL: 'redis://url:1', REDIS_HOST: 'host', REDIS_PORT: '2' }
    assert.equal(read('--port 4000', env).port, 4000)
    assert.equal(read('--redis-url redis://flag:3', env).redis?.shown, 'flag:3')
    assert.equal(read('--redis-host flag', env).redis?.shown, 'flag:2')
    assert.equal(read('--redis-port 3', env).redis?.shown, 'host:3')
    assert.equal(read('', env).redis?.shown, 'url:1')
  })

  it('never show a password, and put the one of the environment where the address has none', () => {
    const env = { REDIS_PASSWORD: 'p@ss:/%' }
    const escaped = 'p%40ss%3A%2F%25'
    assert.deepEqual(read('--redis-host db', env).redis, { url: `redis://:${escaped}@db:6379`, shown: 'db:6379' })
    assert.equal(read('--redis-url redis://me@db', env).redis?.url, `redis://me:${escaped}@db`)
    assert.deepEqual(read('--redis-url rediss://me:own@db', env).redis, {
      url: 'rediss://me:own@db',
      shown: 'db:6379, by TLS',
    })
  })

  it('take an IPv6 address as a host', () => {
    assert.equal(read('--redis-host ::1').redis?.url, 'redis://[::1]:6379')
  })

  it('are refused when they cannot be meant', () => {
    const cases: [string, Record<string, string>, RegExp][] = [
      ['--port abc', {}, /^--port must be a whole number from 0 to 65535, not 'abc'/],
      ['--port 65536', {}, /^--port must be/],
      ['--port=', {}, /^--port must be/],
      ['--port -1', {}, /--port/],
      ['', { PORT: '80a' }, /^PORT must be/],
      ['--instances 0', {}, /^--instances must be a whole number from 1 to 64/],
      ['--port 65535 --instances 2', {}, /^There are no 2 ports from 65535 on/],
      ['--redis-port 0', {}, /^--redis-port must be/],
      ['', { REDIS_PORT: 'x' }, /^REDIS_PORT must be/],
      ['--redis-url http://db', {}, /^--redis-url is not a Redis address/],
      ['--redis-url db:6379', {}, /^--redis-url is not a Redis address/],
      ['--redis-url redis://db/name', {}, /^--redis-url is not a Redis address/],
      ['', { REDIS_URL: 'redis://:hunter2@' }, /^REDIS_URL is not a Redis address(?!.*hunter2)/],
      ['--redis-host a/b', {}, /^--redis-host is not a Redis address/],
      ['--redis-host a@b', {}, /^--redis-host is not a Redis address/],
      ['--redis-host=', {}, /^--redis-host needs a host name/],
      ['--redis-url redis://db --redis-host db', {}, /^Give either/],
      ['--prot 80', {}, /^Unknown option '--prot'. See npm start -- --help$/],
      ['8080', {}, /Unexpected argument '8080'/],
    ]
    for (const [args, env, message] of cases) {
      assert.throws(
        () => read(args, env),
        (error) => error instanceof DemoError && message.test(error.message),
        args,
      )
    }
  })

  it('give the help', () => {
    assert.equal(readOptions(['--help'], {}), null)
    assert.equal(readOptions(['-h', '--port', '1'], {}), null)
  })
})
