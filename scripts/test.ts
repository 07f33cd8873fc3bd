// `npm test`: everything. With arguments (`npm test -- state`) only the tests they pick; they go to vitest as they are.
// The last line is always `N passed, N failed, N skipped`.
import { forgetNotRun, readNotRun } from "../test/support/services.ts";
import { checkParallel, checkSteps } from "./steps/check-steps.ts";
import { runSteps } from "./steps/run-steps.ts";
import { countTests, type Project, vitestStep } from "./steps/vitest-step.ts";

const filters = process.argv.slice(2);
const withServices = ["conformance", "integration", "e2e"] as const satisfies Project[];
const projects = ["unit", ...withServices] as const satisfies Project[];

forgetNotRun();
const results =
  filters.length === 0
    ? [
        ...(await runSteps(checkSteps(), checkParallel)),
        // one at a time: they start sidecars and services of their own and measure time
        ...(await runSteps(
          withServices.map((project) => vitestStep(project)),
          1,
        )),
      ]
    : await runSteps(
        projects.map((project) => vitestStep(project, filters)),
        1,
      );

const counts = projects.map(countTests);
const sum = (key: "passed" | "failed" | "skipped") => counts.reduce((total, count) => total + count[key], 0);
const failed = results.filter(({ status }) => status === "failed").map(({ name }) => name);

console.log();
for (const { name, why } of readNotRun()) console.log(`not run: ${name} (${why})`);
if (failed.length > 0) console.log(`failed: ${failed.join(", ")}`);
if (sum("passed") + sum("failed") === 0) console.log("no test ran: the arguments pick none");
console.log(`${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
process.exitCode = failed.length > 0 || sum("passed") === 0 ? 1 : 0;
