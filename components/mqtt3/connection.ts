import type { IClientOptions, IClientPublishOptions, IConnackPacket, IPublishPacket, MqttClient } from "mqtt";
import { causeText } from "../../specs/errors.ts";
import { isLost, LostError, reasonCode } from "./failures.ts";

/** A message of the broker. */
export type Arrival = IPublishPacket;
export type PublishOptions = Pick<IClientPublishOptions, "retain" | "properties"> & { readonly qos: 0 | 1 | 2 };

export interface Connecting {
  connect(options: IClientOptions): MqttClient;
  readonly options: IClientOptions;
  /** Takes a message; with a QoS over 0 the broker keeps it until `acknowledge` is called. */
  arrived(connection: Connection, message: Arrival): void;
}

const puback = 0x40;
const pubrec = 0x50;
/** Longest time for the broker to read the farewell. */
const farewellMs = 1000;

/** One connection to a broker. The library is kept from connecting again, and from acknowledging what nobody has handled. */
export class Connection {
  readonly #client: MqttClient;
  readonly #pending = new Set<(error: Error) => void>();
  /** Settles when it has ended, with what ended it where that is known. */
  readonly ended: Promise<Error>;
  #connack: IConnackPacket | undefined;
  #failure: Error | undefined;
  #isOver = false;

  private constructor({ connect, options, arrived }: Connecting) {
    this.#client = connect({ ...options, reconnectPeriod: 0, resubscribe: false });
    // Messages and acknowledgements are small, and somebody waits for each.
    const { stream } = this.#client;
    if ("setNoDelay" in stream && typeof stream.setNoDelay === "function") stream.setNoDelay(true);
    this.#client.on("error", (error) => {
      this.#failure = error;
    });
    this.#client.on("disconnect", ({ reasonCode: code, properties }) => {
      this.#failure ??= new LostError(
        `the broker says ${properties?.reasonString ?? `goodbye with code ${code ?? 0}`}`,
      );
    });
    this.#client.on("packetreceive", (packet) => {
      if (packet.cmd !== "publish") return;
      // The library sees QoS 0, which it does not acknowledge: that is done when the message has been handled.
      const message = { ...packet };
      packet.qos = 0;
      arrived(this, message);
    });
    this.ended = new Promise((resolve) => {
      this.#client.once("close", () => {
        this.#isOver = true;
        const error = this.#failure ?? new LostError("");
        const lost = isLost(error) ? error : new LostError(causeText(error));
        for (const reject of [...this.#pending]) reject(lost);
        resolve(error);
      });
    });
  }

  /** Rejects with the error of the library, of the system or with `LostError`, or with the signal's reason. */
  static async open(connecting: Connecting, signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted();
    const connection = new Connection(connecting);
    const client = connection.#client;
    const aborted = () => client.end(true);
    signal.addEventListener("abort", aborted, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        client.once("connect", (connack) => {
          connection.#connack = connack;
          resolve();
        });
        connection.ended.then(reject, reject);
      });
      return connection;
    } catch (error) {
      client.end(true);
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener("abort", aborted);
    }
  }

  /** The broker had a session of this client, with its subscriptions and unsettled messages. */
  get isResumed(): boolean {
    return this.#connack?.sessionPresent === true;
  }

  /** What the broker said of itself; MQTT 5 only. */
  get properties(): NonNullable<IConnackPacket["properties"]> {
    return this.#connack?.properties ?? {};
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Settles when the broker has taken the message; with QoS 0 when it is sent. */
  publish(topic: string, payload: Buffer, options: PublishOptions): Promise<void> {
    return this.#answered((done) => this.#client.publish(topic, payload, options, done));
  }

  /** Rejects with an error of the broker that names the code with which it refused. */
  async subscribe(filter: string, qos: 0 | 1 | 2, identifier: number | undefined): Promise<void> {
    const options =
      identifier === undefined ? { qos } : { qos, rh: 1, properties: { subscriptionIdentifier: identifier } };
    await this.#answered((done) => {
      this.#client.subscribe(filter, options, (error) => done(error ? withCode(error) : undefined));
    });
  }

  #answered(ask: (done: (error?: Error) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isOver) {
        reject(new LostError(""));
        return;
      }
      const lost = (error: Error) => {
        this.#pending.delete(lost);
        reject(error);
      };
      this.#pending.add(lost);
      ask((error) => {
        if (!this.#pending.delete(lost)) return;
        if (!error) resolve();
        // What the library makes up itself says that the connection is going.
        else reject(reasonCode(error) === undefined ? new LostError(error.message) : error);
      });
    });
  }

  /** The message has been handled. QoS 2: what follows is between library and broker. */
  acknowledge({ qos, messageId = 0 }: Arrival): void {
    if (qos === 0 || this.#isOver) return;
    // Both versions take this short form for a success.
    this.#client.stream.write(Buffer.from([qos === 1 ? puback : pubrec, 2, messageId >> 8, messageId & 0xff]));
  }

  /** Says goodbye; the broker keeps the session unless it is a clean one. Idempotent. */
  async end(): Promise<void> {
    if (this.#isOver) return;
    const { stream } = this.#client;
    const timer = setTimeout(() => stream.destroy(), farewellMs);
    this.#client.end();
    await this.ended;
    clearTimeout(timer);
  }
}

/** The library hides the code with which the broker refuses a subscription in the packet that it came in. */
function withCode(error: Error): Error {
  const { packet } = error as { readonly packet?: { readonly granted?: readonly unknown[] } };
  const code = packet?.granted?.find((one): one is number => typeof one === "number" && one >= 128);
  return code === undefined ? error : Object.assign(new Error(error.message), { code });
}
