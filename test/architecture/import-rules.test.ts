import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { cruise, type ICruiseResult } from "dependency-cruiser";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

// The rules of .dependency-cruiser.cjs, tried on a small house in which each file breaks one of them.

const project = resolve(import.meta.dirname, "../..");
const config = createRequire(import.meta.url)(join(project, ".dependency-cruiser.cjs"));

/** File → what it imports; the files that break a rule are called bad, but for the cycle. */
const house: Record<string, string[]> = {
  "specs/errors.ts": [],
  "specs/bad.ts": ["components/contract/state.ts"],
  "components/contract/state.ts": ["specs/errors.ts"],
  "components/contract/bad.ts": ["sidecar/kernel/clock.ts"],
  "components/redis/client.ts": ["specs/errors.ts"],
  "components/redis/state.ts": ["components/redis/client.ts", "components/contract/state.ts"],
  "components/kafka/bad.ts": ["components/redis/client.ts"],
  "components/aws/credentials.ts": [],
  "components/aws.s3/bindings.ts": ["components/aws/credentials.ts", "components/contract/state.ts"],
  "components/aws.sqs/bad.ts": ["components/aws.s3/bindings.ts"],
  "components/registry.gen.ts": ["components/redis/state.ts"],
  "sidecar/kernel/clock.ts": ["specs/errors.ts", "type components/contract/state.ts"],
  "sidecar/kernel/bad-value.ts": ["components/contract/state.ts"],
  "sidecar/kernel/bad.ts": ["sidecar/host/open.ts"],
  "sidecar/host/open.ts": ["sidecar/kernel/clock.ts", "sidecar/host/close.ts"],
  "sidecar/host/close.ts": [],
  "sidecar/host/bad.ts": ["components/registry.gen.ts"],
  "sidecar/host/bad-library.ts": ["pino"],
  "sidecar/host/bad-tool.ts": ["vitest"],
  "sidecar/host/bad-unknown.ts": ["left-pad"],
  "sidecar/wire/http/server.ts": ["fastify", "sidecar/kernel/clock.ts"],
  "sidecar/wire/bad.ts": ["type sidecar/blocks/state/methods.ts"],
  "sidecar/blocks/state/methods.ts": ["sidecar/kernel/clock.ts"],
  "sidecar/blocks/lock/bad.ts": ["sidecar/blocks/state/methods.ts"],
  "sidecar/blocks/bad.ts": ["sidecar/blocks/state/methods.ts"],
  "sidecar/main.ts": ["components/registry.gen.ts", "sidecar/host/open.ts", "sidecar/wire/http/server.ts"],
  "sidecar/cli/mecha.ts": ["components/registry.gen.ts", "sidecar/main.ts"],
  "sdk/src/index.ts": ["specs/errors.ts", "sdk/src/client.ts"],
  "sdk/src/client.ts": [],
  "sdk/src/bad.ts": ["sidecar/kernel/clock.ts"],
  "examples/state/run.ts": ["@mecha/sdk"],
  "examples/state/bad.ts": ["sdk/src/client.ts"],
  "sidecar/peers/round.ts": ["type sidecar/peers/trip.ts"],
  "sidecar/peers/trip.ts": ["type sidecar/peers/round.ts"],
  "sidecar/config/index.ts": [],
  "sidecar/config/bad-barrel.ts": ["sidecar/config/index.ts"],
  "sidecar/config/bad-lost.ts": ["sidecar/config/gone.ts"],
  "test/unit/any.test.ts": ["vitest", "pino", "sidecar/host/open.ts", "scripts/tool.ts"],
  "scripts/tool.ts": ["components/registry.gen.ts", "pino"],
};

const broken: [rule: string, file: string][] = [
  ["specs-import-nothing-of-ours", "specs/bad.ts"],
  ["contract-imports-specs", "components/contract/bad.ts"],
  ["driver-imports-own-folder", "components/kafka/bad.ts"],
  ["driver-imports-own-folder", "components/aws.sqs/bad.ts"],
  ["kernel-imports-contract", "sidecar/kernel/bad.ts"],
  ["kernel-takes-types-from-the-contract", "sidecar/kernel/bad-value.ts"],
  ["floor-3-imports-no-sibling", "sidecar/host/bad.ts"],
  ["registry-has-one-reader", "sidecar/host/bad.ts"],
  ["library-pino", "sidecar/host/bad-library.ts"],
  ["tools-stay-out-of-the-product", "sidecar/host/bad-tool.ts"],
  ["library-has-a-door", "sidecar/host/bad-unknown.ts"],
  ["no-undeclared-library", "sidecar/host/bad-unknown.ts"],
  ["floor-3-imports-no-sibling", "sidecar/wire/bad.ts"],
  ["block-imports-no-other-block", "sidecar/blocks/lock/bad.ts"],
  ["block-lives-in-a-folder", "sidecar/blocks/bad.ts"],
  ["sdk-imports-specs", "sdk/src/bad.ts"],
  ["example-imports-the-public-sdk", "examples/state/bad.ts"],
  ["no-cycles", "sidecar/peers/round.ts"],
  ["no-barrels", "sidecar/config/bad-barrel.ts"],
  ["no-unresolved", "sidecar/config/bad-lost.ts"],
];

function source(file: string, imports: readonly string[]): string {
  const lines = imports.map((text, at) => {
    const [, kind = "", target = ""] = /^(type )?(.*)$/.exec(text) ?? [];
    const from = target.endsWith(".ts") ? `./${relative(dirname(file), target)}` : target;
    return `import ${kind}* as from${at} from "${from}";`;
  });
  return `${lines.join("\n")}\nexport const used = [${imports.map((_, at) => `0 as unknown as typeof from${at}`)}];\n`;
}

let root: string;
let found: [rule: string, file: string][];

beforeAll(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "mecha-house-")));
  for (const [file, imports] of Object.entries(house)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), source(file, imports));
  }
  const manifest = { type: "module", dependencies: { pino: "1", fastify: "1" }, devDependencies: { vitest: "1" } };
  writeFileSync(join(root, "package.json"), JSON.stringify(manifest));
  for (const library of ["pino", "fastify", "vitest", "left-pad"]) {
    mkdirSync(join(root, "node_modules", library), { recursive: true });
    writeFileSync(join(root, "node_modules", library, "package.json"), `{ "name": "${library}", "main": "main.js" }`);
    writeFileSync(join(root, "node_modules", library, "main.js"), "");
  }
  writeFileSync(join(root, "sdk/package.json"), `{ "name": "@mecha/sdk", "exports": "./src/index.ts" }`);
  mkdirSync(join(root, "node_modules/@mecha"));
  symlinkSync(join(root, "sdk"), join(root, "node_modules/@mecha/sdk"));
  const { forbidden, options } = config;
  const result = await cruise(["."], { ...options, baseDir: root, validate: true, ruleSet: { forbidden } });
  const { summary } = result.output as ICruiseResult;
  found = summary.violations.map(({ rule, from }) => [rule.name, from]);
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("the import rules", () => {
  test.each(broken)("%s is broken by %s", (rule, file) => {
    expect(found).toContainEqual([rule, file]);
  });

  test("allow everything else", () => {
    const surprises = found.filter(([rule, file]) => !broken.some((pair) => pair[0] === rule && pair[1] === file));
    expect(surprises).toEqual([]);
  });

  test("each have a reason", () => {
    expect(config.forbidden.filter((rule: { comment?: string }) => !rule.comment)).toEqual([]);
  });
});
