import { describe, expect, it, onTestFinished } from "vitest";
import type { Resolver } from "../../../../components/contract/name-resolution.ts";
import { readBody } from "../../../../sidecar/kernel/body.ts";
import type { Exchange } from "../../../../sidecar/kernel/exchange.ts";
import { type OpenedPeers, openPeers } from "../../../../sidecar/peers/open.ts";
import { startHttpApp, unusedPort } from "../../../support/fake-app.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const never = new AbortController().signal;
const exchange: Exchange = { verb: "GET", path: "", query: "", headers: {}, body: undefined, signal: never };

class Fixture {
  readonly clock = new FakeClock();
  readonly asked: string[] = [];
  answers: string[][] = [];
  readonly peers: OpenedPeers;

  constructor(part: Partial<Resolver> = {}) {
    const resolver: Resolver = {
      register: async () => {},
      resolve: async (appId, namespace) => {
        this.asked.push(`${namespace}/${appId}`);
        return this.answers.length > 1 ? (this.answers.shift() as string[]) : (this.answers[0] ?? []);
      },
      close: async () => {},
      ...part,
    };
    this.peers = openPeers({ resolver, clock: this.clock, log: silent });
    onTestFinished(() => this.peers.close());
  }
}

/** A peer that answers with its own name. */
const startPeer = async (name: string): Promise<string> => {
  const { port } = await startHttpApp((_, response) => response.end(name));
  return `127.0.0.1:${port}`;
};
const ask = async ({ peers }: Fixture): Promise<string> => {
  const target = await peers.find("app", "ns", never);
  return Buffer.from(await readBody((await target.send(exchange)).body)).toString();
};

describe("finding peers", () => {
  it("takes several addresses in turn and keeps them for twenty seconds", async () => {
    const fixture = new Fixture();
    fixture.answers = [[await startPeer("a"), await startPeer("b"), await startPeer("c")]];
    const first = [await ask(fixture), await ask(fixture), await ask(fixture)];
    expect([...first].sort()).toEqual(["a", "b", "c"]);
    expect([await ask(fixture), await ask(fixture), await ask(fixture)]).toEqual(first);
    expect(fixture.asked).toEqual(["ns/app"]);
    await fixture.clock.advance(20_000);
    await ask(fixture);
    expect(fixture.asked).toHaveLength(2);
  });

  it("asks for a single address each time", async () => {
    const fixture = new Fixture();
    fixture.answers = [[await startPeer("a")], [await startPeer("b")]];
    expect([await ask(fixture), await ask(fixture)]).toEqual(["a", "b"]);
  });

  it("drops an address that does not answer, so that the next try goes elsewhere", async () => {
    const fixture = new Fixture();
    fixture.answers = [[await startPeer("a"), `127.0.0.1:${await unusedPort()}`]];
    const outcomes: string[] = [];
    for (let i = 0; i < 4; i++) outcomes.push(await ask(fixture).catch((error: { reason: string }) => error.reason));
    expect(outcomes.filter((outcome) => outcome === "peerUnreachable")).toHaveLength(1);
    expect(fixture.asked).toHaveLength(1);
  });

  it("asks anew when no address is left", async () => {
    const fixture = new Fixture();
    fixture.answers = [[`127.0.0.1:${await unusedPort()}`, `127.0.0.1:${await unusedPort()}`], [await startPeer("a")]];
    await expect(ask(fixture)).rejects.toMatchObject({ reason: "peerUnreachable" });
    await expect(ask(fixture)).rejects.toMatchObject({ reason: "peerUnreachable" });
    expect(await ask(fixture)).toBe("a");
  });

  it("does not wait for an app that was never seen, and names those that are known", async () => {
    const fixture = new Fixture({ known: async () => ["shop", "cart", "shop"] });
    await expect(fixture.peers.find("app", "ns", never)).rejects.toMatchObject({
      reason: "invokeNotResolved",
      message: expect.stringContaining("known apps: cart, shop"),
    });
    expect(fixture.asked).toHaveLength(1);
    const silentOne = new Fixture({ known: () => Promise.reject(new Error("cannot list")) });
    await expect(silentOne.peers.find("app", "ns", never)).rejects.toThrow("no app is known");
  });

  it("asks five times more, a tenth of a second apart, for an app that was there before", async () => {
    const fixture = new Fixture();
    const address = await startPeer("a");
    fixture.answers = [[address], [], [], [], [], [], [address]];
    await ask(fixture);
    const found = ask(fixture);
    await fixture.clock.advance(0);
    await fixture.clock.advance(500);
    expect(await found).toBe("a");
    fixture.answers = [[]];
    const missed = fixture.peers.find("app", "ns", never).catch((error: { reason: string }) => error.reason);
    await fixture.clock.advance(0);
    await fixture.clock.advance(500);
    expect(await missed).toBe("invokeNotResolved");
    expect(fixture.asked).toHaveLength(1 + 6 + 6);
  });

  it("stops asking when the caller leaves", async () => {
    const fixture = new Fixture();
    fixture.answers = [[await startPeer("a")], []];
    await ask(fixture);
    const caller = new AbortController();
    const finding = fixture.peers.find("app", "ns", caller.signal);
    await fixture.clock.advance(100);
    caller.abort(new Error("left"));
    await expect(finding).rejects.toThrow("left");
    expect(fixture.clock.pending).toBeLessThanOrEqual(2);
  });
});
