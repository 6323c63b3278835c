// Medical tests, events of other systems, and keys that are used for a second request.

export async function storeTest(client) {
  const { chance, clinic, world } = client
  const known = world.all('medical test', clinic)
  if (known.length > 0 && chance.happens(0.15)) return await storeAgain(client, chance.pick(known))
  const wanted = testOf(client, `t-${client.number}-${client.keys}`)
  const reply = await client.ask('store a medical test', { path: '/tests', body: wanted, statuses: [201] })
  if (reply.status === 201) world.acknowledge('medical test', { clinic, id: wanted.test_id, wanted })
}

const storeAgain = (client, { id }) =>
  client.ask('store a medical test again', { path: '/tests', body: testOf(client, id), statuses: [409] })

const testOf = ({ clinic, chance }, id) => ({
  test_id: id,
  patient_id: `p-${chance.below(1_000)}`,
  clinic_id: clinic.id,
  test_type: 'glucose',
  result: `${chance.between(30, 90) / 10} mmol/L`,
})

const TYPES = ['appointment.scheduled', 'appointment.cancelled', 'appointment.updated']

export async function sendEvent(client) {
  const { chance, clinic, world } = client
  const wanted = {
    event_type: chance.pick(TYPES),
    appointment_id: `a-${client.number}-${client.keys}`,
    patient_id: `p-${chance.below(1_000)}`,
    timestamp: new Date(Date.UTC(2026, 0, 1) + chance.below(1e9)).toISOString(),
  }
  const reply = await client.ask('send an event', {
    path: '/webhook/appointments',
    body: wanted,
    statuses: [200],
  })
  if (reply.status === 200) world.acknowledge('event', { clinic, id: reply.body.event_id, wanted })
}

/** A key belongs to one request; with another body it is refused and changes nothing. */
export async function reuseKey(client) {
  const key = client.newKey()
  const body = testOf(client, `r-${client.number}-${client.keys}`)
  const first = await client.ask('store a medical test', { path: '/tests', body, key, statuses: [201] })
  if (first.status !== 201) return
  client.world.acknowledge('medical test', { clinic: client.clinic, id: body.test_id, wanted: body })
  const other = { ...body, test_id: `${body.test_id}-other` }
  await client.ask('use a key for another request', {
    path: '/tests',
    body: other,
    key,
    statuses: [422],
    // Each refusal names its own request_id, so a repeated answer differs.
    isRepeatable: false,
  })
}
