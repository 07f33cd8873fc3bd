import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { requireTool } from "../support/services.ts";
import { type RunningSidecar, startSidecar } from "../support/sidecar.ts";
import { tempFolder } from "../support/temp-folder.ts";

const folder = resolve(import.meta.dirname, "../../examples");

/** A `bin/mecha run` line of a README. */
interface Line {
  readonly appId: string;
  readonly takesCalls: boolean;
  readonly resourcesPath: string | undefined;
  readonly command: readonly string[];
}

/** What a README says to run: all lines but the last start an app that stays, the last one the example itself. */
function linesOf(example: string): readonly Line[] {
  const readme = readFileSync(join(folder, example, "README.md"), "utf8");
  return [...readme.matchAll(/^bin\/mecha run (.*) -- (.*?)(?: &)?$/gm)].map(([, flags = "", command = ""]) => {
    const value = (name: string) => new RegExp(`--${name} (\\S+)`).exec(flags)?.[1];
    const { length } = flags.split(" ");
    const known = ["app-id", "app-port", "resources-path"].filter((name) => value(name) !== undefined);
    if (length !== known.length * 2)
      throw new Error(`${example}/README.md: the test knows nothing of a flag in ${flags}`);
    return {
      appId: value("app-id") ?? "",
      takesCalls: value("app-port") !== undefined,
      resourcesPath: value("resources-path"),
      command: command.split(" "),
    };
  });
}

const examples = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, "README.md")))
  .map(({ name }) => ({ name, lines: linesOf(name) }))
  .filter(({ lines }) => lines.length > 0);

/** `npx node` is the pinned Node; whatever else a line starts has to be here. */
function isRunnable(lines: readonly Line[]): boolean {
  const tools = lines.flatMap(({ command: [program = ""] }) => (program === "sh" ? ["sh", "curl"] : [program]));
  return tools.filter((tool) => tool !== "npx").every((tool) => requireTool(tool) !== undefined);
}

const started: { sidecars: RunningSidecar[]; apps: ChildProcess[] } = { sidecars: [], apps: [] };
afterEach(async () => {
  for (const app of started.apps.splice(0)) app.kill();
  await Promise.all(started.sidecars.splice(0).map((sidecar) => sidecar.stop()));
});

describe("examples", () => {
  it("are found by their READMEs", () => {
    expect(examples.map(({ name }) => name)).toContain("state");
  });

  it.each(examples)("$name is at most 100 lines of code in a file", ({ name }) => {
    const files = readdirSync(join(folder, name)).filter((file) => /\.(ts|py|sh)$/.test(file));
    const long = files.filter((file) => readFileSync(join(folder, name, file), "utf8").split("\n").length > 101);
    expect(long).toEqual([]);
  });

  describe.each(examples)("$name", ({ lines }) => {
    it.skipIf(!isRunnable(lines))("does what its README says", async () => {
      const shared = tempFolder();
      for (const line of lines.slice(0, -1)) {
        const { sidecar, app } = await start(line, shared);
        await until(async () => (await fetch(`${sidecar.url}/v1.0/healthz`)).status === 204 || app.exitCode !== null);
      }
      const { app, output } = await start(lines.at(-1) as Line, shared);
      const code = await new Promise((done) => app.once("close", done));
      expect(code, output()).toBe(0);
    });
  });
});

async function start({ appId, takesCalls, resourcesPath, command }: Line, shared: string) {
  const appPort = takesCalls ? await freePort() : undefined;
  const sidecar = await startSidecar({
    appId,
    folder: shared,
    // as `mecha run` has it: resources that are named are all there are
    args: resourcesPath === undefined ? [] : ["--embedded=false", "--resources-path", resourcesPath],
    ...(appPort === undefined ? {} : { appPort }),
  });
  started.sidecars.push(sidecar);
  const [program = "", ...args] = command[0] === "npx" ? [process.execPath, ...command.slice(2)] : command;
  const app = spawn(program, args, {
    env: {
      ...process.env,
      ...(appPort === undefined ? {} : { APP_PORT: String(appPort) }),
      DAPR_HTTP_PORT: String(sidecar.httpPort),
      DAPR_GRPC_PORT: String(sidecar.grpcPort),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.apps.push(app);
  const chunks: string[] = [];
  for (const stream of [app.stdout, app.stderr]) stream.setEncoding("utf8").on("data", (text) => chunks.push(text));
  return { sidecar, app, output: () => `${chunks.join("")}\n--- sidecar\n${sidecar.output()}` };
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((done) =>
    server.listen(0, "127.0.0.1", () => done((server.address() as { port: number }).port)),
  );
  await new Promise((done) => server.close(done));
  return port;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 20));
}
