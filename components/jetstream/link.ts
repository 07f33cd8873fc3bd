import type { Msg, MsgHdrs, NatsConnection, Subscription } from "@nats-io/transport-node";
import { causeText } from "../../specs/errors.ts";
import type { Call, Clock, Log } from "../contract/driver.ts";
import {
  ApiError,
  type ApiErrorBody,
  ClosedError,
  NoAnswerError,
  NoResponderError,
  PermissionError,
  translate,
} from "./failures.ts";

export interface LinkOptions {
  readonly connection: NatsConnection;
  /** Subject below which answers come. */
  readonly inbox: string;
  readonly headers: () => MsgHdrs;
  readonly apiPrefix: string;
  /** Of the component. */
  readonly name: string;
  /** Where it leads, for people. */
  readonly where: string;
  readonly log: Log;
  readonly clock: Clock;
}

export interface Sending extends Call {
  readonly headers?: MsgHdrs | undefined;
  /** Longest wait for the answer; default: ten seconds. */
  readonly withinMs?: number;
}

interface Pending {
  readonly subject: string;
  readonly payload: Uint8Array | string;
  readonly headers: MsgHdrs | undefined;
  readonly resolve: (answer: Msg) => void;
  readonly reject: (error: unknown) => void;
}

const usualMs = 10_000;
const noResponders = 503;

/**
 * A component's connection, which comes back by itself when it is lost. Requests that wait for their answers then go out
 * again, in their order: so what is asked must be such that twice is as good as once.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #connection: NatsConnection;
  readonly #pending = new Map<string, Pending>();
  readonly #whenBack = new Set<() => void>();
  #serial = 0;
  #isUp = true;
  #closed: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#connection = options.connection;
    this.#connection.subscribe(`${options.inbox}.*`, { callback: (error, message) => this.#answered(error, message) });
    void this.#watch();
  }

  /** The connection stands, as far as one knows. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Most bytes of a message, headers included. */
  get maxBytes(): number {
    return this.#connection.info?.max_payload ?? 2 ** 20;
  }

  headers(): MsgHdrs {
    return this.#options.headers();
  }

  /**
   * Sends a message and waits for the answer to it. Rejects with `NoResponderError` where nobody listens,
   * `NoAnswerError`, `PermissionError`, `ClosedError`, or with the signal's reason.
   */
  request(
    subject: string,
    payload: Uint8Array | string,
    { headers, signal, withinMs = usualMs }: Sending,
  ): Promise<Msg> {
    if (this.#closed !== undefined) return Promise.reject(new ClosedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    const token = (this.#serial++).toString(36);
    return new Promise<Msg>((resolve, reject) => {
      const over = () => {
        this.#pending.delete(token);
        clearTimeout(limit);
        signal?.removeEventListener("abort", aborted);
      };
      const settleBy =
        <T>(settle: (value: T) => void) =>
        (value: T) => {
          over();
          settle(value);
        };
      const pending: Pending = {
        subject,
        payload,
        headers,
        resolve: settleBy(resolve),
        reject: settleBy(reject),
      };
      const aborted = () => pending.reject(signal?.reason);
      // By the real clock: a server keeps it too.
      const limit = setTimeout(() => pending.reject(new NoAnswerError(withinMs)), withinMs);
      this.#pending.set(token, pending);
      signal?.addEventListener("abort", aborted, { once: true });
      if (this.#isUp) this.#send(token, pending);
    });
  }

  /** Sends a message that nobody answers; lost when the connection is. */
  publish(subject: string, payload: Uint8Array | string, reply?: string): void {
    if (this.#closed !== undefined || !this.#isUp) return;
    this.#connection.publish(subject, payload, reply === undefined ? {} : { reply });
  }

  /** Messages that come at a subject, over lost connections. */
  listen(subject: string, take: (message: Msg) => void): Subscription {
    return this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (!error) take(message);
      },
    });
  }

  /** A subject below which nobody else listens. */
  newInbox(): string {
    return `${this.#options.inbox}.${(this.#serial++).toString(36)}.in`;
  }

  /** Asks the JetStream API. Rejects with `ApiError` for what it refuses, else as `request`. */
  async api<T = unknown>(name: string, body: object, call: Call): Promise<T> {
    const answer = await this.request(`${this.#options.apiPrefix}.${name}`, JSON.stringify(body), call);
    return parseAnswer<T>(answer);
  }

  /** Subject of the API to send to without waiting for an answer. */
  apiSubject(name: string): string {
    return `${this.#options.apiPrefix}.${name}`;
  }

  /** What callers of the component get for an error. */
  translate(error: unknown): unknown {
    return translate(error, this.#options.name);
  }

  /** Calls `run` each time the connection is there again after it was lost; ends when the returned function is called. */
  onBack(run: () => void): () => void {
    this.#whenBack.add(run);
    return () => this.#whenBack.delete(run);
  }

  /** Rejects when JetStream does not answer. */
  async ping(call: Call): Promise<void> {
    await this.api("INFO", {}, call).catch((error: unknown) => {
      // Who may only publish may not ask, and was answered all the same.
      if (!(error instanceof PermissionError)) throw error;
    });
  }

  /** Ends the connection; requests that wait reject. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // What was published without an answer leaves first.
    if (this.#isUp) await this.#connection.flush().catch(() => {});
    this.#rejectAll(() => new ClosedError());
    await this.#connection.close();
  }

  #send(token: string, { subject, payload, headers, reject }: Pending): void {
    const reply = `${this.#options.inbox}.${token}`;
    try {
      this.#connection.publish(subject, payload, headers ? { reply, headers } : { reply });
    } catch (error) {
      reject(error);
    }
  }

  #answered(error: Error | null, message: Msg): void {
    if (error) {
      this.#rejectAll(() => new PermissionError(error.message));
      return;
    }
    const pending = this.#pending.get(message.subject.slice(this.#options.inbox.length + 1));
    if (!pending) return;
    if (message.data.length === 0 && message.headers?.code === noResponders) {
      pending.reject(new NoResponderError(pending.subject));
    } else pending.resolve(message);
  }

  #rejectAll(toError: () => Error): void {
    for (const { reject } of [...this.#pending.values()]) reject(toError());
  }

  async #watch(): Promise<void> {
    const { log, where } = this.#options;
    for await (const status of this.#connection.status()) {
      if (status.type === "disconnect") {
        if (this.#isUp && this.#closed === undefined) {
          log.warn(`the connection to NATS at ${where} is lost; connecting again`);
        }
        this.#isUp = false;
      } else if (status.type === "reconnect") {
        log.info(`connected to NATS at ${where} again`);
        this.#back();
      } else if (status.type === "error") this.#refused(status.error);
    }
    this.#isUp = false;
    if (this.#closed === undefined) log.error(`the connection to NATS at ${where} has ended`);
    this.#rejectAll(() => new ClosedError());
  }

  #back(): void {
    this.#isUp = true;
    for (const [token, pending] of [...this.#pending]) this.#send(token, pending);
    for (const run of [...this.#whenBack]) run();
  }

  /** The server tells of a message that it did not take by its subject alone. */
  #refused(error: Error): void {
    this.#options.log.debug(`NATS at ${this.#options.where} says: ${causeText(error)}`);
    if (!("operation" in error) || error.operation !== "publish" || !("subject" in error)) return;
    for (const { subject, reject } of [...this.#pending.values()]) {
      if (subject === error.subject) reject(new PermissionError(error.message));
    }
  }
}

/** What the API, or a stream that was published to, says. Throws `ApiError`. */
export function parseAnswer<T>(answer: Msg): T {
  const parsed = JSON.parse(answer.string()) as { readonly error?: ApiErrorBody };
  if (parsed.error) throw new ApiError(parsed.error);
  return parsed as T;
}
