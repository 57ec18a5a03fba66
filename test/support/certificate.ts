import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

// Certificates for tests: an authority, and what it signs. No program is needed to make them.

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** An authority for tests, and certificates of it for a host name. */
export class Authority {
  readonly #key: KeyObject
  readonly cert: string

  constructor(name: string) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#key = privateKey
    this.name = name
    this.cert = certificate(name, name, publicKey, privateKey, [basicConstraints()])
  }

  readonly name: string

  issue(host: string): Certificate {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return {
      cert: certificate(host, this.name, publicKey, this.#key, [alternativeName(host)]),
      key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    }
  }
}

// DER, as far as a certificate takes it: X.690 and RFC 5280.

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts)
const text = (tag: number, value: string) => der(tag, Buffer.from(value))
const octets = (content: Uint8Array) => der(0x04, content)
const TRUE = Buffer.from([0x01, 0x01, 0xff])

/** An object identifier of small numbers: the first two are in one byte. */
const oid = (...bytes: readonly number[]) => der(0x06, Buffer.from(bytes))
const ECDSA_SHA256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
const COMMON_NAME = oid(0x55, 0x04, 0x03)
const BASIC_CONSTRAINTS = oid(0x55, 0x1d, 0x13)
const ALTERNATIVE_NAME = oid(0x55, 0x1d, 0x11)

function certificate(
  subject: string,
  issuer: string,
  publicKey: KeyObject,
  signer: KeyObject,
  extensions: readonly Uint8Array[],
): string {
  const named = (name: string) => sequence(der(0x31, sequence(COMMON_NAME, text(0x0c, name))))
  const instant = (ms: number) =>
    text(
      0x17,
      `${new Date(ms)
        .toISOString()
        .replaceAll(/[-:T]|\.\d+/g, '')
        .slice(2)}`,
    )
  const day = 24 * 60 * 60 * 1000
  const serial = randomBytes(8)
  serial[0] = (serial[0] as number) & 0x7f || 1
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ECDSA_SHA256,
    named(issuer),
    sequence(instant(Date.now() - day), instant(Date.now() + day)),
    named(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', content, signer))
  const lines =
    sequence(content, ECDSA_SHA256, signature)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

function basicConstraints(): Buffer {
  return sequence(BASIC_CONSTRAINTS, TRUE, octets(sequence(TRUE)))
}

function alternativeName(host: string): Buffer {
  return sequence(ALTERNATIVE_NAME, octets(sequence(text(0x82, host))))
}
