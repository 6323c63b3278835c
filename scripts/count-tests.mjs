// Prints the counts of vitest's JSON report, as the last line of .ci/run.
import { readFileSync } from 'node:fs'

const [passed, failed] = counts(readFileSync(process.argv[2], 'utf8'))
console.log(`Tests: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

/** A file that cannot be loaded has no failed test, so it counts as one. Without a report no test passed. */
function counts(text) {
  if (text === '') return [0, 1]
  const { numPassedTests, numFailedTests, success, testResults } = JSON.parse(text)
  const brokenFiles = testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  )
  const failed = numFailedTests + brokenFiles.length
  return [numPassedTests, failed || (success ? 0 : 1)]
}
