/** A doctor whose day was used on a date, and how far D1 has copied that day. */
export interface UsedDay {
  doctorId: string
  name: string
  code: string
  specialty: string | null
  version: number
}

/** More doctors on one date than an object of 128 MB should keep in mind. */
export const DOCTORS_MAX = 1_000

/**
 * The primary key of `days` begins with the doctor. Reading through the clinic's doctors costs two rows for
 * each doctor; an index by date would cost every clinic one more row written for each day that is used.
 */
export const USED_DAYS = `
  SELECT doctors.id AS doctorId, doctors.name, doctors.code, doctors.specialty, days.version
  FROM doctors CROSS JOIN days
    ON days.clinic_id = doctors.clinic_id AND days.doctor_id = doctors.id AND days.date = ?2
  WHERE doctors.clinic_id = ?1
  ORDER BY doctors.id LIMIT ${DOCTORS_MAX + 1}`

/** By doctor. Throws for a clinic that is too large to be followed as one. */
export async function usedDays(database: D1Database, clinicId: string, date: string): Promise<UsedDay[]> {
  const { results } = await database.prepare(USED_DAYS).bind(clinicId, date).all<UsedDay>()
  if (results.length > DOCTORS_MAX) throw new RangeError('The clinic has too many doctors on this date')
  return results
}
