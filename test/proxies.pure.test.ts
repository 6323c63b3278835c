import { expect, test } from 'vitest'
import { addressOf, provenRequest } from '../src/server/front'
import { rangesIn } from '../src/server/ranges'

/** What the Worker learns of a request that has come from `peer`. */
function learned(peer: string, trusted: string, headers: Record<string, string>) {
  const request = new Request('http://clinic.example/api?a=1', { method: 'POST', headers, body: 'body' })
  const proven = provenRequest(request, peer, rangesIn(trusted))
  return { url: proven.url, address: proven.headers.get('CF-Connecting-IP'), proven }
}

const TOLD = {
  'CF-Connecting-IP': '6.6.6.6',
  Forwarded: 'for=6.6.6.6;proto=https',
  'True-Client-IP': '6.6.6.6',
  'X-Forwarded-For': '6.6.6.6',
  'X-Forwarded-Host': 'evil.example',
  'X-Forwarded-Port': '1',
  'X-Forwarded-Proto': 'https',
  'X-Real-IP': '6.6.6.6',
}

test('what a caller tells of itself counts for nothing: without a setting, and from an address that is not in it', () => {
  for (const trusted of ['', '10.0.0.1', '10.0.0.0/8, ::1'])
    for (const [name, value] of [...Object.entries(TOLD), ['all', '']]) {
      const headers = name === 'all' ? TOLD : { [name as string]: value as string }
      const { url, address, proven } = learned('203.0.113.9', trusted, headers)
      expect([trusted, name, url, address]).toEqual([
        trusted,
        name,
        'http://clinic.example/api?a=1',
        '203.0.113.9',
      ])
      const left = [...proven.headers.keys()].filter((header) => /forwarded|real-ip|true-client/.test(header))
      expect(left).toEqual([])
    }
})

test.each([
  ['127.0.0.1', '127.0.0.1', '198.51.100.7', '198.51.100.7'],
  ['::ffff:127.0.0.1', '127.0.0.1', '198.51.100.7', '198.51.100.7'],
  ['10.1.2.3', '10.0.0.0/8', '6.6.6.6, 198.51.100.7', '198.51.100.7'],
  ['10.1.2.3', '10.0.0.0/8', '6.6.6.6, 198.51.100.7, 10.9.9.9', '198.51.100.7'],
  ['fd00::1', 'fd00::/8', '2001:db8::7', '2001:db8::7'],
  ['127.0.0.1', '127.0.0.1', '', '127.0.0.1'],
  ['127.0.0.1', '127.0.0.1', 'unknown', '127.0.0.1'],
  ['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1'],
])('from %s, trusted as %s, "%s" means %s', (peer, trusted, forwardedFor, caller) => {
  const headers = { 'X-Forwarded-For': forwardedFor, 'CF-Connecting-IP': '6.6.6.6', 'X-Real-IP': '6.6.6.6' }
  expect(learned(peer, trusted, headers).address).toBe(caller)
})

test.each([
  ['https', 'https:'],
  ['HTTPS ', 'https:'],
  ['http', 'http:'],
  ['ftp', 'http:'],
  ['https,http', 'http:'],
])('a trusted proxy that has heard "%s" makes it %s', (heard, scheme) => {
  const { url } = learned('127.0.0.1', '127.0.0.1', { 'X-Forwarded-Proto': heard })
  expect(new URL(url)).toMatchObject({ protocol: scheme, host: 'clinic.example', search: '?a=1' })
})

test('a request from which nothing is taken reaches the Worker as it is, body and all', async () => {
  const request = new Request('http://clinic.example/', { method: 'POST', body: 'body' })
  expect(provenRequest(request, '203.0.113.9', [])).toBe(request)
  const { proven } = learned('203.0.113.9', '', TOLD)
  expect([proven.method, await proven.text()]).toEqual(['POST', 'body'])
})

test.each(['localhost', '10.0.0.0/33', '10.0.0', 'a,b', '127.0.0.1;10.0.0.1'])('%s is no setting', (text) => {
  expect(() => rangesIn(text)).toThrow()
})

test.each([
  ['127.0.0.1:47420', '127.0.0.1'],
  ['[::1]:47420', '::1'],
  ['[fe80::1:2]:80', 'fe80::1:2'],
  ['', ''],
])('the other end of a connection from %s is %s', (socket, address) => {
  expect(addressOf(socket)).toBe(address)
})
