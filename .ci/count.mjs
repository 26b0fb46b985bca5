// Adds up the totals of vitest's JSON reports and prints "N passed, N failed". A report that is
// missing or can't be read counts as one failure: its tests didn't come to an end. So does a file
// of tests that failed before any of its tests ran.
import { readFileSync } from "node:fs";

let passed = 0;
let failed = 0;
for (const path of process.argv.slice(2)) {
  try {
    const report = JSON.parse(readFileSync(path, "utf8"));
    const broken = report.testResults.filter(
      (file) => file.status === "failed" && file.assertionResults.length === 0,
    );
    passed += report.numPassedTests;
    failed += report.numFailedTests + broken.length;
    // A fault outside of any test, such as in the set-up.
    if (!report.success && report.numFailedTests + broken.length === 0) failed++;
  } catch (error) {
    console.error(`no totals: ${error.message}`);
    failed++;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
