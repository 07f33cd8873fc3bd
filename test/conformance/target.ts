import { randomUUID } from "node:crypto";
import type { TObject } from "typebox";
import type { AnyDriver, OpenedByKind } from "../../components/contract/any-driver.ts";
import type { Clock, Definition, Open, Opened } from "../../components/contract/driver.ts";
import { readSettings } from "../../sidecar/host/settings.ts";
import { systemClock } from "../../sidecar/kernel/clock.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type Given, openContext, openDriver } from "../support/open-driver.ts";
import { tempFolder } from "../support/temp-folder.ts";

type Texts = Readonly<Record<string, string>>;

/** A driver under test. */
export interface Target<D extends AnyDriver> {
  readonly driver: D;
  /** Settings as a resource file writes them; called in a test, before each opening. */
  readonly settings?: (dataDir: string) => Texts | Promise<Texts>;
  /** The server it needs is not on this machine, which has been reported; its cases are skipped. */
  readonly isMissing?: boolean;
  /** `backend`: the server keeps its own time, so that tests wait for the real one. Default: the tests move the clock. */
  readonly time?: "backend";
  /** The largest value or message that the backend takes; default: a megabyte or more. */
  readonly maxBytes?: number;
}

/** A target opened for one test; closed when it is over. */
export interface Bench<T> {
  readonly opened: T;
  /** Opens the same component again, over the same data. */
  reopen(): Promise<T>;
  /** Lets so much time pass for the driver. */
  pass(ms: number): Promise<void>;
  /** Settles when `isMet` is, while time passes; rejects after `withinMs` of it. */
  until(isMet: () => boolean | Promise<boolean>, withinMs?: number): Promise<void>;
}

export type StateBench = Bench<OpenedByKind["state"]>;

type Driver<T> = Definition & { readonly open: Open<TObject, T> };

/** Opens the target's driver. */
export async function openBench<T extends Opened>(target: {
  readonly driver: Driver<T>;
  readonly settings?: (dataDir: string) => Texts | Promise<Texts>;
  readonly time?: "backend";
}): Promise<Bench<T>> {
  const dataDir = tempFolder();
  const clock = target.time === "backend" ? systemClock : new FakeClock();
  const reopen = async () => {
    const texts = (await target.settings?.(dataDir)) ?? {};
    return openDriver(target.driver, decoded(target.driver, texts), openContext({ dataDir, clock }));
  };
  return { opened: await reopen(), reopen, ...timeOf(clock) };
}

function decoded(driver: Definition, texts: Texts): Given {
  const pairs = Object.entries(texts).map(([name, value]) => ({ name, value }));
  const { settings, problems, unknown } = readSettings(driver.metadata, undefined, pairs);
  if (problems.length + unknown.length > 0) throw new Error([...problems, ...unknown].join("; "));
  return settings;
}

function timeOf(clock: Clock): Pick<Bench<unknown>, "pass" | "until"> {
  const stepMs = 20;
  const step = () =>
    clock instanceof FakeClock ? clock.advance(stepMs) : new Promise<void>((resolve) => setTimeout(resolve, stepMs));
  const until = async (isMet: () => boolean | Promise<boolean>, withinMs = 5000) => {
    const end = clock.now() + withinMs;
    while (!(await isMet())) {
      if (clock.now() >= end) throw new Error(`not met within ${withinMs} ms: ${isMet}`);
      await turn();
      await step();
    }
  };
  const pass = (ms: number) => {
    if (clock instanceof FakeClock) return clock.advance(ms);
    const end = clock.now() + ms;
    return until(() => clock.now() >= end, ms + stepMs);
  };
  return { pass, until };
}

/** Lets work on disks and sockets get on, which no fake clock moves. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A name that no other test uses, for backends that outlive a test. */
export const fresh = (name: string) => `${name}-${randomUUID()}`;

export const bytes = (text: string) => Buffer.from(text);
/** A megabyte, or as much as the target's backend takes. */
export const large = ({ maxBytes = 1 << 20 }: { readonly maxBytes?: number }) =>
  Buffer.alloc(Math.min(1 << 20, maxBytes), "x");
/** Plain bytes, to compare what drivers give in arrays of various classes. */
export const toText = (data: Uint8Array | undefined) => (data === undefined ? undefined : Buffer.from(data).toString());
