// The examples of components in processes of their own, as servers for tests.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll } from "vitest";
import { buildGoClient } from "../../scripts/clients/go.ts";
import { installPython } from "../../scripts/clients/python.ts";
import { reportNotRun, requireTool } from "./services.ts";

export type Language = "python" | "go";

/** A process of an example; its components are `<kind>.memory-<language>`. */
export interface Example {
  /** Folder of its socket. */
  readonly folder: string;
  readonly socket: string;
  /** All that it has written. */
  output(): string;
  /** Ends it with no chance to clean up: the socket's file stays. */
  kill9(): Promise<void>;
  /** Ends it by SIGTERM. */
  stop(): Promise<void>;
  /** Starts it; resolves when it listens. */
  start(): Promise<void>;
}

type Command = readonly [program: string, ...args: string[]];

const root = resolve(import.meta.dirname, "../..");
const commands = new Map<Language, Promise<Command | undefined>>();

/** Whether an example can be run here; builds it first. Where it cannot, that is recorded for the closing summary. */
export async function requireExample(language: Language): Promise<boolean> {
  return (await commandOf(language)) !== undefined;
}

function commandOf(language: Language): Promise<Command | undefined> {
  const known = commands.get(language) ?? build(language);
  commands.set(language, known);
  return known;
}

async function build(language: Language): Promise<Command | undefined> {
  const tool = requireTool(language === "go" ? "go" : "python3");
  if (tool === undefined) return undefined;
  try {
    if (language === "go") return [await buildGoClient(tool, "pluggable-go")];
    const python = await installPython(tool, "pluggable-python");
    return [python, join(root, "examples/pluggable-python/main.py")];
  } catch (error) {
    reportNotRun(`components in ${language}`, `the example cannot be built: ${(error as Error).message}`);
    return undefined;
  }
}

const made: { readonly example: Example; readonly folder: string }[] = [];

/** A process of an example, not yet started, with a folder of its own. It ends with the test file. */
export async function makeExample(language: Language): Promise<Example> {
  const command = await commandOf(language);
  if (command === undefined) throw new Error(`the example in ${language} cannot be run here; ask requireExample first`);
  const folder = mkdtempSync(join(tmpdir(), "mecha-sockets-"));
  const chunks: string[] = [];
  let child: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child?.once("exit", done));
    child.kill(signal);
    await ended;
  };
  const example: Example = {
    folder,
    socket: join(folder, `memory-${language}.sock`),
    output: () => chunks.join(""),
    kill9: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    async start() {
      child = spawn(command[0], command.slice(1), {
        env: { ...process.env, DAPR_COMPONENTS_SOCKETS_FOLDER: folder, PYTHONDONTWRITEBYTECODE: "1" },
        stdio: ["ignore", "pipe", "pipe"],
      });
      await listening(child, chunks);
    },
  };
  made.push({ example, folder });
  return example;
}

function listening(child: ChildProcess, chunks: string[]): Promise<void> {
  const { promise, resolve: listens, reject } = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      chunks.push(text);
      if (text.includes("listening at")) listens();
    });
  }
  child.once("error", reject);
  child.once("close", (code) => reject(new Error(`the example ended with ${code}:\n${chunks.join("")}`)));
  return promise;
}

const shared = new Map<Language, Promise<Example>>();

/** The process that the tests of a file share; starts it for the first that asks. */
export function sharedExample(language: Language): Promise<Example> {
  const start = async () => {
    const example = await makeExample(language);
    await example.start();
    return example;
  };
  const running = shared.get(language) ?? start();
  shared.set(language, running);
  return running;
}

afterAll(async () => {
  for (const { example, folder } of made.splice(0)) {
    await example.kill9();
    rmSync(folder, { recursive: true, force: true });
  }
});
