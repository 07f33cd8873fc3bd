import type { Redis } from "ioredis";
import { causeText } from "../../specs/errors.ts";
import type { ConfigurationItem, ConfigurationItems } from "../contract/configuration.ts";
import type { Call, OpenContext, Subscription } from "../contract/driver.ts";
import type { Client } from "./client.ts";
import { enableKeyEvents } from "./key-events.ts";
import type { Link } from "./link.ts";

type Read = (keys: readonly string[], call: Call) => Promise<ConfigurationItems>;

interface Watcher {
  /** None: all. */
  readonly keys: ReadonlySet<string>;
  /** What it knows of a key: what it was told, and of named keys what stood before; undefined: the key is absent. */
  readonly known: Map<string, ConfigurationItem | undefined>;
  readonly onChange: (items: ConfigurationItems) => void;
}

const gone: ConfigurationItem = { value: "", version: "", metadata: {} };
/** Events that leave the value as it is. */
const silentEvents: ReadonlySet<string> = new Set(["expire", "persist"]);
/** So often a silent connection is asked whether it still stands. */
const pingMs = 15_000;
const topologyPauseMs = 500;

/** Tells subscribers of changed keys, which the servers announce by keyspace notifications. */
export class KeyWatch {
  readonly #client: Client;
  readonly #read: Read;
  readonly #context: OpenContext;
  readonly #channelStart: string;
  readonly #watchers = new Set<Watcher>();
  /** A connection that listens, by the address of its server: the servers of a cluster announce their own keys only. */
  readonly #listeners = new Map<string, Link>();
  readonly #stops = new Set<() => void>();
  #listening: Promise<void> | undefined;
  #changed = new Set<string>();
  #telling: Promise<void> | undefined;
  #isClosed = false;

  constructor(client: Client, read: Read, context: OpenContext) {
    this.#client = client;
    this.#read = read;
    this.#context = context;
    this.#channelStart = `__keyspace@${client.database}__:`;
  }

  /** Resolves when changes from now on are told. */
  async subscribe(keys: readonly string[], onChange: Watcher["onChange"], call: Call): Promise<Subscription> {
    const watcher: Watcher = { keys: new Set(keys), known: new Map(), onChange };
    try {
      await this.#listen();
      await this.#eachListener((connection) => this.#subscribeTo(connection, watcher.keys));
    } catch (error) {
      throw this.#client.translate(error);
    }
    const items = keys.length === 0 ? {} : await this.#read(keys, call);
    for (const key of keys) watcher.known.set(key, items[key]);
    this.#watchers.add(watcher);
    // What changed while they were read has been announced already.
    this.#announce(keys);
    return { close: () => this.#unsubscribe(watcher) };
  }

  async #unsubscribe(watcher: Watcher): Promise<void> {
    if (!this.#watchers.delete(watcher)) return;
    const isUsed = (key: string) => [...this.#watchers].some(({ keys }) => keys.has(key));
    const unused = [...watcher.keys].filter((key) => !isUsed(key)).map((key) => this.#channelStart + key);
    const isAllUsed = [...this.#watchers].some(({ keys }) => keys.size === 0);
    try {
      await this.#eachListener(async (connection) => {
        if (unused.length > 0) await connection.unsubscribe(...unused);
        if (watcher.keys.size === 0 && !isAllUsed) await connection.punsubscribe(`${this.#channelStart}*`);
      });
    } catch (error) {
      this.#context.log.debug(`channels of a closed subscription stay open: ${causeText(error)}`);
    }
  }

  async #subscribeTo(connection: Redis, keys: ReadonlySet<string>): Promise<void> {
    if (keys.size === 0) await connection.psubscribe(`${this.#channelStart}*`);
    else await connection.subscribe(...[...keys].map((key) => this.#channelStart + key));
  }

  // ---- listening

  #listen(): Promise<void> {
    this.#listening ??= this.#listenToAll().then(
      () => {
        this.#stops.add(this.#client.onTopology(() => this.#later(topologyPauseMs, () => this.#refresh())));
        this.#pingLater();
      },
      (error: unknown) => {
        this.#listening = undefined;
        throw error;
      },
    );
    return this.#listening;
  }

  /** Listens to servers that are new, and no longer to those that are gone. */
  async #listenToAll(): Promise<void> {
    const servers = new Map(this.#client.primaries().map((server) => [addressOf(server), server] as const));
    for (const [address, link] of this.#listeners) {
      if (servers.has(address)) continue;
      this.#listeners.delete(address);
      await link.abandon();
    }
    for (const [address, server] of servers) {
      if (this.#listeners.has(address) || this.#isClosed) continue;
      await this.#enableEvents(address);
      const link = await this.#client.dedicate({ server }, this.#context.signal);
      this.#listeners.set(address, link);
      const connection = link.connection as Redis;
      connection.on("message", (channel: string, event: string) => this.#heard(channel, event));
      connection.on("pmessage", (_pattern: string, channel: string, event: string) => this.#heard(channel, event));
      link.onBack(() => this.#back(address, connection));
      await this.#subscribeToAll(connection);
    }
  }

  /** A server that comes back may have lost its settings; a new connection has no channels, and changes were missed. */
  #back(address: string, connection: Redis): void {
    this.#enableEvents(address)
      .then(() => this.#subscribeToAll(connection))
      .then(() => this.#announceAll())
      // When the connection is lost again, it comes back again.
      .catch((error: unknown) => this.#context.log.debug(`${address} is not listened to: ${causeText(error)}`));
  }

  #enableEvents(address: string): Promise<void> {
    const use = <T>(act: (server: Redis) => Promise<T>) =>
      this.#client.send(() => {
        const server = this.#client.primaries().find((one) => addressOf(one) === address);
        return server ? act(server) : Promise.reject(new Error(`${address} is gone`));
      }, {});
    return enableKeyEvents(address, use, this.#context.log);
  }

  async #subscribeToAll(connection: Redis): Promise<void> {
    const keys = new Set([...this.#watchers].flatMap((watcher) => [...watcher.keys]));
    if (keys.size > 0) await this.#subscribeTo(connection, keys);
    if ([...this.#watchers].some((watcher) => watcher.keys.size === 0)) await this.#subscribeTo(connection, new Set());
  }

  #refresh(): void {
    this.#listenToAll().then(
      () => this.#announceAll(),
      (error: unknown) => {
        this.#context.log.warn(`not all servers of the cluster are listened to: ${causeText(error)}`);
        this.#later(topologyPauseMs, () => this.#refresh());
      },
    );
  }

  /** A connection that only listens would not notice that the other side is gone. */
  #pingLater(): void {
    this.#later(pingMs, () => {
      this.#eachListener((connection) => connection.ping()).catch(() => {});
      this.#pingLater();
    });
  }

  async #eachListener(act: (connection: Redis) => Promise<unknown>): Promise<void> {
    const links = [...this.#listeners.values()];
    await Promise.all(links.map((link) => link.send((connection) => act(connection as Redis), {})));
  }

  #later(ms: number, run: () => void): void {
    if (this.#isClosed) return;
    const cancel = this.#context.clock.after(ms, () => {
      this.#stops.delete(cancel);
      run();
    });
    this.#stops.add(cancel);
  }

  // ---- telling

  #heard(channel: string, event: string): void {
    if (!silentEvents.has(event)) this.#announce([channel.slice(this.#channelStart.length)]);
  }

  #announceAll(): void {
    this.#announce([...this.#watchers].flatMap(({ known }) => [...known.keys()]));
  }

  #announce(keys: readonly string[]): void {
    for (const key of keys) this.#changed.add(key);
    if (this.#changed.size === 0) return;
    this.#telling ??= this.#tell().finally(() => {
      this.#telling = undefined;
    });
  }

  async #tell(): Promise<void> {
    while (this.#changed.size > 0 && !this.#isClosed) {
      const keys = [...this.#changed];
      this.#changed = new Set();
      try {
        const items = await this.#read(keys, {});
        for (const watcher of this.#watchers) tellOne(watcher, keys, items);
      } catch (error) {
        this.#context.log.warn(`changed items cannot be read yet: ${causeText(error)}`);
        this.#later(topologyPauseMs, () => this.#announce(keys));
        return;
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watchers.clear();
    for (const stop of this.#stops) stop();
    await this.#listening?.catch(() => {});
    await this.#telling;
    await Promise.all([...this.#listeners.values()].map((link) => link.abandon()));
  }
}

function tellOne({ keys, known, onChange }: Watcher, changed: readonly string[], items: ConfigurationItems): void {
  const news = changed.flatMap((key) => {
    if (keys.size > 0 && !keys.has(key)) return [];
    const item = items[key];
    if (known.has(key) && isSame(known.get(key), item)) return [];
    known.set(key, item);
    return [[key, item ?? gone] as const];
  });
  if (news.length > 0) onChange(Object.fromEntries(news));
}

const isSame = (left: ConfigurationItem | undefined, right: ConfigurationItem | undefined) =>
  left?.value === right?.value && left?.version === right?.version;

const addressOf = ({ options }: Redis) => `${options.host}:${options.port}`;
