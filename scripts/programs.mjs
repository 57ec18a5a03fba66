import { spawnSync } from 'node:child_process'

// The programs outside npm that tests need, and where they are looked for: by set-up and by the tests alike.
// Plain JavaScript, because set-up runs before there is a Node that can run TypeScript.

/** @param {readonly (string | undefined)[]} candidates */
const firstThatRuns = (candidates) =>
  candidates.find((program) => program !== undefined && spawnSync(program, ['--version']).status === 0)

/** Redis or Valkey: `REDIS_SERVER`, if set, or else found in the PATH. */
export const findRedisServer = () =>
  firstThatRuns(process.env.REDIS_SERVER ? [process.env.REDIS_SERVER] : ['redis-server', 'valkey-server'])

/** Chromium: `CHROMIUM`, if set, or else where the systems' packages put it. */
export const findChromium = () =>
  firstThatRuns(
    process.env.CHROMIUM
      ? [process.env.CHROMIUM]
      : [
          '/usr/bin/chromium',
          '/usr/bin/chromium-browser',
          '/usr/bin/google-chrome',
          '/Applications/Chromium.app/Contents/MacOS/Chromium',
        ],
  )
