import { once } from "node:events";
import { createServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { PeerSessions } from "../../../../sidecar/peers/sessions.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

/** A peer that keeps its streams open until it is told to answer. */
async function startPeer(maxConcurrentStreams: number) {
  const server = createServer({ settings: { maxConcurrentStreams } });
  const streams: ServerHttp2Stream[] = [];
  let sessions = 0;
  server.on("session", () => sessions++);
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    streams.push(stream);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    streams,
    sessions: () => sessions,
    answerAll() {
      for (const stream of streams.splice(0)) {
        stream.respond({ ":status": 200 });
        stream.end();
      }
    },
  };
}

function open(address: string) {
  const clock = new FakeClock();
  const sessions = new PeerSessions(address, clock);
  onTestFinished(() => sessions.close());
  const stream = () => {
    const opened = sessions.open({ ":path": "/" }, { endStream: true });
    opened.on("error", () => {});
    opened.resume();
    return opened;
  };
  return { clock, sessions, stream };
}

describe("the connections to a peer", () => {
  it("are one, however many streams are under way", async () => {
    const peer = await startPeer(1000);
    const { stream } = open(peer.address);
    for (let i = 0; i < 300; i++) stream();
    await expect.poll(() => peer.streams.length).toBe(300);
    expect(peer.sessions()).toBe(1);
  });

  it("become more only while those there are carry all that the peer allows", async () => {
    const peer = await startPeer(2);
    const { sessions, stream } = open(peer.address);
    stream();
    await expect.poll(() => peer.streams.length).toBe(1);
    for (let i = 0; i < 4; i++) stream();
    await expect.poll(() => peer.streams.length).toBeGreaterThanOrEqual(4);
    expect(peer.sessions()).toBeGreaterThan(1);
    expect(sessions.size).toBe(peer.sessions());
    peer.answerAll();
  });

  it("are made anew when the peer has closed them", async () => {
    const peer = await startPeer(10);
    const { sessions, stream } = open(peer.address);
    stream();
    await expect.poll(() => peer.streams.length).toBe(1);
    peer.streams[0]?.session?.destroy();
    await expect.poll(() => sessions.size).toBe(0);
    stream();
    await expect.poll(() => peer.sessions()).toBe(2);
  });

  it("are closed when they have carried nothing for three minutes", async () => {
    const peer = await startPeer(10);
    const { clock, sessions, stream } = open(peer.address);
    stream();
    await expect.poll(() => peer.streams.length).toBe(1);
    /** Ten seconds, and the peer's answer to the ping. */
    const beat = async () => {
      await clock.advance(10_000);
      await expect.poll(() => clock.pending, { interval: 1 }).toBeLessThanOrEqual(1);
    };
    for (let i = 0; i < 30; i++) await beat();
    expect(sessions.size).toBe(1);
    peer.answerAll();
    await expect.poll(() => peer.streams.length).toBe(0);
    for (let i = 0; i < 20; i++) await beat();
    await expect.poll(() => sessions.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it("are cut when the peer does not answer a ping", async () => {
    const sockets: Socket[] = [];
    const server = createTcpServer((socket) => {
      sockets.push(socket);
      socket.resume();
      // An empty SETTINGS frame makes it a peer; after that it says nothing any more.
      socket.write(Buffer.from("000000040000000000", "hex"));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const { clock, sessions, stream } = open(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    const opened = stream();
    const failed = once(opened, "error");
    await expect.poll(() => sockets.length).toBe(1);
    await expect.poll(() => clock.pending).toBe(1);
    await clock.advance(10_000);
    await clock.advance(5000);
    expect(String((await failed)[0])).toContain("does not answer a ping");
    expect(sessions.size).toBe(0);
  });
});
