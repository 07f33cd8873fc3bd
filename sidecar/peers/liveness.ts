import type { Agent } from "node:http";
import { connect, type Socket } from "node:net";
import type { Clock } from "../../components/contract/driver.ts";

const everyMs = 10_000;
const dialMs = 5000;

/**
 * Cuts the HTTP/1.1 connections to peers that are gone without having said so, as when their machine is: nothing else would
 * tell a call that waits for its answer. While calls are under way to a peer it is dialled every ten seconds.
 */
export class Liveness {
  readonly #agent: Agent;
  readonly #clock: Clock;
  #cancel: () => void;

  constructor(agent: Agent, clock: Clock) {
    this.#agent = agent;
    this.#clock = clock;
    this.#cancel = clock.after(everyMs, () => this.#look());
  }

  /** Idempotent. */
  close(): void {
    this.#cancel();
  }

  #look(): void {
    this.#cancel = this.#clock.after(everyMs, () => this.#look());
    const byPeer = new Map<string, Socket[]>();
    for (const socket of Object.values(this.#agent.sockets).flatMap((list) => list ?? [])) {
      const { remoteAddress, remotePort } = socket;
      if (!remoteAddress || !remotePort) continue;
      const peer = `${remoteAddress} ${remotePort}`;
      byPeer.set(peer, [...(byPeer.get(peer) ?? []), socket]);
    }
    for (const sockets of byPeer.values()) this.#dial(sockets);
  }

  /** Cuts the connections when their peer does not take another one. */
  #dial(sockets: readonly Socket[]): void {
    const [first] = sockets;
    if (!first?.remoteAddress || !first.remotePort) return;
    const probe = connect({ host: first.remoteAddress, port: first.remotePort });
    const cut = () => {
      done();
      for (const socket of sockets) socket.destroy(new Error("the peer does not answer any more"));
    };
    const cancel = this.#clock.after(dialMs, cut);
    const done = () => {
      cancel();
      probe.destroy();
    };
    probe.once("connect", done);
    probe.once("error", cut);
  }
}
