import { randomInt } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Client, Notification } from "pg";
import type { Clock } from "../contract/driver.ts";
import { quoted } from "./names.ts";

export interface ChannelWatcher {
  /** @param processId the server's number of the connection that notified; undefined: told by this process itself */
  onNotification(payload: string, processId: number | undefined): void;
  /** The connection was away and is back: notifications may have been missed. */
  onResume(): void;
}

const firstPauseMs = 50;
const longestPauseMs = 5000;
const aliveMs = 15_000;
const answerMs = 5000;

/** The one connection of a pool that listens for notifications; connects when somebody watches, and again when it breaks. */
export class Listener {
  readonly #newClient: () => Client;
  readonly #clock: Clock;
  readonly #channels = new Map<string, Set<ChannelWatcher>>();
  #connecting: Promise<Client> | undefined;
  #client: Client | undefined;
  #cancelPause: (() => void) | undefined;
  #cancelCheck: (() => void) | undefined;
  #closed = false;

  constructor(newClient: () => Client, clock: Clock) {
    this.#newClient = newClient;
    this.#clock = clock;
  }

  /** Resolves when notifications of the channel are heard; the returned function ends that. Rejects when it cannot connect. */
  async watch(channel: string, watcher: ChannelWatcher): Promise<() => void> {
    const watchers = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, watchers.add(watcher));
    const stop = () => {
      watchers.delete(watcher);
      if (watchers.size > 0 || this.#channels.get(channel) !== watchers) return;
      this.#channels.delete(channel);
      this.#client?.query(`UNLISTEN ${quoted(channel)}`).catch(() => {});
    };
    try {
      const client = await this.#connected();
      await client.query(`LISTEN ${quoted(channel)}`);
    } catch (error) {
      stop();
      throw error;
    }
    return stop;
  }

  /** Tells this process at once what it has notified itself. */
  tell(channel: string, payload: string): void {
    for (const watcher of [...(this.#channels.get(channel) ?? [])]) watcher.onNotification(payload, undefined);
  }

  #connected(): Promise<Client> {
    this.#connecting ??= this.#connect().catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Client> {
    const client = this.#newClient();
    client.on("error", () => {});
    client.on("notification", (notification) => this.#hear(notification));
    try {
      await client.connect();
      client.once("end", () => this.#lost(client));
      for (const channel of this.#channels.keys()) await client.query(`LISTEN ${quoted(channel)}`);
      if (this.#closed) throw new Error("Client was closed and is not queryable");
    } catch (error) {
      cut(client);
      throw error;
    }
    this.#client = client;
    this.#checkLater(client);
    return client;
  }

  #hear({ channel, payload, processId }: Notification): void {
    for (const watcher of [...(this.#channels.get(channel) ?? [])]) watcher.onNotification(payload ?? "", processId);
  }

  /** A way that swallows everything never says that it is broken; only a question shows it. */
  #checkLater(client: Client): void {
    this.#cancelCheck?.();
    this.#cancelCheck = this.#clock.after(aliveMs, () => {
      const cancel = this.#clock.after(answerMs, () => cut(client));
      client
        .query("SELECT 1")
        .then(
          () => this.#client === client && this.#checkLater(client),
          () => {},
        )
        .finally(cancel);
    });
  }

  #lost(client: Client): void {
    if (this.#closed || (this.#client !== undefined && this.#client !== client)) return;
    this.#client = undefined;
    this.#connecting = undefined;
    this.#cancelCheck?.();
    this.#resumeAfter(firstPauseMs);
  }

  #resumeAfter(pauseMs: number): void {
    if (this.#closed || this.#channels.size === 0) return;
    this.#cancelPause?.();
    this.#cancelPause = this.#clock.after(pauseMs + randomInt(pauseMs), () => {
      if (this.#channels.size === 0) return;
      this.#connected().then(
        () => {
          for (const watchers of [...this.#channels.values()]) for (const watcher of [...watchers]) watcher.onResume();
        },
        () => this.#resumeAfter(Math.min(2 * pauseMs, longestPauseMs)),
      );
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelPause?.();
    this.#cancelCheck?.();
    this.#channels.clear();
    const client = this.#client ?? (await this.#connecting?.catch(() => undefined));
    if (!client) return;
    const cancel = this.#clock.after(answerMs, () => cut(client));
    await client.end();
    cancel();
  }
}

/** Ends the connection without a word, which `end` would wait to say. */
function cut(client: Client): void {
  (client as unknown as { readonly connection: { readonly stream: Duplex } }).connection.stream.destroy();
}
