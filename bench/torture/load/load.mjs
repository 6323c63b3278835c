import { repeatRequest } from './again.mjs'
import { closeClinic } from './closings.mjs'
import * as desk from './desk.mjs'
import { changeDoctor } from './doctor-changes.mjs'
import * as doctors from './doctors.mjs'
import { startImport } from './imports.mjs'
import * as leaves from './leaves.mjs'
import * as merges from './merges.mjs'
import * as patients from './patients.mjs'
import * as queue from './queue.mjs'
import * as records from './records.mjs'
import * as waitlist from './waitlist.mjs'

/** The actions of a client, and how often it chooses each, relative to the others. */
const WEIGHTS = new Map([
  [patients.register, 4],
  [patients.changePatient, 3],
  [patients.registerAgain, 2],
  [patients.erasePatient, 1.5],
  [desk.book, 26],
  [desk.readAppointment, 6],
  [desk.cancel, 7],
  [desk.reschedule, 10],
  [desk.hold, 5],
  [waitlist.wait, 5],
  [waitlist.answerOffer, 5],
  [waitlist.makeWish, 4],
  [waitlist.answerWish, 7],
  [leaves.takeLeave, 4],
  [leaves.endLeave, 1.5],
  [leaves.retireDoctor, 0.5],
  [closeClinic, 1],
  [merges.mergePatients, 3],
  [merges.undoMerge, 2],
  [queue.checkIn, 9],
  [queue.walkIn, 3],
  [queue.callNext, 9],
  [queue.step, 12],
  [queue.noShow, 1],
  [queue.uncheckIn, 3],
  [doctors.addDoctor, 0.5],
  [changeDoctor, 6],
  [doctors.setAvailability, 3],
  [doctors.declareAbsence, 0.8],
  [doctors.readDay, 5],
  [doctors.bookNewerDay, 1],
  [doctors.readForeignAppointment, 1],
  [records.storeTest, 6],
  [records.sendEvent, 5],
  [records.reuseKey, 1],
  [startImport, 3],
  [repeatRequest, 7],
])

const ACTIONS = Object.fromEntries([...WEIGHTS.keys()].map((action) => [action.name, action]))
const BY_NAME = Object.fromEntries([...WEIGHTS].map(([action, weight]) => [action.name, weight]))

/** Acts until the load is over, and finishes the action that it has begun. */
export async function act(client, { endsAt }) {
  for (let n = 0; n < 2; n += 1) await patients.register(client)
  while (!client.world.isOver && Date.now() < endsAt) {
    const action = ACTIONS[client.chance.weighted(BY_NAME)]
    await action(client)
  }
}
