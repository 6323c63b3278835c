import { once } from 'node:events'
import { createServer } from 'node:net'
import { fail } from './ready.mjs'
import { isListening } from './worker.mjs'

/** A port that no process listens on at this moment. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** The port from `PORT`. If it is not a port or is in use, the command ends with a message. */
export async function wantedPort(command) {
  const text = process.env.PORT || '8787'
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) fail('PORT must be a number from 1 to 65535.')
  if (await isListening(port, process.env.HOST || undefined))
    fail(`Port ${port} is in use. Stop the program there, or use another port: PORT=${port + 1} ${command}`)
  return port
}
