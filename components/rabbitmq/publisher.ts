import type { ChannelModel, ConfirmChannel, Options } from "amqplib";
import type { Call, Clock } from "../contract/driver.ts";
import { ClosedError, isAbsent, isBlamed, isLost, replyCode } from "./failures.ts";
import { type Link, unlessAborted } from "./link.ts";

export interface Publication {
  /** Empty: the default one, which leads to the queue that the routing key names. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly content: Buffer;
  readonly properties: Options.Publish;
}

interface Line {
  readonly connection: ChannelModel;
  readonly channel: ConfirmChannel;
  /** Exchanges that are there with what hangs on them, or are being made. */
  readonly declared: Map<string, Promise<void>>;
  /** Ids of messages that were to reach a queue and found none. */
  readonly returned: Set<string | undefined>;
  failure: Error | undefined;
}

/** So often a message is sent after a connection or channel was lost that may have taken it along. */
const mostTries = 5;
/** Longest time for confirmations to come when the publisher closes. */
const closingMs = 5000;

/** Publishes, each message until the server has confirmed it. Messages of one turn keep their order. */
export class Publisher {
  readonly #link: Link;
  readonly #declare: (connection: ChannelModel, exchange: string) => Promise<void>;
  readonly #pending = new Set<Promise<void>>();
  #line: { readonly connection: ChannelModel; readonly opened: Promise<Line> } | undefined;
  #isClosed = false;

  /** @param declare makes where it is absent what a publication to the exchange needs */
  constructor(link: Link, declare: (connection: ChannelModel, exchange: string) => Promise<void>) {
    this.#link = link;
    this.#declare = declare;
  }

  /** Rejects with the error of the library, or with the signal's reason; then the message may be published or not. */
  async publish(publication: Publication, call: Call): Promise<void> {
    const done = this.#publish(publication, call);
    const settled = done.catch(() => {});
    this.#pending.add(settled);
    settled.finally(() => this.#pending.delete(settled)).catch(() => {});
    await (call.signal ? unlessAborted(done, call.signal) : done);
  }

  async #publish(publication: Publication, call: Call): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#try(publication, call);
      } catch (error) {
        const isHopeless = tries === mostTries || this.#isClosed || call.signal?.aborted === true;
        if (isHopeless || !isWorthAgain(error, publication)) throw error;
      }
    }
  }

  async #try({ exchange, routingKey, content, properties }: Publication, call: Call): Promise<void> {
    if (this.#isClosed) throw new ClosedError();
    const connection = await this.#link.connected(call);
    const line = await this.#lineOn(connection);
    await this.#declared(line, exchange);
    await new Promise<void>((resolve, reject) => {
      line.channel.publish(exchange, routingKey, content, properties, (error: Error | null) => {
        if (error) reject(line.failure ?? error);
        else if (line.returned.delete(properties.messageId)) reject(new ReturnedError());
        else resolve();
      });
    }).catch((error: unknown) => {
      if (isGone(error)) line.declared.delete(exchange);
      throw error;
    });
  }

  #lineOn(connection: ChannelModel): Promise<Line> {
    if (this.#line?.connection === connection) return this.#line.opened;
    const opened = this.#open(connection);
    const line = { connection, opened };
    this.#line = line;
    const forget = () => {
      if (this.#line === line) this.#line = undefined;
    };
    opened.then(({ channel }) => channel.once("close", forget), forget);
    return opened;
  }

  async #open(connection: ChannelModel): Promise<Line> {
    const channel = await connection.createConfirmChannel();
    const line: Line = { connection, channel, declared: new Map(), returned: new Set(), failure: undefined };
    channel.on("error", (error) => {
      line.failure = error;
    });
    channel.on("return", ({ properties }) => line.returned.add(properties.messageId as string));
    return line;
  }

  #declared({ connection, declared }: Line, exchange: string): Promise<void> {
    let done = declared.get(exchange);
    if (!done) {
      done = this.#declare(connection, exchange);
      declared.set(exchange, done);
      done.catch(() => declared.delete(exchange));
    }
    return done;
  }

  /** Takes no more messages and waits for what is confirmed soon. */
  async close(clock: Clock): Promise<void> {
    this.#isClosed = true;
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(closingMs, resolve);
    });
    await Promise.race([Promise.all(this.#pending), late]);
    cancel();
  }
}

class ReturnedError extends Error {
  constructor() {
    super("the queue is gone");
  }
}

const isGone = (error: unknown): boolean => isAbsent(error) || error instanceof ReturnedError;

/** What is gone is made anew, and a channel that was closed because of another message is lost like any. */
function isWorthAgain(error: unknown, { exchange, content }: Publication): boolean {
  if (isLost(error) || isGone(error)) return true;
  return replyCode(error) !== undefined && !isBlamed(error, exchange, content.length);
}
