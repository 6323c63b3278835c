import * as v from 'valibot'
import { contextOf } from '../access/authenticate'
import { CreatedKey } from '../access/model'
import { needs } from '../access/permissions'
import {
  body,
  doc,
  documents,
  noBody,
  noQuery,
  openBody,
  query,
  refuses,
  reply,
  replyPage,
  resource,
} from '../http/endpoint'
import { ifMatch, withEtag } from '../http/etag'
import { idempotencyKey, prepareOnce } from '../http/idempotency'
import { fieldsOf } from '../http/input/fields'
import { databaseOf } from '../lib/db'
import { etagOf } from '../patients/model'
import { addStaff, getStaff, listStaff, removeStaff } from './actions'
import { changeStaff } from './change'
import { createStaffKey, issueSignInLink } from './keys'
import { clinicOfToken } from './link-text'
import {
  ChangeStaff,
  ListStaff,
  NewStaff,
  NewStaffKey,
  SignedIn,
  SignIn,
  SignInLink,
  Staff,
  toStaff,
} from './model'
import { notValid, signIn } from './sign-in'

const LINK_OPENS =
  '`url` is a path for the clinic’s own console, whose page reads the token after # and sends it to ' +
  'POST /api/v1/sign-in. This service has no such page.'

export const people = resource()
  .post(
    '/',
    doc('Add a person to the staff', 201, Staff),
    needs('clinic:admin'),
    body(NewStaff),
    async (c) => {
      const person = await addStaff(c.var.ctx, c.req.valid('json'))
      withEtag(c, etagOf(person.version))
      return reply(c, Staff, toStaff(person), 201)
    },
  )
  .get('/', doc('List the staff', 200, v.array(Staff)), needs('clinic:admin'), query(ListStaff), async (c) =>
    replyPage(c, Staff, await listStaff(c.var.ctx, c.req.valid('query'))),
  )
  .get(
    '/:id',
    doc('Get a person of the staff', 200, Staff),
    refuses('not_found'),
    needs('clinic:admin'),
    noQuery(),
    async (c) => {
      const person = await getStaff(c.var.ctx, c.req.param('id'))
      withEtag(c, etagOf(person.version))
      return reply(c, Staff, toStaff(person))
    },
  )
  .patch(
    '/:id',
    doc('Change the name or the role of a person; a role counts for all their keys', 200, Staff),
    refuses(
      ...(['not_found', 'if_match_required', 'record_changed', 'staff_left', 'last_manager'] as const),
      'idempotency_key_reused',
    ),
    needs('clinic:admin'),
    ifMatch.documented,
    body(ChangeStaff),
    async (c) => {
      const read = ifMatch.of(c)
      const person = await changeStaff(c.var.ctx, c.req.param('id'), c.req.valid('json'), read)
      withEtag(c, etagOf(person.version))
      return reply(c, Staff, toStaff(person))
    },
  )
  .delete(
    '/:id',
    doc('A person leaves: all their keys are revoked, and the record stays', 200, Staff),
    refuses('not_found', 'last_manager'),
    needs('clinic:admin'),
    noQuery(),
    async (c) => reply(c, Staff, await removeStaff(c.var.ctx, c.req.param('id'))),
  )
  .post(
    '/:id/keys',
    doc('Create an API key of a person; its secret is shown this once', 201, CreatedKey),
    refuses('not_found', 'staff_left', 'key_shown_once'),
    needs('clinic:admin'),
    body(NewStaffKey),
    async (c) => {
      const { ctx } = c.var
      return reply(c, CreatedKey, await createStaffKey(ctx, c.req.param('id'), c.req.valid('json')), 201)
    },
  )
  .post(
    '/:id/sign-in-links',
    doc('Issue a link with which a person signs in once, within 15 minutes', 201, SignInLink),
    documents({ description: LINK_OPENS }),
    refuses('not_found', 'staff_left', 'key_shown_once', 'invalid_request'),
    needs('clinic:admin'),
    noBody,
    async (c) => reply(c, SignInLink, await issueSignInLink(c.var.ctx, c.req.param('id')), 201),
  )

const SIGN_IN_FIELDS = fieldsOf(SignIn)

/** Needs no API key: the token says for which clinic the request acts. A forged one reaches no store. */
export const signIns = resource().post(
  '/',
  doc('Exchange the token of a sign-in link for a key of the person; once', 201, SignedIn),
  refuses('unauthenticated', 'key_shown_once'),
  openBody(SignIn),
  async (c) => {
    const wanted = c.req.valid('json')
    const clinicId = clinicOfToken(c.env.DOCTORDAY_SECRET, wanted.token, Date.now())
    if (clinicId === null) throw notValid()
    const clinic = { id: clinicId, timeZone: 'UTC', country: 'US', settings: {} }
    c.set('ctx', contextOf(c, databaseOf(c.env.DB), clinic, { keyId: 'sign-in', scopes: [] }))
    prepareOnce(c, idempotencyKey(c), wanted, SIGN_IN_FIELDS)
    c.header('Cache-Control', 'no-store')
    return reply(c, SignedIn, await signIn(c.var.ctx, wanted.token), 201)
  },
)
