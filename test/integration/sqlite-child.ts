// A process beside the test: opens the drivers on a shared file, does its part, and tells each step in a line.
import { type ChildProcess, spawn } from "node:child_process";
import { writeSync } from "node:fs";
import type { TObject } from "typebox";
import { Value } from "typebox/value";
import type { Log, Open, OpenContext, Opened } from "../../components/contract/driver.ts";
import configurationDriver from "../../components/sqlite/configuration.ts";
import lockDriver from "../../components/sqlite/lock.ts";
import pubsubDriver from "../../components/sqlite/pubsub.ts";
import stateDriver from "../../components/sqlite/state.ts";
import { systemClock } from "../../sidecar/kernel/clock.ts";

/** Messages that a victim handles at once, and so the most that one kill can make come twice. */
export const concurrency = 8;
/** Lease of a consumer: long enough for a busy machine, short enough to wait for. */
export const processingTimeout = 2000;

// A broken pipe or a full disk shows in the parent's count, not here.
const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Opens a driver with its defaults, outside of a test. */
export function openShared<T extends Opened>(
  driver: { readonly metadata: TObject; readonly open: Open<TObject, T> },
  dataDir: string,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<T> {
  const context: OpenContext = {
    name: "shared",
    appId: "app",
    namespace: "",
    dataDir,
    log,
    clock: systemClock,
    signal: new AbortController().signal,
  };
  return driver.open(Value.Default(driver.metadata, { ...settings }) as never, context);
}

/** Written at once, so that a kill does not lose what has been done. */
const tell = (line: string) => writeSync(1, `${line}\n`);

/** Writes values, publishes and consumes until it is killed. */
async function victim(dataDir: string, round: string): Promise<void> {
  const state = await openShared(stateDriver, dataDir);
  const pubsub = await openShared(pubsubDriver, dataDir, { processingTimeout });
  const handler = async ({ data }: { data: Uint8Array }) => {
    tell(`delivered ${Buffer.from(data)}`);
    await new Promise<void>((resolve) => setTimeout(resolve, Math.random() * 4));
    return "ack" as const;
  };
  await pubsub.subscribe({ topic: "t", group: "g", metadata: {}, concurrency }, handler, {});
  let count = 0;
  const worker = async () => {
    for (;;) {
      count += 1;
      const name = `${round}-${count}`;
      await state.set(name, Buffer.from(name), {}, {});
      tell(`stored ${name}`);
      await pubsub.publish({ topic: "t", data: Buffer.from(name), metadata: {} }, {});
      tell(`published ${name}`);
    }
  };
  await Promise.all(Array.from({ length: 6 }, worker));
}

/** Adds 1 to a counter so many times, by etag. */
async function increment(dataDir: string, times: string): Promise<void> {
  const state = await openShared(stateDriver, dataDir);
  for (let done = 0; done < Number(times); ) {
    const entry = await state.get("counter", {}, {});
    const next = Buffer.from(String(Number(entry ? Buffer.from(entry.data) : 0) + 1));
    try {
      await state.set("counter", next, { etag: entry?.etag, concurrency: "first-write" }, {});
      done += 1;
    } catch (error) {
      if (!(error instanceof Error && "reason" in error && error.reason === "etagMismatch")) throw error;
    }
  }
  await state.close();
}

/** Adds 1 to a counter so many times, under a lock. */
async function lock(dataDir: string, times: string): Promise<void> {
  const state = await openShared(stateDriver, dataDir);
  const locks = await openShared(lockDriver, dataDir);
  const owner = String(process.pid);
  let last = 0n;
  for (let done = 0; done < Number(times); ) {
    if (!(await locks.tryLock({ resource: "r", owner, expirySeconds: 30 }, {}))) continue;
    const token = (await locks.fencingToken?.("r", owner, {})) ?? 0n;
    if (token <= last) throw new Error(`token ${token} after ${last}`);
    last = token;
    const entry = await state.get("locked", {}, {});
    await state.set("locked", Buffer.from(String(Number(entry ? Buffer.from(entry.data) : 0) + 1)), {}, {});
    await locks.unlock("r", owner, {});
    done += 1;
  }
  await state.close();
  await locks.close();
}

/** Consumes until it is told to stop by the end of its input. */
async function consume(dataDir: string): Promise<void> {
  const pubsub = await openShared(pubsubDriver, dataDir, { processingTimeout: 15_000 });
  const handler = async ({ data }: { data: Uint8Array }) => {
    tell(`delivered ${Buffer.from(data)}`);
    return "ack" as const;
  };
  await pubsub.subscribe({ topic: "race", group: "g", metadata: {}, concurrency: 4 }, handler, {});
  tell("subscribed");
  await new Promise<void>((resolve) => process.stdin.once("end", resolve).resume());
  await pubsub.close();
}

/** Consumes in the order of keys, and tells when each message came and went, by a clock that all processes share. */
async function order(dataDir: string): Promise<void> {
  const pubsub = await openShared(pubsubDriver, dataDir, { redeliverInterval: 20, pollInterval: 5 });
  const now = () => process.hrtime.bigint();
  const handler = async ({ data, attempt }: { data: Uint8Array; attempt: number }) => {
    const came = now();
    await new Promise<void>((resolve) => setTimeout(resolve, Math.random() * 3));
    const isRefused = attempt === 1 && Math.random() < 0.05;
    tell(`${isRefused ? "refused" : "handled"} ${Buffer.from(data)} ${came} ${now()}`);
    return isRefused ? "retry" : "ack";
  };
  // One at a time, as a sidecar hands over messages of one key.
  await pubsub.subscribe({ topic: "o", group: "g", metadata: {}, concurrency: 1, order: "key" }, handler, {});
  tell("subscribed");
  await new Promise<void>((resolve) => process.stdin.once("end", resolve).resume());
  await pubsub.close();
}

/** Writes a configuration item and deletes it. */
async function configure(dataDir: string, key: string): Promise<void> {
  const store = await openShared(configurationDriver, dataDir);
  await store.put?.({ [key]: { value: "1" } }, {});
  await new Promise<void>((resolve) => process.stdin.once("end", resolve).resume());
  await store.remove?.([key], {});
  await store.close();
}

const roles = { victim, increment, lock, consume, order, configure };
type Role = keyof typeof roles;

export interface Child {
  /** What it has told, without the line end. */
  readonly lines: string[];
  /** Settles with the exit code; null: killed. Rejects with what it wrote to stderr when it failed. */
  readonly exit: Promise<number | null>;
  /** Lets `consume`, `order` and `configure` finish. */
  finish(): void;
  kill(): void;
}

/** Starts a child. */
export function startChild(role: Role, dataDir: string, argument = ""): Child {
  const child: ChildProcess = spawn(process.execPath, [import.meta.filename, role, dataDir, argument]);
  const lines: string[] = [];
  let [rest, errors] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => (code ? reject(new Error(`${role} ended with ${code}: ${errors}`)) : resolve(code)));
  });
  return { lines, exit, finish: () => child.stdin?.end(), kill: () => child.kill("SIGKILL") };
}

if (import.meta.main) {
  const [, , role, dataDir = "", argument = ""] = process.argv;
  await roles[role as Role](dataDir, argument);
}
