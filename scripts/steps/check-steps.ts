import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run-steps.ts";
import type { Step } from "./step.ts";
import { vitestStep } from "./vitest-step.ts";

/** The steps of `npm run check`, the longest first so that two at a time end soonest. None needs a service. */
export function checkSteps(): Step[] {
  const tool = (path: string) => join(root, "node_modules", path);
  const node = process.execPath;
  const generate = join(root, "scripts/generate.ts");
  return [
    vitestStep("unit"),
    {
      name: "generated",
      command: [node, generate, "--check"],
      skip: existsSync(generate) ? undefined : "scripts/generate.ts is not there",
    },
    { name: "types", command: [node, tool("@typescript/native/bin/tsc")] },
    { name: "lint", command: [node, tool("@biomejs/biome/bin/biome"), "check", "--error-on-warnings", "."] },
    {
      name: "imports",
      command: [
        node,
        tool("dependency-cruiser/bin/dependency-cruise.mjs"),
        "--config",
        ".dependency-cruiser.cjs",
        "--output-type",
        "err-long",
        ".",
      ],
    },
    { name: "dead code", command: [node, tool("knip/bin/knip.js"), "--no-progress"] },
  ];
}

/** How many steps run at once; each is itself parallel, so more than two only slows them down. */
export const checkParallel = 2;
