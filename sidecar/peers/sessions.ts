import type { ClientHttp2Session } from "node:http2";
import type { Clock } from "../../components/contract/driver.ts";
import type { OpenStream } from "../kernel/http2-exchange.ts";
import { connectMs, connectPeer, streamsPerConnection } from "./transport.ts";

const pingEveryMs = 10_000;
const pingAnswerMs = 5000;
const idlePings = 18;

/** One connection and how many streams it carries. */
interface Line {
  readonly session: ClientHttp2Session;
  streams: number;
  /** Pings since the last stream. */
  idle: number;
}

/**
 * The connections to one peer: one, and more only while that one is full. A connection that does not answer a ping is cut;
 * one that carried nothing for three minutes is closed.
 */
export class PeerSessions {
  readonly #address: string;
  readonly #clock: Clock;
  readonly #lines = new Set<Line>();

  constructor(address: string, clock: Clock) {
    this.#address = address;
    this.#clock = clock;
  }

  /** Connections that are open or being made. */
  get size(): number {
    return this.#lines.size;
  }

  /** Opens a stream on a connection with room for it. */
  readonly open: OpenStream = (headers, options) => {
    const line = this.#withRoom() ?? this.#connect();
    const stream = line.session.request(headers, options);
    line.streams++;
    line.idle = 0;
    stream.once("close", () => line.streams--);
    return stream;
  };

  /** Cuts what is in flight. Idempotent. */
  close(): void {
    // With an error: without one, bodies under way would end as if they were complete.
    for (const { session } of this.#lines) session.destroy(new Error("the sidecar closes its connections"));
  }

  #withRoom(): Line | undefined {
    for (const line of this.#lines) {
      const { session, streams } = line;
      if (session.closed || session.destroyed) continue;
      const most = session.connecting
        ? streamsPerConnection
        : (session.remoteSettings.maxConcurrentStreams ?? streamsPerConnection);
      if (streams < most) return line;
    }
    return undefined;
  }

  #connect(): Line {
    const session = connectPeer(this.#address);
    const line: Line = { session, streams: 0, idle: 0 };
    this.#lines.add(line);
    const late = this.#clock.after(connectMs, () =>
      session.destroy(new Error(`no connection to ${this.#address} within ${connectMs} ms`)),
    );
    let stopPings = () => {};
    session.once("connect", () => {
      late();
      stopPings = this.#keepAlive(line);
    });
    // Every stream of the session is told too; that is where the failure is answered.
    session.on("error", () => {});
    session.once("close", () => {
      late();
      stopPings();
      this.#lines.delete(line);
    });
    return line;
  }

  #keepAlive(line: Line): () => void {
    const { session } = line;
    let cancelNext = () => {};
    let cancelLate = () => {};
    const beat = () => {
      if (session.closed || session.destroyed) return;
      if (line.streams === 0 && ++line.idle > idlePings) {
        session.close();
        return;
      }
      cancelLate = this.#clock.after(pingAnswerMs, () =>
        session.destroy(new Error(`${this.#address} does not answer a ping`)),
      );
      session.ping(() => cancelLate());
      cancelNext = this.#clock.after(pingEveryMs, beat);
    };
    cancelNext = this.#clock.after(pingEveryMs, beat);
    return () => {
      cancelNext();
      cancelLate();
    };
  }
}
