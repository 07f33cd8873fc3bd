import { causeText } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Client } from "./client.ts";
import { replyCode } from "./failures.ts";
import type { Link } from "./link.ts";
import { pause } from "./pause.ts";
import type { Entry, Stream } from "./stream.ts";

/** What a reader asks and tells its consumer. */
export interface Reading {
  /** For people. */
  readonly name: string;
  /** How many entries to read now; 0 or less: none until `wake` is called. */
  wanted(): number;
  /** Ids of the entries that the consumer holds. */
  held(): readonly string[];
  /** @param asked how many could have come; undefined: they come by another way */
  take(entries: readonly Entry[], asked?: number): void;
  /** How long the server waits for messages before it answers that there are none. */
  readonly blockMs: number;
}

const failurePauseMs = 100;
const unblockTries = 50;
const unblockPauseMs = 5;

/** Reads new entries of a stream, on a connection of its own, because it waits for them in the server. */
export class StreamReader {
  readonly #client: Client;
  readonly #link: Link;
  readonly #stream: Stream;
  readonly #reading: Reading;
  readonly #context: OpenContext;
  readonly #ended: Promise<void>;
  /** Under which the server knows the connection. */
  #id: unknown;
  #wake: (() => void) | undefined;
  #isClosing = false;
  #isFailing = false;

  constructor(client: Client, link: Link, stream: Stream, reading: Reading, context: OpenContext) {
    this.#client = client;
    this.#link = link;
    this.#stream = stream;
    this.#reading = reading;
    this.#context = context;
    this.#ended = this.#run();
  }

  /** There may be room for more. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        // What the server sent before the connection broke never arrived.
        if (this.#isFailing) this.#reading.take(await this.#stream.recover(this.#reading.held()));
        this.#isFailing = false;
        await this.#readOnce();
      } catch (error) {
        await this.#failed(error);
      }
    }
  }

  async #readOnce(): Promise<void> {
    const { wanted, take, blockMs } = this.#reading;
    const asked = wanted();
    if (asked <= 0) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
      return;
    }
    if (!this.#client.isCluster)
      this.#id ??= await this.#link.send((connection) => connection.call("CLIENT", "ID"), {});
    if (this.#isClosing) return;
    const read = (connection: Link["connection"]) => this.#stream.read(connection, asked, blockMs);
    take(await this.#link.send(read, {}, { once: true }), asked);
  }

  async #failed(error: unknown): Promise<void> {
    this.#id = undefined;
    if (this.#isClosing) return;
    const { log, clock } = this.#context;
    const { name } = this.#reading;
    if (replyCode(error) === "NOGROUP") {
      log.warn(`${name}: its consumer group is gone, with what waited for it; it is made anew`);
      await this.#stream.ensureGroup({}).catch(() => {});
    } else if (!this.#isFailing) {
      log.warn(`${name}: cannot be read for now: ${causeText(this.#client.translate(error))}`);
    }
    this.#isFailing = true;
    await pause(clock, failurePauseMs);
  }

  /** Ends the wait in the server first, so that it delivers nothing into a closed connection. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.wake();
    let isReading = true;
    const ended = this.#ended.finally(() => {
      isReading = false;
    });
    for (let tries = 0; isReading && this.#id !== undefined && tries < unblockTries; tries += 1) {
      const isAllowed = await this.#client.command("CLIENT", ["UNBLOCK", String(this.#id)], {}).then(
        () => true,
        () => false,
      );
      if (!isAllowed) break;
      await Promise.race([ended, pause(this.#context.clock, unblockPauseMs)]);
    }
    await this.#link.abandon();
    await ended;
  }
}
