import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { Destination } from "../../../../../sidecar/blocks/invoke/destinations.ts";
import { callHttp } from "../../../../../sidecar/blocks/invoke/http-call.ts";
import { asStream, readBody } from "../../../../../sidecar/kernel/body.ts";
import type { Answer, Exchange } from "../../../../../sidecar/kernel/exchange.ts";
import type { Policies } from "../../../../../sidecar/kernel/policy.ts";
import { fail, MechaError } from "../../../../../specs/errors.ts";
import { appPolicies } from "../../../../support/app-policies.ts";
import { FakeClock } from "../../../../support/fake-clock.ts";

class Fixture {
  readonly clock = new FakeClock();
  readonly sent: { readonly body: unknown; readonly text: string }[] = [];
  readonly bodies: Readable[] = [];
  answerBytes = 0;
  outcomes: (number | Error | "hang")[] = [200];
  readonly #destination: Destination;

  constructor(policies: (clock: FakeClock) => Policies = appPolicies, builtIn = true) {
    const all = policies(this.clock);
    const policy = builtIn ? all.builtIn("DaprBuiltInServiceRetries") : all.app("shop");
    this.#destination = {
      id: "shop",
      appId: "shop",
      remote: true,
      policy,
      builtIn,
      http: async () => ({ send: (exchange) => this.#send(exchange) }),
      grpc: () => Promise.reject(new Error("not gRPC")),
    };
  }

  call(part: Partial<Exchange> = {}): Promise<Answer> {
    const exchange = {
      verb: "POST",
      path: "x",
      query: "",
      headers: {},
      body: undefined,
      signal: new AbortController().signal,
      ...part,
    };
    return callHttp(this.#destination, exchange);
  }

  /** What a call comes to; the clock runs meanwhile. */
  async outcome(part: Partial<Exchange> = {}): Promise<string> {
    let outcome: string | undefined;
    this.call(part).then(
      (answer) => {
        outcome = String(answer.status);
        answer.body.resume();
      },
      (error: unknown) => {
        outcome = error instanceof MechaError ? error.reason : String(error);
      },
    );
    for (let i = 0; i < 20 && outcome === undefined; i++) await this.clock.advance(500);
    return outcome ?? "pending";
  }

  async #send({ body, signal }: Exchange): Promise<Answer> {
    this.sent.push({ body, text: Buffer.from(await readBody(body)).toString() });
    const outcome = (this.outcomes.length > 1 ? this.outcomes.shift() : this.outcomes[0]) ?? 200;
    if (outcome === "hang")
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    if (outcome instanceof Error) throw outcome;
    const answer = asStream(Buffer.from(`answer ${this.sent.length}`.padEnd(this.answerBytes)));
    this.bodies.push(answer);
    return { status: outcome, headers: {}, body: answer };
  }
}

const lost = () => fail("peerUnreachable", { id: "shop", address: "a", cause: "refused" });
const stream = (text: string) => Readable.from([Buffer.from(text)], { objectMode: false });
const known = (text: string) => ({ body: stream(text), headers: { "content-length": String(text.length) } });

describe("a call without a policy of the user", () => {
  it("is made three times more, a second apart, when it is lost on the way", async () => {
    const fixture = new Fixture();
    fixture.outcomes = [lost()];
    const started = fixture.clock.now();
    expect(await fixture.outcome(known("body"))).toBe("peerUnreachable");
    expect(fixture.sent.map(({ text }) => text)).toEqual(["body", "body", "body", "body"]);
    expect(fixture.clock.now() - started).toBeGreaterThanOrEqual(3000);
  });

  it("is not made again for any answer, nor for a failure of the callee's", async () => {
    for (const outcome of [
      500,
      503,
      fail("appUnhealthy", {}),
      fail("invokeDenied", { id: "me", operation: "/" }),
      fail("appUnreachable", { cause: "x" }),
    ]) {
      const fixture = new Fixture();
      fixture.outcomes = [outcome];
      await fixture.outcome();
      expect(fixture.sent, String(outcome)).toHaveLength(1);
    }
  });

  it("is not made again when its body is a stream or too large to be kept", async () => {
    for (const part of [{ body: stream("body") }, known("x".repeat((4 << 20) + 1))]) {
      const fixture = new Fixture();
      fixture.outcomes = [lost()];
      expect(await fixture.outcome(part)).toBe("peerUnreachable");
      expect(fixture.sent).toHaveLength(1);
      expect(fixture.sent[0]?.body).toBeInstanceOf(Readable);
    }
  });

  it("may have no body at all", async () => {
    const fixture = new Fixture();
    fixture.outcomes = [lost(), 200];
    expect(await fixture.outcome()).toBe("200");
    expect(fixture.sent.map(({ body }) => body)).toEqual([undefined, undefined]);
  });
});

describe("a call under a policy of the user", () => {
  const withRetry = (clock: FakeClock) => appPolicies(clock, "shop", { retry: { maxRetries: 2 } });

  it("is made again for refusing statuses, and the last answer is the answer", async () => {
    const fixture = new Fixture(withRetry, false);
    fixture.outcomes = [500, 404, 503];
    const answer = fixture.call(known("body"));
    await fixture.clock.advance(0);
    for (let i = 0; i < 6; i++) await fixture.clock.advance(1000);
    const { status, body } = await answer;
    expect([status, Buffer.from(await readBody(body)).toString()]).toEqual([503, "answer 3"]);
    expect(fixture.sent).toHaveLength(3);
    expect(fixture.bodies.slice(0, 2).every((one) => one.destroyed)).toBe(true);
  });

  it.each([200, 204, 302, 399])("is not made again for %i", async (status) => {
    const fixture = new Fixture(withRetry, false);
    fixture.outcomes = [status];
    expect(await fixture.outcome()).toBe(String(status));
    expect(fixture.sent).toHaveLength(1);
  });

  it("is made again only for the statuses that the policy names", async () => {
    const fixture = new Fixture(
      (clock) => appPolicies(clock, "shop", { retry: { maxRetries: 2, httpStatusCodes: [{ from: 500, to: 599 }] } }),
      false,
    );
    fixture.outcomes = [404];
    expect(await fixture.outcome()).toBe("404");
    expect(fixture.sent).toHaveLength(1);
  });

  it("answers a refusing status at once when the body cannot be sent again", async () => {
    const fixture = new Fixture(withRetry, false);
    fixture.outcomes = [500];
    expect(await fixture.outcome({ body: stream("x") })).toBe("500");
    expect(fixture.sent).toHaveLength(1);
  });

  it("passes a refusing answer through that is too long to be kept", async () => {
    const fixture = new Fixture(withRetry, false);
    fixture.outcomes = [500];
    fixture.answerBytes = 5 << 20;
    const answer = fixture.call();
    await fixture.clock.advance(0);
    for (let i = 0; i < 6; i++) await fixture.clock.advance(1000);
    expect((await readBody((await answer).body)).byteLength).toBe(5 << 20);
    expect(fixture.sent).toHaveLength(3);
  });

  it("gives up when its timeout has passed", async () => {
    const fixture = new Fixture((clock) => appPolicies(clock, "shop", { timeoutMs: 1000 }), false);
    fixture.outcomes = ["hang"];
    expect(await fixture.outcome()).toBe("invokeFailed");
  });
});

describe("a call that fails", () => {
  it("keeps the reasons of invocation and names the app for all others", async () => {
    const cases: [Error, string][] = [
      [fail("invokeNotResolved", { id: "shop", known: "" }), "invokeNotResolved"],
      [fail("badRequest", { why: "header" }), "badRequest"],
      [fail("appChannelMissing", {}), "invokeFailed"],
      [fail("circuitOpen", { target: "app shop" }), "invokeFailed"],
      [new Error("boom"), "invokeFailed"],
    ];
    for (const [error, reason] of cases) {
      const fixture = new Fixture();
      fixture.outcomes = [error];
      expect(await fixture.outcome()).toBe(reason);
    }
  });

  it("is cancelled when its caller leaves, also between attempts", async () => {
    const fixture = new Fixture();
    fixture.outcomes = [lost()];
    const caller = new AbortController();
    const calling = fixture.call({ signal: caller.signal }).catch((error: MechaError) => error.reason);
    await fixture.clock.advance(500);
    caller.abort();
    expect(await calling).toBe("canceled");
    expect(fixture.sent).toHaveLength(1);
  });

  it("says so when the caller's body breaks off", async () => {
    const fixture = new Fixture();
    const body = new PassThrough();
    const calling = fixture.call({ body, headers: { "content-length": "10" } });
    body.write("half");
    body.destroy();
    await expect(calling).rejects.toMatchObject({ reason: "bodyUnreadable" });
    expect(fixture.sent).toHaveLength(0);
  });
});
