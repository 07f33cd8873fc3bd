import { join } from "node:path";
import type { Static, TObject } from "typebox";
import { Value } from "typebox/value";
import { onTestFinished } from "vitest";
import type { Log, Open, OpenContext, Opened } from "../../components/contract/driver.ts";
import { systemClock } from "../../sidecar/kernel/clock.ts";
import { tempFolder } from "./temp-folder.ts";

/** Settings as a test writes them: decoded already; those with a default may be left out. */
export type Given = Readonly<Record<string, unknown>>;

/** A log that keeps its lines. */
export class KeptLog implements Log {
  readonly lines: string[] = [];
  readonly #write = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    this.lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`);
  };
  readonly debug = this.#write("debug");
  readonly info = this.#write("info");
  readonly warn = this.#write("warn");
  readonly error = this.#write("error");
}

/** What drivers are opened with in tests. Data goes to a folder that is gone when the test is. */
export function openContext(parts: Partial<OpenContext> = {}): OpenContext {
  return {
    name: "under-test",
    appId: "app",
    namespace: "default",
    dataDir: parts.dataDir ?? join(tempFolder(), "data"),
    log: new KeptLog(),
    clock: systemClock,
    signal: new AbortController().signal,
    ...parts,
  };
}

/** Opens a driver with its defaults filled in; it is closed when the test is over. */
export async function openDriver<M extends TObject, T extends Opened>(
  driver: { readonly metadata: M; readonly open: Open<M, T> },
  settings: Given,
  context: OpenContext = openContext(),
): Promise<T> {
  const filled = Value.Default(driver.metadata, { ...settings });
  if (!Value.Check(driver.metadata, filled)) {
    throw new Error(`the settings do not fit: ${JSON.stringify(Value.Errors(driver.metadata, filled))}`);
  }
  const opened = await driver.open(filled as Static<M>, context);
  onTestFinished(() => opened.close());
  return opened;
}
