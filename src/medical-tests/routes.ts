import * as v from 'valibot'
import { needs } from '../access/permissions'
import { body, doc, query, refuses, reply, replyTextPage, resource } from '../http/endpoint'
import { replayWithout } from '../http/idempotency'
import { importRoutes } from '../imports/routes'
import { listMedicalTests, storeMedicalTest } from './actions'
import { MEDICAL_TEST_WORDS, MEDICAL_TESTS } from './import'
import { ListMedicalTests, MedicalTest, NewMedicalTest, StoredMedicalTest } from './model'

export const medicalTests = resource()
  .post(
    '/',
    doc('Store the record of a medical test', 201, StoredMedicalTest),
    refuses('medical_test_exists', 'not_found'),
    needs('tests:write'),
    body(NewMedicalTest, 'contract'),
    replayWithout('patient_id'),
    async (c) => reply(c, StoredMedicalTest, await storeMedicalTest(c.var.ctx, c.req.valid('json')), 201),
  )
  .get(
    '/',
    doc('List the records of a clinic, newest last', 200, v.array(MedicalTest)),
    refuses('not_found'),
    needs('tests:read'),
    query(ListMedicalTests, 'contract'),
    async (c) => replyTextPage(c, MedicalTest, await listMedicalTests(c.var.ctx, c.req.valid('query'))),
  )

const { uploads, status, list, jobs } = importRoutes(MEDICAL_TESTS, MEDICAL_TEST_WORDS)

export const medicalTestImports = resource()
  .route('/bulk', uploads)
  .route('/bulk/jobs', list)
  .route('/bulk', jobs)
  .route('/bulk/:job_id', status)
