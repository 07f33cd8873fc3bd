import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HttpAsk, RawConnection } from "../support/http-call.ts";
import type { InProcessSidecar } from "../support/in-process-sidecar.ts";
import { expectAlive, expectErrorForm, startBench } from "./bad-input/bench.ts";
import { endpoints } from "./bad-input/endpoints.ts";
import { badCalls, notProtobuf, unary } from "./bad-input/grpc-requests.ts";
import {
  type BadRequest,
  badBodies,
  badEncodings,
  badFields,
  oddities,
  wrongVerbs,
} from "./bad-input/http-requests.ts";
import { abandoned, brokenHttp1, brokenHttp2, frame, http2Preface } from "./bad-input/raw-http.ts";

/** Whatever comes in over HTTP, the answer says what is wrong in the published form, and the sidecar lives on. */

let bench: InProcessSidecar;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.stop());

/** A few dozen requests are a test, so that a failure names its table and each request its line. */
async function expectRefused(requests: readonly BadRequest[]): Promise<void> {
  for (const [index, { name, ask, statuses = [400] }] of requests.entries()) {
    const reply = await bench.http(ask);
    expect.soft(statuses, `${name}: ${reply.status} ${reply.text}`).toContain(reply.status);
    if (reply.status >= 300) expectErrorForm(reply);
    if (index % 20 === 0) await expectAlive(bench);
  }
  await expectAlive(bench);
}

it("the tables hold more than three hundred requests", () => {
  const http = [badBodies, badFields, wrongVerbs, badEncodings, oddities].map((table) => table.length);
  const raw = [brokenHttp1, brokenHttp2, abandoned].map((table) => Object.keys(table).length);
  const grpc = badCalls.length + unary.length * (Object.keys(notProtobuf).length + 1);
  expect([...http, ...raw, grpc].reduce((sum, count) => sum + count)).toBeGreaterThan(1000);
});

describe("requests that ask for nonsense", () => {
  it("by a body that cannot be read are refused", () => expectRefused(badBodies));
  it("by a field of a wrong type, or without one they need, are refused", () => expectRefused(badFields));
  it("by a verb that a path does not take are refused", () => expectRefused(wrongVerbs));
  it("by a path that cannot be decoded are refused", () => expectRefused(badEncodings));
  it("in some other way are refused", () => expectRefused(oddities));

  it("are taken when they make sense", async () => {
    for (const { verb, path, good } of endpoints) {
      const reply = await bench.http({ verb, path, body: JSON.stringify(good) });
      // Some of these name keys or text that only a complete request would have.
      if (!/subtlecrypto|jobs/.test(path))
        expect([path, reply.text, reply.status < 300]).toEqual([path, reply.text, true]);
    }
  });
});

describe("requests made up at random", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("store", "k", "||", "__proto__", "constructor", "%00", "ü"),
  );
  const segment = text.map((one) => encodeURIComponent(one.toWellFormed()));
  const endpoint = fc.constantFrom(...endpoints);
  const send = async (ask: HttpAsk) => {
    const reply = await bench.http(ask);
    if (reply.status >= 300) expectErrorForm(reply);
  };
  const runs = { numRuns: 150, interruptAfterTimeLimit: 8000 };

  it("of JSON are taken or refused", async () => {
    await fc.assert(
      fc.asyncProperty(endpoint, fc.jsonValue(), ({ verb, path }, value) =>
        send({ verb, path, body: JSON.stringify(value) }),
      ),
      runs,
    );
    await expectAlive(bench);
  });

  it("of JSON with the right names and wrong values are taken or refused", async () => {
    const fields = endpoints.flatMap(({ wrong }) => Object.keys(wrong ?? {}));
    const record = fc.dictionary(fc.constantFrom(...fields, "__proto__", "value"), fc.jsonValue());
    const body = fc.oneof(record, fc.array(record));
    await fc.assert(
      fc.asyncProperty(endpoint, body, ({ verb, path }, value) => send({ verb, path, body: JSON.stringify(value) })),
      runs,
    );
    await expectAlive(bench);
  });

  it("of bytes are taken or refused", async () => {
    await fc.assert(
      fc.asyncProperty(endpoint, fc.uint8Array({ minLength: 1 }), ({ verb, path }, body) => send({ verb, path, body })),
      runs,
    );
    await expectAlive(bench);
  });

  it("of paths and queries are taken or refused", async () => {
    const root = fc.constantFrom(
      "/v1.0/state",
      "/v1.0/secrets",
      "/v1.0/configuration",
      "/v1.0/publish",
      "/v1.0/invoke",
      "/v1.0-alpha1",
      "/v1.0/actors",
      "",
    );
    const path = fc.tuple(root, fc.array(segment, { maxLength: 5 }), fc.dictionary(segment, segment, { maxKeys: 3 }));
    const verb = fc.constantFrom("GET", "POST", "PUT", "DELETE");
    await fc.assert(
      fc.asyncProperty(verb, path, (chosen, [start, segments, query]) => {
        const search = Object.entries(query).map(([key, value]) => `metadata.${key}=${value}`);
        return send({ verb: chosen, path: `${start}/${segments.join("/")}?${search.join("&")}` });
      }),
      runs,
    );
    await expectAlive(bench);
  });
});

describe("bytes that break HTTP/1.1", () => {
  it.each(Object.entries(brokenHttp1))("%s", async (_, bytes) => {
    const raw = new RawConnection(bench.httpPort).write(bytes);
    raw.socket.end();
    const answered = (await raw.closed()).match(/^HTTP\/1.1 (\d+)/gm) ?? [];
    // The last word is a refusal, or there is none and the connection is closed.
    if (answered.length > 0) expect(answered.at(-1)).toMatch(/ (400|404|413|417|431|501)$/);
    await expectAlive(bench);
  });

  it.each(Object.entries(abandoned))("a sender who leaves after %s", async (_, bytes) => {
    const raw = new RawConnection(bench.httpPort);
    await new Promise((resolve) => raw.socket.write(bytes || "\r\n", resolve));
    raw.destroy();
    await expectAlive(bench);
  });
});

describe("frames that break HTTP/2", () => {
  const settings = frame(4, 0, 0);

  it.each(Object.entries(brokenHttp2))("%s", async (_, bytes) => {
    for (const port of [bench.httpPort, bench.grpcPort]) {
      const raw = new RawConnection(port).write(http2Preface).write(settings).write(bytes);
      raw.socket.end();
      await raw.closed();
    }
    await expectAlive(bench);
  });
});
