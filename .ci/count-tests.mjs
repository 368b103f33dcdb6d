// Reads a report of vitest in JSON and prints "PASSED FAILED". A skipped test counts as failed and is named, unless it
// needs data that is not part of the project.
import { readFileSync } from "node:fs";

const [, , path] = process.argv;
const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(path, "utf8"));
const skipped = testResults
  .flatMap(({ assertionResults }) => assertionResults)
  .filter(({ status }) => status !== "passed" && status !== "failed")
  .map(({ fullName }) => fullName);
const wrong = skipped.filter((name) => !name.includes("[needs shared data]"));
for (const name of wrong) console.error(`skipped: ${name}`);
if (skipped.length > 0)
  console.error(`skipped tests: ${skipped.length}, not allowed: ${wrong.length}`);
console.log(numPassedTests, numFailedTests + wrong.length);
