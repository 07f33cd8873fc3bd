import { Agent, type IncomingMessage, request } from "node:http";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { unusedPort } from "../support/fake-app.ts";
import { callHttp, type HttpReply, RawConnection } from "../support/http-call.ts";
import { component, type InProcessSidecar, startInProcess } from "../support/in-process-sidecar.ts";

/** What callers of the HTTP API see of connections, bodies and headers, beyond single requests and answers. */

let bench: InProcessSidecar;
beforeAll(async () => {
  bench = await startInProcess({ resources: { "store.yaml": component("store", "state.in-memory") } });
});
afterAll(() => bench.stop());

const limit = 4 * 1024 * 1024;
const save = (bytes: number) => {
  const [head, tail] = ['[{"key":"big","value":"', '"}]'];
  return head + "v".repeat(bytes - head.length - tail.length) + tail;
};

describe("a body", () => {
  const post = (body: string, headers: Record<string, string>) =>
    bench.http({ verb: "POST", path: "/v1.0/state/store", headers, body });
  const tooLong = {
    errorCode: "ERR_BODY_READ",
    message: `the request body cannot be read: it is larger than ${limit} bytes (--max-body-size)`,
  };

  it("of 4 MiB is taken", async () => {
    expect((await post(save(limit), {})).status).toBe(204);
    expect((await bench.http({ path: "/v1.0/state/store/big" })).bytes).toHaveLength(limit - 24);
  });

  it("beyond 4 MiB is refused by an answer that arrives", async () => {
    const reply = await post(save(2 * limit), {});
    expect([reply.status, reply.json()]).toEqual([400, tooLong]);
  });

  it("beyond 4 MiB is read to its end where the connection closes, as an answer before that would be lost", async () => {
    const [body, connection] = [save(2 * limit), new RawConnection(bench.httpPort)];
    connection.write(
      `POST /v1.0/state/store HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    // By the time that another call is answered, this one has been looked at.
    await bench.http({ path: "/v1.0/healthz/outbound" });
    expect(connection.text).toBe("");
    connection.write(body);
    expect(await connection.closed()).toContain(tooLong.message);
  });

  it("beyond 4 MiB is refused too when its length is not announced", async () => {
    const reply = await new Promise<HttpReply["status"]>((resolve, reject) => {
      const options = { port: bench.httpPort, method: "POST", path: "/v1.0/state/store", agent: false };
      const outgoing = request(options, (answer) => resolve(answer.resume().statusCode ?? 0));
      outgoing.once("error", reject);
      outgoing.write(save(limit));
      outgoing.end(save(limit));
    });
    expect(reply).toBe(400);
  });
});

describe("a connection", () => {
  it("is used again after refusals and announces no early end", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    const ask = (path: string, body?: string) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const options = { port: bench.httpPort, method: body === undefined ? "GET" : "POST", path, agent };
        const outgoing = request(options, (answer) => {
          ports.add(outgoing.socket?.localPort);
          answer.resume().once("end", () => resolve(answer));
        });
        outgoing.once("error", reject);
        outgoing.end(body);
      });
    const statuses = [
      (await ask("/v1.0/state/store", "not JSON")).statusCode,
      (await ask("/v1.0/state/store/%zz")).statusCode,
      (await ask("/v1.0/state/store", save(limit + 1))).statusCode,
      (await ask("/v1.0/state/nope/a")).statusCode,
      (await ask("/v1.0/state/store/none")).statusCode,
    ];
    expect(statuses).toEqual([400, 400, 400, 400, 204]);
    expect(ports.size).toBe(1);
    expect((await ask("/v1.0/state/store/none")).headers["keep-alive"]).toBe("timeout=3600");
    agent.destroy();
  });
});

describe("headers", () => {
  const ask = (bytes: number) =>
    bench.http({ path: "/v1.0/healthz/outbound", headers: { authorization: "t".repeat(bytes) } });

  it("that fit into the published sidecar's buffer, 4 KiB and as much again, are taken", async () => {
    expect((await ask(7000)).status).toBe(204);
  });

  it("beyond that are refused", async () => {
    expect((await ask(9000)).status).toBe(431);
  });
});

describe("the public port", () => {
  it("tells what was added to the metadata by the other one, and takes nothing itself", async () => {
    const publicPort = await unusedPort();
    const sidecar = await startInProcess({ args: ["--dapr-public-port", String(publicPort)] });
    onTestFinished(() => sidecar.stop());
    const put = { verb: "PUT", path: "/v1.0/metadata/cliPID", body: "4711" };
    expect((await callHttp(publicPort, put)).status).toBe(404);
    expect((await sidecar.http(put)).status).toBe(204);
    const { extended } = (await callHttp(publicPort, { path: "/v1.0/metadata" })).json() as { extended: object };
    expect(extended).toMatchObject({ cliPID: "4711" });
  });
});
