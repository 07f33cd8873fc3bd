import type { Agent } from "node:http";
import type { Clock } from "../../components/contract/driver.ts";
import { causeText, fail } from "../../specs/errors.ts";
import { readBody } from "../kernel/body.ts";
import type { Answer, Exchange, GrpcTarget, HttpTarget } from "../kernel/exchange.ts";
import { firstHeader } from "../kernel/headers.ts";
import { exchangeOverHttp1, type OpenRequest } from "../kernel/http1-exchange.ts";
import { abandoned } from "../kernel/status.ts";
import { decodeFailure, failureHeader } from "./failure.ts";
import { callPeer, type Unreachable } from "./grpc-client.ts";
import { Liveness } from "./liveness.ts";
import { PeerSessions } from "./sessions.ts";
import { createPeerAgent, requestsTo } from "./transport.ts";

/** The sidecars that this one has connections to, by address. */
export class PeerClient {
  readonly #clock: Clock;
  readonly #agent: Agent;
  readonly #liveness: Liveness;
  readonly #sessions = new Map<string, PeerSessions>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#agent = createPeerAgent(clock);
    this.#liveness = new Liveness(this.#agent, clock);
  }

  /** The sidecar of `appId` at `address`; `onLost` is called for each call that it did not answer. */
  target(appId: string, address: string, onLost: () => void): HttpTarget & GrpcTarget {
    const open = requestsTo(address, this.#agent);
    const unreachable = (cause: unknown) => {
      onLost();
      return fail("peerUnreachable", { id: appId, address, cause: causeText(cause) }, { cause });
    };
    return {
      send: (exchange) => send(open, exchange, unreachable),
      call: (rawCall) => callPeer(this.#sessionsOf(address), rawCall, this.#clock.now(), unreachable),
    };
  }

  /** Cuts what is in flight. Idempotent. */
  close(): void {
    this.#liveness.close();
    this.#agent.destroy();
    for (const sessions of this.#sessions.values()) sessions.close();
    this.#sessions.clear();
  }

  #sessionsOf(address: string): PeerSessions {
    let sessions = this.#sessions.get(address);
    if (!sessions) {
      this.#forgetUnused();
      sessions = new PeerSessions(address, this.#clock);
      this.#sessions.set(address, sessions);
    }
    return sessions;
  }

  /** Peers come and go, each time at another address. */
  #forgetUnused(): void {
    for (const [address, { size }] of this.#sessions) if (size === 0) this.#sessions.delete(address);
  }
}

async function send(open: OpenRequest, exchange: Exchange, unreachable: Unreachable): Promise<Answer> {
  let answer: Answer;
  try {
    answer = await exchangeOverHttp1(open, exchange);
  } catch (error) {
    if (exchange.signal.aborted) throw abandoned(exchange.signal, "the call to another app");
    // Node refuses headers that HTTP cannot carry, before anything is sent.
    if (error instanceof TypeError) throw fail("badRequest", { why: error.message }, { cause: error });
    throw unreachable(error);
  }
  const reason = firstHeader(answer.headers, failureHeader);
  if (reason !== undefined) throw decodeFailure(reason, await readBody(answer.body));
  return answer;
}
