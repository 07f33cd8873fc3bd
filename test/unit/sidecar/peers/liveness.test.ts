import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Exchange } from "../../../../sidecar/kernel/exchange.ts";
import { PeerClient } from "../../../../sidecar/peers/client.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const exchange: Exchange = {
  verb: "GET",
  path: "",
  query: "",
  headers: {},
  body: undefined,
  signal: new AbortController().signal,
};

/** A peer that takes a call and never answers it. */
async function startPeer() {
  const calls: Socket[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on("error", () => {});
    socket.once("data", () => calls.push(socket));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of calls) socket.destroy();
    server.close();
  });
  return {
    server,
    calls,
    connections: () => connections,
    address: `127.0.0.1:${(server.address() as { port: number }).port}`,
  };
}

function call(address: string) {
  const clock = new FakeClock();
  const client = new PeerClient(clock);
  onTestFinished(() => client.close());
  const state = { lost: 0, outcome: undefined as string | undefined };
  const target = client.target("callee", address, () => void state.lost++);
  void target.send(exchange).catch((error: { reason: string }) => {
    state.outcome = error.reason;
  });
  return { clock, client, state };
}

describe("a call whose peer is gone without having said so", () => {
  it("is cut when the peer takes no other connection", async () => {
    const peer = await startPeer();
    const { clock, state } = call(peer.address);
    await expect.poll(() => peer.calls.length).toBe(1);
    // Takes no connections any more, but leaves the one it has: as a machine does that is gone.
    peer.server.close();
    await clock.advance(10_000);
    await expect.poll(() => state.outcome).toBe("peerUnreachable");
    expect(state.lost).toBe(1);
  });

  it("goes on while the peer takes connections", async () => {
    const peer = await startPeer();
    const { clock, state } = call(peer.address);
    await expect.poll(() => peer.calls.length).toBe(1);
    for (let i = 1; i <= 3; i++) {
      await clock.advance(10_000);
      await expect.poll(() => peer.connections()).toBe(1 + i);
    }
    expect(state.outcome).toBeUndefined();
  });

  it("is not looked for when no call is under way, or the client is closed", async () => {
    const peer = await startPeer();
    const { clock, client } = call(peer.address);
    await expect.poll(() => peer.calls.length).toBe(1);
    client.close();
    await expect.poll(() => clock.pending).toBe(0);
    await clock.advance(60_000);
    expect(peer.connections()).toBe(1);
  });
});

describe("a connection that is never made", () => {
  it("is given up after five seconds", async () => {
    // An address of a network that leads nowhere (RFC 5737); where the machine refuses it at once, that is as good.
    const { clock, state } = call("192.0.2.1:9");
    await clock.advance(5000);
    await expect.poll(() => state.outcome).toBe("peerUnreachable");
  });
});
