import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connectionTo, isServerUrl, isUnverified } from '#database/server-url.ts'
import { Secret } from '#secret/secret.ts'

const warnings: string[] = []
const note = (warning: Error) => warnings.push(warning.message)
beforeEach(() => {
  warnings.length = 0
  process.on('warning', note)
})
afterEach(() => process.off('warning', note))

const BASE = 'postgres://keyledger:hunter2@db.example.org/keyledger'

/** What the driver will do about TLS. */
function tlsOf(url: string) {
  const client = new pg.Client(connectionTo(new Secret(url)))
  return (client as unknown as { ssl: boolean | { rejectUnauthorized?: boolean } }).ssl
}

describe('the sslmode of a URL', () => {
  test('is none or one of those that are what they say', () => {
    for (const accepted of [
      '',
      '?sslmode=disable',
      '?sslmode=require',
      '?sslmode=verify-full',
      '?sslmode=verify-ca&sslrootcert=/ca.pem',
      '?application_name=x&sslmode=require',
    ])
      expect([accepted, isServerUrl(`${BASE}${accepted}`)]).toEqual([accepted, true])
    for (const refused of [
      '?sslmode=',
      '?sslmode=prefer',
      '?sslmode=allow',
      '?sslmode=no-verify',
      '?sslmode=Require',
      '?sslmode=verify-ca',
      '?sslmode=require&sslmode=disable',
    ])
      expect([refused, isServerUrl(`${BASE}${refused}`)]).toEqual([refused, false])
  })

  test('means what it means to libpq', () => {
    expect(tlsOf(`${BASE}?sslmode=disable`)).toBe(false)
    expect(tlsOf(`${BASE}?sslmode=require`)).toEqual({ rejectUnauthorized: false })
    expect(tlsOf(`${BASE}?sslmode=verify-full`)).toEqual({})
    expect(isUnverified(new Secret(`${BASE}?sslmode=require`))).toBe(true)
    for (const other of ['', '?sslmode=disable', '?sslmode=verify-full', '?sslmode=require&sslrootcert=/ca.pem'])
      expect(isUnverified(new Secret(`${BASE}${other}`))).toBe(false)
  })

  test('is read without a warning of the driver', async () => {
    for (const mode of ['disable', 'require', 'verify-full']) tlsOf(`${BASE}?sslmode=${mode}`)
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([])
  })

  test('leaves everything else as it was', () => {
    for (const rest of ['', '?application_name=a%20b', '?host=/var/run/postgresql']) {
      const { connectionString } = connectionTo(new Secret(`${BASE}${rest}`))
      expect(connectionString).toBe(`${BASE}${rest}`)
    }
  })
})
