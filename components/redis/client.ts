import type { Redis } from "ioredis";
import type { Call, Clock, OpenContext } from "../contract/driver.ts";
import { linkMaker, type Purpose } from "./connect.ts";
import { ClosedError, translate } from "./failures.ts";
import type { Connection, Link, SendOptions } from "./link.ts";
import { type Argument, runScript, type Script } from "./script.ts";
import { type ConnectionSettings, connectionSettings } from "./settings.ts";

/**
 * Opens a component's view of a Redis server, cluster or sentinel group. Components of one process whose connections are
 * set alike share one. Rejects with `openFailed`.
 */
export async function openClient(settings: ConnectionSettings, context: OpenContext): Promise<Client> {
  const make = await linkMaker(settings, context);
  const release = await acquire(settings, context, make);
  return new Client(release, make, settings, context);
}

/** One component's view of a server. Rejects with reasons that name the component. */
export class Client {
  readonly #link: Link;
  readonly #release: () => Promise<void>;
  readonly #make: (purpose?: Purpose) => Link;
  readonly #name: string;
  readonly isCluster: boolean;
  /** Number of the database. */
  readonly database: number;
  #closed: Promise<void> | undefined;

  constructor(
    { link, release }: Held,
    make: (purpose?: Purpose) => Link,
    { redisType, redisDB }: ConnectionSettings,
    { name }: OpenContext,
  ) {
    this.#link = link;
    this.#release = release;
    this.#make = make;
    this.#name = name;
    this.isCluster = redisType === "cluster";
    this.database = redisDB;
  }

  /** Sends commands on the shared connection; those of one turn of the event loop travel together. */
  send<T>(use: (connection: Connection) => Promise<T>, call: Call, options?: SendOptions): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(this.translate(new ClosedError()));
    return this.#link.send(use, call, options).catch((error: unknown) => {
      throw translate(error, this.#name);
    });
  }

  /** Sends one command; texts of the answer are texts. */
  command(name: string, args: readonly Argument[], call: Call, options?: SendOptions): Promise<unknown> {
    return this.send((connection) => connection.call(name, ...args), call, options);
  }

  /** Runs a script in the server; texts of the answer are bytes. */
  run(
    script: Script,
    keys: readonly string[],
    args: readonly Argument[],
    call: Call,
    options?: SendOptions,
  ): Promise<unknown> {
    return this.send((connection) => runScript(connection, script, keys, args), call, options);
  }

  /** The servers that hold keys: one, or the primaries of a cluster. */
  primaries(): readonly Redis[] {
    const { connection } = this.#link;
    return "nodes" in connection ? connection.nodes("master") : [connection];
  }

  /** A connection of its own to the same place, for commands that wait; the caller closes it. Rejects with `openFailed`. */
  async dedicate(purpose: Purpose, signal: AbortSignal): Promise<Link> {
    const link = this.#make(purpose);
    await link.open(signal);
    return link;
  }

  /** What callers of the component get for an error of a dedicated connection. */
  translate(error: unknown): unknown {
    return translate(error, this.#name);
  }

  /** Calls `run` when servers join a cluster or leave it; ends when the returned function is called. */
  onTopology(run: () => void): () => void {
    const { connection } = this.#link;
    if (!this.isCluster) return () => {};
    connection.on("+node", run).on("-node", run);
    return () => {
      connection.off("+node", run).off("-node", run);
    };
  }

  /** Rejects when the server does not answer. */
  async ping(call: Call): Promise<void> {
    await this.command("PING", [], call);
  }

  /** Gives the connection back. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#release();
    return this.#closed;
  }
}

interface Shared {
  readonly link: Promise<Link>;
  users: number;
}

interface Held {
  readonly link: Link;
  readonly release: () => Promise<void>;
}

/** By clock, so that tests with a clock of their own have connections of their own. */
const shared = new WeakMap<Clock, Map<string, Shared>>();

async function acquire(settings: ConnectionSettings, context: OpenContext, make: () => Link): Promise<Held> {
  const byKey = shared.get(context.clock) ?? new Map<string, Shared>();
  shared.set(context.clock, byKey);
  const key = keyOf(settings);
  let entry = byKey.get(key);
  if (!entry) {
    entry = { link: opened(make(), context.signal), users: 0 };
    byKey.set(key, entry);
  }
  const { link } = entry;
  entry.users += 1;
  const leave = () => {
    entry.users -= 1;
    if (entry.users === 0 && byKey.get(key) === entry) byKey.delete(key);
    return entry.users === 0;
  };
  try {
    const ready = await link;
    return {
      link: ready,
      async release() {
        if (leave()) await ready.close();
      },
    };
  } catch (error) {
    leave();
    throw error;
  }
}

async function opened(link: Link, signal: AbortSignal): Promise<Link> {
  await link.open(signal);
  return link;
}

/** The same for components whose connections may be one. */
function keyOf(settings: ConnectionSettings): string {
  const keys = Object.keys(connectionSettings({ redisMinRetryInterval: 0, redisMaxRetryInterval: 0 })).sort();
  return JSON.stringify(keys.map((key) => settings[key as keyof ConnectionSettings]));
}
