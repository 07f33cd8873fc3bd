import { describe, expect, test } from "vitest";
import {
  type AppRequest,
  type BindingEvent,
  type ConfigurationUpdate,
  createApp,
  type JobEvent,
  reply,
} from "../../../../sdk/src/index.ts";
import { openChannel, servers, startApp } from "./start-app.ts";

const send = (url: string, method = "GET", body?: string, headers: Record<string, string> = {}) =>
  fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });

async function* pieces(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

/** What a handler gives, and the answer: status, content type and body. */
const answers: readonly [name: string, handler: () => unknown, status: number, type: string | null, body: string][] = [
  ["a JSON value", () => ({ left: 3 }), 200, "application/json", '{"left":3}'],
  ["a text", () => "three", 200, "text/plain", "three"],
  ["bytes", () => Buffer.from("raw"), 200, "application/octet-stream", "raw"],
  ["bytes piece by piece", () => pieces("a", "b"), 200, "application/octet-stream", "ab"],
  ["nothing", () => undefined, 204, null, ""],
  ["null", () => null, 200, "application/json", "null"],
  ["a reply", () => reply(201, "<p>", { "content-type": "text/html" }), 201, "text/html", "<p>"],
  ["a reply without a body", () => reply(304), 304, null, ""],
];

describe.each(servers)("a method of an app on %s", (server) => {
  test.each(answers)("answers %s", async (_, handler, status, type, body) => {
    const { url } = await startApp({ invoke: { stock: handler } }, server);
    const response = await send(`${url}/stock`);
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
      status,
      type,
      body,
    ]);
  });

  test("sees the whole request", async () => {
    const seen: unknown[] = [];
    const add = async (request: AppRequest) => {
      const { verb, path, params, callerAppId } = request;
      seen.push({ verb, path, params, callerAppId, notify: request.query.get("notify"), order: await request.json() });
    };
    const { url } = await startApp({ invoke: { "put orders/:id/*": add } }, server);
    const headers = { "dapr-caller-app-id": "shop", "content-type": "application/json" };
    const response = await send(`${url}/orders/a%2Fb/x/y?notify=1`, "PUT", '{"item":"apple"}', headers);
    expect(response.status).toBe(204);
    expect(seen).toEqual([
      {
        ...{ verb: "PUT", path: "/orders/a%2Fb/x/y", params: { id: "a/b", "*": "x/y" }, callerAppId: "shop" },
        ...{ notify: "1", order: { item: "apple" } },
      },
    ]);
  });

  test("streams a body of any length", async () => {
    const { url } = await startApp(
      { invoke: { "POST echo": ({ body }) => reply(200, body) }, maxBodyBytes: 10 },
      server,
    );
    const response = await send(`${url}/echo`, "POST", "x".repeat(100_000), { "content-type": "application/json" });
    expect((await response.text()).length).toBe(100_000);
  });

  test("answers only its verb, or any", async () => {
    const { url } = await startApp({ invoke: { "GET one": () => "1", any: ({ verb }) => verb } }, server);
    expect((await send(`${url}/one`, "POST")).status).toBe(404);
    expect(await (await send(`${url}/any`, "DELETE")).text()).toBe("DELETE");
    expect(await (await send(`${url}/any`, "PATCH", "{}")).text()).toBe("PATCH");
    expect((await send(`${url}/any`, "HEAD")).status).toBe(200);
    expect((await send(`${url}/none`)).status).toBe(404);
  });

  test("that throws answers 500, tells nothing, and is heard of", async () => {
    const errors: unknown[] = [];
    const broken = () => {
      throw new Error("password is hunter2");
    };
    const { url } = await startApp(
      { invoke: { stock: broken }, onError: (error, what) => errors.push(what, String(error)) },
      server,
    );
    const response = await send(`${url}/stock`);
    expect([response.status, await response.text()]).toEqual([500, '{"message":"the method stock failed"}']);
    expect(errors).toEqual(["the method stock", "Error: password is hunter2"]);
  });

  test("may throw its answer", async () => {
    const missing = () => {
      throw reply(404, { message: "no such order" });
    };
    const { url } = await startApp({ invoke: { "orders/:id": missing } }, server);
    expect((await send(`${url}/orders/1`)).status).toBe(404);
  });

  test("is refused without the app's token, but for the health check", async () => {
    const { url, port } = await startApp({ invoke: { stock: () => 3 }, apiToken: "secret" }, server);
    expect((await send(`${url}/stock`)).status).toBe(401);
    expect((await send(`${url}/stock`, "GET", undefined, { "dapr-api-token": "secret" })).status).toBe(200);
    expect((await send(`${url}/healthz`)).status).toBe(200);
    const { app } = await openChannel(port, "secret");
    expect(await app.subscriptions()).toEqual([]);
  });

  test("gets no body over the limit", async () => {
    const { url } = await startApp({ invoke: { "POST stock": (request) => request.text() }, maxBodyBytes: 10 }, server);
    expect(await (await send(`${url}/stock`, "POST", "ten bytes.")).text()).toBe("ten bytes.");
    expect((await send(`${url}/stock`, "POST", "eleven byte")).status).toBe(413);
    expect((await send(`${url}/stock`, "POST", "x".repeat(1_000_000))).status).toBe(413);
  });
});

test("beside a Fastify app's own routes the bodies of those are read as ever", async () => {
  const { url } = await startApp({}, "fastify");
  const response = await send(`${url}/own`, "POST", '{"a":1}', { "content-type": "application/json" });
  expect(await response.json()).toEqual({ a: 1 });
});

describe("an app", () => {
  test("takes the events of its bindings", async () => {
    const seen: unknown[] = [];
    const { port } = await startApp({
      bindings: {
        uploads: (event: BindingEvent<{ name: string }>) => {
          seen.push([event.name, event.data, event.metadata["x-size"]]);
          return { done: true };
        },
        "ticks/minute": ({ data }) => void seen.push(data),
      },
    });
    const { app } = await openChannel(port);
    expect(await app.wantsBinding("uploads", "uploads")).toBe(true);
    expect(await app.wantsBinding("other", "other")).toBe(false);
    const event = (route: string, data: string) =>
      app.bindingEvent({ name: route, route, data: Buffer.from(data), metadata: { "x-size": "3" } });
    expect(String(await event("uploads", '{"name":"a"}'))).toBe('{"done":true}');
    expect(await event("ticks/minute", "")).toBeUndefined();
    await event("ticks/minute", "no JSON");
    expect(seen).toEqual([["uploads", { name: "a" }, "3"], undefined, "no JSON"]);
  });

  test("hears of configuration changes, by store", async () => {
    const seen: ConfigurationUpdate[] = [];
    const { port } = await startApp({ configuration: { settings: (update) => void seen.push(update) } });
    const { app } = await openChannel(port);
    await app.configurationChanged("settings", "7", { "a/b": { value: "red", version: "1", metadata: {} } });
    expect(seen).toEqual([{ id: "7", items: { "a/b": { value: "red", version: "1", metadata: {} } } }]);
    await expect(
      app.configurationChanged("other", "7", { a: { value: "", version: "", metadata: {} } }),
    ).rejects.toThrow();
  });

  test("does its jobs, and has none that it does not know", async () => {
    const seen: JobEvent[] = [];
    const failing = () => {
      throw new Error("no disk");
    };
    const { url } = await startApp({ jobs: { "a b": (event) => void seen.push(event), failing }, onError: () => {} });
    expect((await send(`${url}/job/a%20b`, "POST", '{"full":true}')).status).toBe(200);
    expect(seen).toEqual([{ name: "a b", data: { full: true } }]);
    expect((await send(`${url}/job/failing`, "POST", "")).status).toBe(500);
    expect((await send(`${url}/job/toString`, "POST", "")).status).toBe(404);
  });

  test("tells whether it is healthy", async () => {
    let healthy: unknown = true;
    const { url } = await startApp({
      ...{ health: () => healthy, healthPath: "/ready" },
    });
    expect((await send(`${url}/ready`)).status).toBe(200);
    healthy = false;
    expect((await send(`${url}/ready`)).status).toBe(503);
    healthy = undefined;
    expect((await send(`${url}/ready`)).status).toBe(200);
  });

  test("is not healthy when its check throws", async () => {
    const errors: unknown[] = [];
    const health = () => Promise.reject(new Error("no database"));
    const { url } = await startApp({ health, onError: (error) => errors.push(error) });
    expect((await send(`${url}/healthz`)).status).toBe(503);
    expect(errors).toEqual([new Error("no database")]);
  });

  test("knows when a caller has gone", async () => {
    const gone = Promise.withResolvers<unknown>();
    const came = Promise.withResolvers<void>();
    const { url } = await startApp({
      invoke: {
        wait: ({ signal }) => {
          signal.addEventListener("abort", () => gone.resolve(signal.reason));
          came.resolve();
          return gone.promise;
        },
      },
    });
    const controller = new AbortController();
    const call = fetch(`${url}/wait`, { signal: controller.signal }).catch(() => {});
    await came.promise;
    controller.abort();
    await call;
    expect(await gone.promise).toEqual(new Error("the caller has gone"));
  });

  test("ends an answer that breaks", async () => {
    const errors: unknown[] = [];
    async function* broken() {
      yield Buffer.from("a");
      throw new Error("no disk");
    }
    const { url } = await startApp({ invoke: { report: broken }, onError: (error) => errors.push(error) });
    await expect(send(`${url}/report`).then((response) => response.text())).rejects.toThrow();
    expect(errors).toEqual([new Error("no disk")]);
  });

  test("closes when what is under way is answered", async () => {
    const [came, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<string>()];
    const running = await createApp({
      invoke: {
        slow: () => {
          came.resolve();
          return answer.promise;
        },
      },
    }).listen({ port: 0 });
    const call = send(`http://127.0.0.1:${running.port}/slow`);
    await came.promise;
    const closed = Promise.all([running.close(), running.close()]);
    answer.resolve("done");
    expect(await (await call).text()).toBe("done");
    await closed;
  });

  test("rejects when its port is taken", async () => {
    const { port } = await startApp({});
    await expect(createApp({}).listen({ port })).rejects.toThrow("EADDRINUSE");
  });

  test("is refused when two handlers have one path", () => {
    expect(() => createApp({ invoke: { "POST orders": () => {} }, bindings: { orders: () => {} } })).toThrow(
      "the method POST orders and the binding orders have the same path /orders; give one another",
    );
    expect(() => createApp({ invoke: { "GET a b": () => {} } })).toThrow('invoke: "GET a b" must be a path');
  });
});
