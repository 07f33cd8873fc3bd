import { existsSync } from "node:fs";
import { join } from "node:path";
import type { OpenedByKind } from "../../components/contract/any-driver.ts";
import type { Clock, Log } from "../../components/contract/driver.ts";
import type { StateDriver } from "../../components/contract/state.ts";
import type { Registry } from "./opening.ts";
import { readSettings } from "./settings.ts";

export interface OwnStoreParts {
  readonly registry: Registry;
  readonly appId: string;
  readonly namespace: string;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Table of the messages and marks that the sidecar keeps for itself. */
const tableName = "mecha_delivery";
/** The file in which the embedded components live too. */
const fileName = "mecha.db";

/** A state store of the sidecar's own in its data folder: a table beside those of the embedded components. Opens when it is asked for. */
export class OwnStore {
  readonly #parts: OwnStoreParts;
  readonly #ending = new AbortController();
  #opened: Promise<OpenedByKind["state"]> | undefined;

  constructor(parts: OwnStoreParts) {
    this.#parts = parts;
  }

  get exists(): boolean {
    return existsSync(join(this.#parts.dataDir, fileName));
  }

  /** Rejects with what opening failed with; the next call tries again. */
  open(): Promise<OpenedByKind["state"]> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #open(): Promise<OpenedByKind["state"]> {
    const { registry, ...context } = this.#parts;
    const load = registry["state.sqlite"];
    if (!load) throw new Error("state.sqlite is not part of this build");
    const driver = (await load()).default as StateDriver;
    const { settings } = readSettings(driver.metadata, undefined, [{ name: "tableName", value: tableName }]);
    return driver.open(settings as never, { ...context, name: "delivery store", signal: this.#ending.signal });
  }

  async close(): Promise<void> {
    this.#ending.abort();
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.close();
  }
}
