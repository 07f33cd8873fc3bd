// `npm run check [-- name ...]`: everything that needs no service, in under a minute. Names pick steps.
import { checkParallel, checkSteps } from "./steps/check-steps.ts";
import { runSteps } from "./steps/run-steps.ts";

const names = process.argv.slice(2);
const all = checkSteps();
const unknown = names.filter((name) => !all.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(", ")}; the steps are ${all.map((step) => `"${step.name}"`).join(", ")}`);
  process.exit(2);
}
const started = performance.now();
const results = await runSteps(
  all.filter((step) => names.length === 0 || names.includes(step.name)),
  checkParallel,
);
const failed = results.filter(({ status }) => status === "failed").map(({ name }) => name);
const verdict = failed.length === 0 ? "check passed" : `check failed: ${failed.join(", ")}`;
console.log(`${verdict} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
process.exitCode = failed.length === 0 ? 0 : 1;
