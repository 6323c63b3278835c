import type { About } from './http/openapi'

export const ABOUT: About = {
  title: 'Doctorday',
  version: '0.1.0',
  description: 'The clinic API at the edge: records, appointments, check-in, webhooks and hospital imports.',
  tags: [
    { name: 'Medical tests', paths: /^\/tests/, description: 'Records of medical tests, by clinic.' },
    { name: 'Webhook events', paths: /^\/(webhook|events)/, description: 'What other systems tell us.' },
    { name: 'Hospitals', paths: /\/hospitals/, description: 'The hospital directory and its bulk imports.' },
    { name: 'Patients', paths: /\/patients/, description: 'Who is treated.' },
    { name: 'Days', paths: /\/days\//, description: 'What happened on a doctor’s day, event by event.' },
    { name: 'Doctors', paths: /^\/api\/v1\/doctors/, description: 'Who treats, and on which days.' },
    {
      name: 'Appointments',
      paths: /\/appointments/,
      description: 'Booked visits, each with a slot of a day.',
    },
    { name: 'Check-ins', paths: /\/checkins/, description: 'Who has arrived, in which order.' },
    { name: 'Access', paths: /\/(clinics|keys|audit)/, description: 'Clinics, API keys and the audit.' },
    { name: 'Service', paths: /./, description: 'The service itself.' },
  ],
}
