import { describe, expect, it } from "vitest";
import type { Destination } from "../../../../../sidecar/blocks/invoke/destinations.ts";
import { callGrpc } from "../../../../../sidecar/blocks/invoke/grpc-call.ts";
import type { GrpcTarget, RawAnswer, RawCall, RawStatus } from "../../../../../sidecar/kernel/exchange.ts";
import type { Policies } from "../../../../../sidecar/kernel/policy.ts";
import { endedAnswer, laterAnswer } from "../../../../../sidecar/kernel/status.ts";
import { fail } from "../../../../../specs/errors.ts";
import { appPolicies } from "../../../../support/app-policies.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";
import { Feed, rawCall, whole } from "../../../../support/raw-calls.ts";

const ok: RawStatus = { code: 0, details: "", metadata: {} };
const lost: RawStatus = { code: 14, details: "lost", metadata: {}, unreached: true };
const unavailable: RawStatus = { code: 14, details: "the app says so", metadata: { "x-own": "1" } };

async function* messages(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
const answered = (texts: string[], status = ok): RawAnswer => ({
  metadata: Promise.resolve({ "x-initial": "i" }),
  messages: messages(...texts),
  status: Promise.resolve(status),
});

class Fixture {
  readonly clock = new FakeClock();
  readonly received: string[][] = [];
  answers: (RawAnswer | Error)[] = [];
  readonly destination: Destination;

  constructor(policies: (clock: FakeClock) => Policies = appPolicies, part: Partial<Destination> = {}) {
    const all = policies(this.clock);
    const own = all.app("shop");
    this.destination = {
      id: "shop",
      appId: "shop",
      remote: true,
      policy: own ?? all.builtIn("DaprBuiltInServiceRetries"),
      builtIn: own === undefined,
      http: () => Promise.reject(new Error("not HTTP")),
      grpc: async (): Promise<GrpcTarget> => ({ call: (call) => this.#call(call) }),
      ...part,
    };
  }

  async outcome(call: RawCall, maxBytes = 100) {
    let outcome: Awaited<ReturnType<typeof whole>> | undefined;
    void whole(callGrpc(this.destination, call, maxBytes)).then((found) => {
      outcome = found;
    });
    for (let i = 0; i < 20 && !outcome; i++) await this.clock.advance(500);
    return outcome;
  }

  #call(call: RawCall): RawAnswer {
    const seen: string[] = [];
    this.received.push(seen);
    const answer = (this.answers.length > 1 ? this.answers.shift() : this.answers[0]) as RawAnswer | Error;
    if (answer instanceof Error) throw answer;
    // Reads the messages before it answers, as most apps do.
    const read = (async () => {
      for await (const message of call.messages) seen.push(Buffer.from(message).toString());
    })();
    return laterAnswer(read.then(() => answer));
  }
}

describe("a gRPC call to another app", () => {
  it("is made again with all its messages when it is lost before it is answered", async () => {
    const fixture = new Fixture();
    fixture.answers = [
      endedAnswer(lost),
      fail("peerUnreachable", { id: "shop", address: "a", cause: "x" }),
      answered(["done"]),
    ];
    const outcome = await fixture.outcome(rawCall("/s/M", ["a", "b"]));
    expect(outcome).toMatchObject({ metadata: { "x-initial": "i" }, messages: ["done"], status: ok });
    expect(fixture.received).toEqual([["a", "b"], [], ["a", "b"]]);
  });

  it("ends with the last status when it is lost each time", async () => {
    const fixture = new Fixture();
    fixture.answers = [endedAnswer(lost)];
    expect((await fixture.outcome(rawCall("/s/M", ["a"])))?.status).toMatchObject({ code: 14, details: "lost" });
    expect(fixture.received).toHaveLength(4);
  });

  it("is not made again for the app's own status", async () => {
    const fixture = new Fixture();
    fixture.answers = [endedAnswer(unavailable)];
    expect((await fixture.outcome(rawCall("/s/M", ["a"])))?.status).toEqual(unavailable);
    expect(fixture.received).toHaveLength(1);
  });

  it("is not made again once something was answered", async () => {
    const fixture = new Fixture();
    fixture.answers = [answered(["first"], lost)];
    expect(await fixture.outcome(rawCall("/s/M", ["a"]))).toMatchObject({ messages: ["first"], status: { code: 14 } });
    expect(fixture.received).toHaveLength(1);
  });

  it("is not made again when it says that it is a stream, or has said more than may be kept", async () => {
    for (const [metadata, max] of [
      [{ "dapr-stream": "true" }, 100],
      [{}, 1],
    ] as const) {
      const fixture = new Fixture();
      fixture.answers = [endedAnswer(lost)];
      expect((await fixture.outcome(rawCall("/s/M", ["ab", "c"], { metadata }), max))?.status.code).toBe(14);
      expect(fixture.received).toHaveLength(1);
    }
  });

  it("is made again for the app's own status under a policy of the user that names it", async () => {
    const policies = (clock: FakeClock) =>
      appPolicies(clock, "shop", { retry: { maxRetries: 2, grpcStatusCodes: [{ from: 14, to: 14 }] } });
    const fixture = new Fixture(policies);
    fixture.answers = [endedAnswer(unavailable), answered(["done"])];
    expect((await fixture.outcome(rawCall("/s/M", ["a"])))?.messages).toEqual(["done"]);
    const other = new Fixture(policies);
    other.answers = [endedAnswer({ ...unavailable, code: 5 })];
    expect((await other.outcome(rawCall("/s/M", ["a"])))?.status.code).toBe(5);
    expect(other.received).toHaveLength(1);
  });

  it("begins before its caller has said everything", async () => {
    const feed = new Feed();
    const echoing: GrpcTarget = {
      call: (call) => ({
        metadata: Promise.resolve({}),
        messages: call.messages,
        status: Promise.withResolvers<RawStatus>().promise,
      }),
    };
    const fixture = new Fixture(appPolicies, { grpc: async () => echoing });
    const reader = callGrpc(fixture.destination, rawCall("/s/M", feed), 100).messages[Symbol.asyncIterator]();
    for (const word of ["one", "two"]) {
      feed.push(word);
      expect(Buffer.from((await reader.next()).value as Uint8Array).toString()).toBe(word);
    }
  });

  it("ends with the reason's status when its app cannot be found", async () => {
    const grpc = () => Promise.reject(fail("invokeNotResolved", { id: "shop", known: "" }));
    const fixture = new Fixture(appPolicies, { grpc });
    expect((await fixture.outcome(rawCall("/s/M", ["a"])))?.status).toMatchObject({
      code: 13,
      details: expect.stringContaining("no running app"),
    });
  });
});
