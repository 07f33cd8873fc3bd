import { existsSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { AnyDriver } from "../contract/any-driver.ts";
import type { Clock, Log } from "../contract/driver.ts";
import { isPluggable, pluggableDriver } from "./driver.ts";
import { pause } from "./pause.ts";

export interface SocketOptions {
  /** Where processes of components put their sockets, `<name>.sock`. */
  readonly folder: string;
  /** Somebody named the folder: it is waited for even when it is not there. */
  readonly isNamed: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** The driver, or why there is none. */
export type Found = { readonly driver: AnyDriver } | { readonly why: string };

const pollMs = 100;
const toldEveryMs = 1_000;

/** Finds drivers in processes of their own by their sockets: `state.name` is behind `name.sock`. */
export class Sockets {
  readonly #options: SocketOptions;

  constructor(options: SocketOptions) {
    this.#options = options;
  }

  /** Names of the sockets that are there, without `.sock`. */
  names(): readonly string[] {
    return socketNames(this.#options.folder);
  }

  /**
   * The driver of a type, as soon as its socket takes connections; waits `waitMs` for that. Undefined: a component of
   * this kind cannot be in a process of its own, or there is no folder of sockets. Rejects when `signal` aborts.
   */
  async find(type: string, waitMs: number, signal: AbortSignal): Promise<Found | undefined> {
    const { folder, isNamed, clock, log } = this.#options;
    const dot = type.indexOf(".");
    const [kind, name] = [type.slice(0, dot).toLowerCase(), type.slice(dot + 1)];
    if (!isPluggable(kind) || (!isNamed && !existsSync(folder))) return undefined;
    const started = clock.now();
    for (let toldAt = started; ; ) {
      const path = this.#pathOf(name);
      if (path !== undefined && (await accepts(path))) return { driver: pluggableDriver(kind, type, path) };
      const now = clock.now();
      if (now - started >= waitMs) return { why: this.#absence(name, path, waitMs) };
      if (now - toldAt >= toldEveryMs) {
        toldAt = now;
        const missing = path === undefined ? `${name}.sock in ${folder}` : `a process that listens at ${path}`;
        log.info(`waiting for ${missing}`, { component_type: type, waited_ms: now - started });
      }
      await pause(clock, pollMs, signal);
      signal.throwIfAborted();
    }
  }

  /** Types are compared without regard to case. */
  #pathOf(name: string): string | undefined {
    const found = this.names().find((one) => one.toLowerCase() === name.toLowerCase());
    return found === undefined ? undefined : join(this.#options.folder, `${found}.sock`);
  }

  #absence(name: string, path: string | undefined, waitMs: number): string {
    if (path !== undefined) return `nothing listened at ${path} within ${waitMs} ms; start the component's process`;
    const there = this.names().map((one) => `${one}.sock`);
    return `no socket ${name}.sock came to ${this.#options.folder} within ${waitMs} ms; sockets there: ${there.join(", ") || "none"}`;
  }
}

/** Names of the sockets in a folder, without `.sock`. */
export function socketNames(folder: string): readonly string[] {
  try {
    const files = readdirSync(folder).filter((file) => file.endsWith(".sock"));
    return files.map((file) => file.slice(0, -".sock".length)).sort();
  } catch {
    // No folder, no sockets.
    return [];
  }
}

/** Whether somebody listens; a file is left behind by processes that were killed. */
function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (isThere: boolean) => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once("connect", () => done(true)).once("error", () => done(false));
  });
}
