// Bugs that a developer could have written, each as edits of the source: [file, right text, wrong text].
// They exist only in the copy that a planted run builds.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: pieces of source, where the braces are theirs

export const PLANTED = [
  {
    name: 'acked-before-commit',
    does: 'answers a third of a second before the day is on disk',
    edits: [
      [
        'src/doctor-day/operations.ts',
        'try {\n      storage.transactionSync(() => {\n        if (!guard.isOpen())',
        'try {\n      const write = (work: () => void) => storage.transactionSync(work)\n' +
          '      const later = (work: () => void) => void setTimeout(() => write(work), 300)\n' +
          '      ;(guard.isOpen() ? later : write)(() => {\n        if (!guard.isOpen())',
      ],
    ],
  },
  {
    name: 'key-not-claimed',
    does: 'treats a retry as a new operation',
    edits: [['src/once.ts', '...claimed, replayed:', '...claimed, opId, replayed:']],
  },
  {
    name: 'change-repeated',
    does: 'changes a doctor again when an older change is retried',
    edits: [
      [
        'src/doctors/changes.ts',
        'const isFirst = sql`${op} = ${ctx.once.opId} AND',
        'const isFirst = sql`${op} IS NOT NULL AND',
      ],
    ],
  },
  {
    name: 'reply-of-another-clinic',
    does: 'stores replies in KV under the key without the clinic',
    edits: [['src/http/idempotency.ts', '[c.var.ctx.clinic.id, key]))}`', '[key]))}`']],
  },
  {
    name: 'key-fits-any-request',
    does: 'does not check whether a key comes with the same request',
    edits: [
      ['src/once.ts', 'row?.fingerprint !== own.fingerprint', 'row === undefined'],
      ['src/http/idempotency.ts', 'if (!matches(asked, fingerprint)) throw keyReused()\n', ''],
      ['src/recorder/claims.ts', 'value->>5 AND fingerprint = value->>6', 'value->>5'],
      ['src/recorder/client.ts', 'if (fingerprint === sender.fingerprint) return', 'return'],
    ],
  },
  {
    name: 'refusal-forgotten',
    does: 'decides a refused operation again when it is retried',
    edits: [
      [
        'src/doctor-day/operations.ts',
        '(operation.isKeyed && may',
        '(operation.isKeyed && decision.ok && may',
      ],
      ['src/http/idempotency.ts', '(c.error instanceof Problem ? c.error.isFinal : c.res.ok)', 'c.res.ok'],
    ],
  },
  {
    name: 'copy-skips',
    does: 'counts events as copied when D1 did not store them',
    edits: [
      [
        'src/doctor-day/readers/copy.ts',
        'copyToD1(env, day(), events, head), ',
        'copyToD1(env, day(), events, head).catch(() => {}), ',
      ],
    ],
  },
  {
    name: 'lost-lot-acknowledged',
    does: 'takes a lot that D1 did not answer for stored',
    edits: [
      [
        'src/recorder/lot.ts',
        "read.get(entry) ?? { failed: 'outage' })",
        'read.get(entry) ?? { claimed: null, result: true })',
      ],
      [
        'src/recorder/lot.ts',
        "if (reading.length === entries.length) return entries.map(() => ({ failed: 'outage' }))\n",
        '',
      ],
    ],
  },
  {
    name: 'second-half-unsent',
    does: 'splits a lot that D1 refuses, and sends only its first half',
    edits: [
      [
        'src/recorder/lot.ts',
        '[...first, ...(await sendLot(db, kinds, entries.slice(middle)))]',
        '[...first, ...first]',
      ],
    ],
  },
  {
    name: 'outcomes-swapped',
    does: 'tells each request of a lot what became of another one',
    edits: [['src/recorder/recorder.ts', 'outcomes[place]', 'outcomes.at(-1 - place)']],
  },
  {
    name: 'audited-twice',
    does: 'writes the audit of a lot again when the lot is sent again',
    edits: [['src/audit/model.ts', '${subject}, request, asked FROM', '${subject}, request, NULL FROM']],
  },
  {
    name: 'log-not-chained',
    does: 'leaves the previous hash out of the next hash',
    edits: [['src/doctor-day/storage/log.ts', 'hashOf(head.hash, row)', "hashOf('', row)"]],
  },
  {
    name: 'two-rooms-one-patient',
    does: 'calls a patient who is already in a room',
    edits: [
      ['src/doctor-day/rules/queue.ts', "status === 'waiting').sort", '/waiting|called/.test(status)).sort'],
    ],
  },
  {
    name: 'position-reused',
    does: 'gives the position of a served patient to the next one',
    edits: [
      [
        'src/doctor-day/rules/queue.ts',
        'day.lastPosition + 1',
        "[...day.checkIns.values()].filter(({ status }) => status !== 'served').length + 1",
      ],
    ],
  },
  {
    name: 'undone-position-reused',
    does: 'gives the position of an undone check-in to the next patient',
    edits: [['src/doctor-day/rules/queue.ts', 'day.lastPosition + 1', 'day.checkIns.size + 1']],
  },
  {
    name: 'one-slot-too-many',
    does: 'books one appointment more than the capacity',
    edits: [['src/doctor-day/rules/free-slots.ts', 'slot <= last; slot += 1', 'slot <= last + 1; slot += 1']],
  },
  {
    name: 'slot-kept-after-move',
    does: 'does not free the slot that a moved appointment leaves',
    edits: [
      [
        'src/doctor-day/state/fold-moves.ts',
        'forgetPatient(day, appointment.patientId)\n    free(day, appointment)',
        'forgetPatient(day, appointment.patientId)',
      ],
    ],
  },
  {
    name: 'hold-never-lapses',
    does: 'sets no alarm for the end of holds',
    edits: [
      [
        'src/doctor-day/rules/rules.ts',
        'const deadlines = [...day.holds.values()].map(({ expiresAt }) => expiresAt)',
        'const deadlines: number[] = []',
      ],
    ],
  },
  {
    name: 'audit-row-missing',
    does: 'leaves one event in four out of the audit',
    edits: [
      [
        'src/audit/model.ts',
        'FROM ${written} WHERE true',
        "FROM ${written} WHERE ('${action}' <> 'webhook_event.received' OR abs(random()) % 4)",
      ],
    ],
  },
  {
    name: 'counts-without-lease',
    does: 'adds up the counts of a chunk without checking its lease',
    edits: [
      [
        'src/imports/work/consumer.ts',
        "created: count('created'),",
        "created: sql`created + ${count('created')}`,",
      ],
      [
        'src/imports/work/consumer.ts',
        'chunk = ${chunk.chunk} AND ${isLeased}`)\n      .returning',
        'chunk = ${chunk.chunk}`)\n      .returning',
      ],
      ['src/imports/work/consumer.ts', '          lte(importChunks.leaseUntil, now),\n', ''],
    ],
  },
  {
    name: 'first-chunk-ends-job',
    does: 'marks a job completed when one of its chunks is completed',
    edits: [
      [
        'src/imports/work/consumer.ts',
        "(SELECT 1 FROM import_chunks WHERE job_id = ${chunk.jobId} AND state = 'pending')`,",
        "(SELECT 1 FROM import_chunks WHERE job_id = ${chunk.jobId} AND state = 'lost')`,",
      ],
    ],
  },
  {
    name: 'nobody-wakes',
    does: 'does not resend messages that the queue has lost',
    edits: [['src/imports/work/bulk-job.ts', 'await sendChunks(env, jobId, chunks)\n', '']],
  },
  {
    name: 'foreign-day-shown',
    does: 'shows a day to another clinic',
    edits: [['src/doctor-day/doctor-day.ts', 'identity?.clinicId !== clinicId', '!identity']],
  },
  {
    name: 'stream-repeats',
    does: 'sends the last event again after a reconnect',
    edits: [
      [
        'src/doctor-day/readers/live.ts',
        'streamLog.events.slice(seq)',
        'streamLog.events.slice(Math.max(seq - 1, 0))',
      ],
    ],
  },
  {
    name: 'newer-event-ignored',
    does: 'reads past an event that it does not know',
    edits: [['src/doctor-day/state/fold.ts', 'day.isNewer = true', 'day.isNewer = false']],
  },
  {
    name: 'newer-event-forgotten',
    does: 'takes an event of a newer version for one of its own',
    edits: [
      ['src/doctor-day/state/versions.ts', 'Number(version) > later.length + 1', 'Number(version) < 1'],
    ],
  },
  {
    name: 'chosen-slot-not-free',
    does: 'gives a chosen slot without looking whether it is free',
    edits: [
      [
        'src/doctor-day/rules/choice.ts',
        '.every((each) => free.has(each))',
        '.every((each) => all.has(each))',
      ],
    ],
  },
  {
    name: 'clinic-stream-repeats',
    does: 'sends the last event of a clinic again after a reconnect',
    edits: [
      ['src/clinic-day/clinic-day.ts', 'let number = seq + 1;', 'let number = Math.max(seq, base + 1);'],
    ],
  },
  {
    name: 'registered-again',
    does: 'registers a patient again when the registration of a patient who was changed since is retried',
    edits: [['src/patients/actions.ts', "SELECT coalesce(${op}, ''),", 'SELECT ${crypto.randomUUID()},']],
  },
  {
    name: 'leave-sleeps',
    does: 'sets no alarm for the days of a leave that could not be told',
    edits: [
      [
        'src/leave/leave-job.ts',
        'await this.ctx.storage.setAlarm(\n' +
          '      Date.now() + Math.min(WAKE_MS_MAX, FIRST_WAKE_MS * 2 ** Math.min(failures, 10)),\n' +
          '    )\n',
        '',
      ],
    ],
  },
  {
    name: 'leave-cancelled-in-vain',
    does: 'tells a day of a leave that was cancelled while the day was told, and never opens it again',
    edits: [['src/leave/work.ts', '        eq(leaveDays.state, state),\n', '']],
  },
  {
    name: 'alias-not-seen',
    does: 'books a patient who has a visit on the day by the id of a merged record',
    edits: [
      [
        'src/doctor-day/rules/facts.ts',
        'idsOf(command).some((id) => day.patients.has(id))',
        'day.patients.has(command.patientId)',
      ],
    ],
  },
  {
    name: 'merged-again',
    does: 'merges two records again when a merge is retried that was undone since',
    edits: [
      [
        'src/merges/actions.ts',
        "sql`${op} = ${ctx.once.opId} AND (${verdict})->>'is' = ${is}`",
        "sql`${op} IS NOT NULL AND (${verdict})->>'is' = ${is}`",
      ],
    ],
  },
  {
    name: 'second-accept-wins',
    does: 'lets each day of a wish book the patient',
    edits: [
      [
        'src/doctor-day/rules/waitlist.ts',
        "  if (wish.claim) return { ok: false, refused: 'wish_fulfilled', won: wish.claim.date }\n",
        '',
      ],
      [
        'src/doctor-day/rules/wishes.ts',
        'if (claim) return verdict(claim.id === claimId, claim.date)',
        'if (claim) return verdict(true, claim.date)',
      ],
      [
        'src/doctor-day/rules/wishes.ts',
        'if (end) return verdict(false, end.date, true)',
        'if (end) return verdict(true, end.date, true)',
      ],
    ],
  },
]
