import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createClient } from "../../../sdk/src/index.ts";
import { noGrpc, noHttp, startFakeSidecar, transports } from "./fake-sidecar.ts";

const silentSidecar = () =>
  startFakeSidecar(
    () => undefined,
    () => undefined,
  );

describe.each(transports)("a call over %s", (transport) => {
  test("is given up when its time is over", async () => {
    const { client } = await silentSidecar();
    await expect(client(transport, { timeoutMs: 30 }).state("s").get("k")).rejects.toMatchObject({
      code: "deadline_exceeded",
      message: "GetState did not finish within 30 ms",
      retryable: true,
    });
    await expect(client(transport).state("s").get("k", { timeoutMs: 20 })).rejects.toMatchObject({
      code: "deadline_exceeded",
      message: "GetState did not finish within 20 ms",
    });
  });

  test("is given up when its signal is aborted", async () => {
    const came = Promise.withResolvers<void>();
    const silent = () => came.resolve();
    const { client } = await startFakeSidecar(
      () => void silent(),
      () => void silent(),
    );
    const controller = new AbortController();
    const call = client(transport).state("s").get("k", { signal: controller.signal });
    call.catch(() => {});
    await came.promise;
    controller.abort(new Error("never mind"));
    await expect(call).rejects.toMatchObject({ code: "canceled", retryable: false, cause: { message: "never mind" } });
  });

  test("is not made when its signal is aborted already", async () => {
    const { client, http, grpc } = await silentSidecar();
    const call = client(transport).state("s").get("k", { signal: AbortSignal.abort() });
    await expect(call).rejects.toMatchObject({ code: "canceled" });
    expect([...http, ...grpc]).toEqual([]);
  });

  test("carries its headers and the token", async () => {
    const sidecar = await startFakeSidecar(
      () => ({ status: 204 }),
      () => ({}),
    );
    const client = sidecar.client(transport, { apiToken: "secret" });
    await client.secrets("v").get("a", { headers: { traceparent: "00-1" } });
    const names = ["traceparent", "dapr-api-token"];
    const seen = (name: string) =>
      transport === "http" ? sidecar.http[0]?.headers[name] : sidecar.grpc[0]?.metadata.get(name)[0];
    expect(names.map(seen)).toEqual(["00-1", "secret"]);
  });

  test("rejects with unavailable when nobody answers", async () => {
    const port = await unusedPort();
    const place =
      transport === "http" ? { httpEndpoint: `http://127.0.0.1:${port}` } : { grpcEndpoint: `127.0.0.1:${port}` };
    await using client = createClient({ transport, ...place });
    await expect(client.state("s").get("k")).rejects.toMatchObject({
      code: "unavailable",
      reason: "ERR_SIDECAR_UNREACHABLE",
      retryable: true,
      message: expect.stringContaining(`127.0.0.1:${port} does not answer`),
    });
    expect(await client.sidecar.isReady()).toBe(false);
  });

  test("refuses a value that JSON cannot say, before anything is sent", async () => {
    const sidecar = await silentSidecar();
    const store = sidecar.client(transport).state("s");
    const message = 'the value of "k" for s is undefined; give null or a value that JSON can say';
    await expect(store.set("k", undefined)).rejects.toMatchObject({ code: "invalid_argument", message });
    await expect(store.set("k", 1n)).rejects.toMatchObject({ code: "invalid_argument" });
    expect([...sidecar.http, ...sidecar.grpc]).toEqual([]);
  });

  test("goes page by page over keys", async () => {
    const pages = [{ keys: ["a", "b"], cursor: "b" }, { keys: ["c"] }];
    const sidecar = await startFakeSidecar(
      () => ({ body: JSON.stringify(pages.shift()) }),
      () => pages.shift() as object,
    );
    const found: string[] = [];
    for await (const key of sidecar.client(transport).state("s").keys()) found.push(key);
    expect(found).toEqual(["a", "b", "c"]);
    if (transport === "http") expect(sidecar.http[1]?.line).toBe("GET /v1.0/state/s?cursor=b");
  });

  test("removes several keys", async () => {
    const sidecar = await startFakeSidecar(
      () => ({ status: 204 }),
      () => ({}),
    );
    await sidecar
      .client(transport)
      .state("s")
      .deleteMany(["a", { key: "b", etag: "7" }]);
    if (transport === "http") {
      expect(sidecar.http.map(({ line }) => line).sort()).toEqual(["DELETE /v1.0/state/s/a", "DELETE /v1.0/state/s/b"]);
    } else {
      expect(sidecar.grpc[0]?.message).toMatchObject({ states: [{ key: "a" }, { key: "b", etag: { value: "7" } }] });
    }
  });

  test("waits until the sidecar is ready", async () => {
    const answers = [false, false, true];
    const sidecar = await startFakeSidecar(
      () => ({ status: answers.shift() ? 204 : 500 }),
      () => ({ status: answers.shift() ? 1 : 2 }),
    );
    await sidecar.client(transport).sidecar.waitUntilReady({ intervalMs: 1 });
    expect(answers).toEqual([]);
  });

  test("waits for the sidecar no longer than it was told", async () => {
    const sidecar = await startFakeSidecar(
      () => ({ status: 500 }),
      () => ({ status: 2 }),
    );
    const wait = sidecar.client(transport).sidecar.waitUntilReady({ intervalMs: 1, timeoutMs: 20 });
    await expect(wait).rejects.toMatchObject({
      code: "deadline_exceeded",
      message: "waiting for the sidecar did not finish within 20 ms",
    });
  });

  test("takes, renews and releases a lock that waits and has a token", async () => {
    const answers = [{ success: true, fencingToken: "9" }, { success: false }, { status: 0 }];
    const sidecar = await startFakeSidecar(
      () => ({ body: JSON.stringify(answers.shift()) }),
      ({ rpc }) => {
        answers.shift();
        return { AcquireLock: { success: true, fencingToken: 9n }, RenewLock: { success: false }, UnlockAlpha1: {} }[
          rpc
        ];
      },
    );
    {
      await using lock = await sidecar.client(transport).locks("l").acquire("r", { expirySeconds: 5, waitSeconds: 2 });
      expect(lock?.fencingToken).toBe(9n);
      expect(await lock?.renew()).toBe(false);
    }
    expect(answers).toEqual([]);
    if (transport === "http") {
      const lines = sidecar.http.map(({ line }) => line);
      const at = "POST /v1.0-alpha1";
      expect(lines).toEqual([`${at}/lock/l/acquire`, `${at}/lock/l/renew`, `${at}/unlock/l`]);
    } else {
      expect(sidecar.grpc[0]?.message).toMatchObject({ resourceId: "r", expiryInSeconds: 5, waitInSeconds: 2 });
    }
  });
});

describe("over HTTP", () => {
  test("bytes that are no JSON are refused with a way out", async () => {
    const { client } = await silentSidecar();
    await expect(
      client("http")
        .state("s")
        .set("k", new Uint8Array([1, 2])),
    ).rejects.toMatchObject({
      code: "unimplemented",
      message: expect.stringContaining('need a client with transport "grpc"'),
    });
  });

  test("what has no form goes to gRPC when an endpoint is given", async () => {
    const sidecar = await startFakeSidecar(noHttp, () => ({ jobs: [{ name: "a", schedule: "@daily" }] }));
    const client = sidecar.client("http", { grpcEndpoint: sidecar.grpcEndpoint });
    expect(await client.jobs.list()).toEqual([{ name: "a", schedule: "@daily" }]);
    await client.jobs.deleteByPrefix("a");
    expect(sidecar.grpc.map(({ rpc }) => rpc)).toEqual(["ListJobs", "DeleteJobsByPrefix"]);
  });

  test("what has no form is refused with a way out when there is no gRPC endpoint", async () => {
    const { client } = await startFakeSidecar(noHttp, noGrpc);
    await expect(client("http").jobs.list()).rejects.toMatchObject({
      code: "unimplemented",
      message: expect.stringContaining("give grpcEndpoint"),
    });
  });

  test("a header that HTTP cannot carry is an invalid argument", async () => {
    const { client } = await silentSidecar();
    const call = client("http").state("s").delete("k", { etag: "a\nb" });
    await expect(call).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("a kept connection that the server has just closed does not fail a read", async () => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests++;
      // The second request on a connection finds it cut.
      if (requests === 2) response.destroy();
      else response.end("1");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => server.closeAllConnections());
    const { port } = server.address() as AddressInfo;
    await using client = createClient({ httpEndpoint: `127.0.0.1:${port}` });
    expect((await client.state("s").get("k"))?.value).toBe(1);
    expect((await client.state("s").get("k"))?.value).toBe(1);
    expect(requests).toBe(3);
    server.close();
  });

  test("a base path goes before every path", async () => {
    const sidecar = await startFakeSidecar(() => ({ status: 204 }), noGrpc);
    const client = sidecar.client("http", { httpEndpoint: `${sidecar.httpEndpoint}/mesh/` });
    await client.state("s").get("k");
    expect(sidecar.http[0]?.line).toBe("GET /mesh/v1.0/state/s/k");
  });

  test("an app is told of configuration changes", async () => {
    const sidecar = await startFakeSidecar(() => ({ body: '{"id":"7"}' }), noGrpc);
    const id = await sidecar
      .client("http")
      .configuration("c")
      .notifyApp(["a"], { metadata: { n: "1" } });
    expect(id).toBe("7");
    expect(sidecar.http[0]?.line).toBe("GET /v1.0/configuration/c/subscribe?key=a&metadata.n=1");
  });
});

test("over gRPC an app is not told of configuration changes", async () => {
  const { client } = await silentSidecar();
  await expect(client("grpc").configuration("c").notifyApp()).rejects.toMatchObject({ code: "unimplemented" });
});

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
