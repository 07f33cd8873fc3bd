import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { startHttpApp } from "../support/fake-app.ts";
import { type Language, makeExample, requireExample } from "../support/pluggable.ts";
import { type RunningSidecar, startSidecar } from "../support/sidecar.ts";

const examples = resolve(import.meta.dirname, "../../examples");
const componentsOf = (language: Language) =>
  readFileSync(join(examples, `pluggable-${language}/components/memory.yaml`), "utf8");

const call = async ({ url }: RunningSidecar, method: string, path: string, body?: unknown) => {
  const answer = await fetch(`${url}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    body: text === "" ? undefined : (JSON.parse(text) as unknown),
    headers: answer.headers,
  };
};

/** An app that takes the events of the pubsub and of the binding and keeps them. */
async function startApp() {
  const events: unknown[] = [];
  const app = await startHttpApp((request, response) => {
    response.setHeader("content-type", "application/json");
    if (request.url === "/dapr/subscribe") {
      return response.end(JSON.stringify([{ pubsubname: "pubsub", topic: "orders", route: "/orders" }]));
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      if (request.method === "POST" && text !== "") events.push([request.url, JSON.parse(text)]);
      response.end("{}");
    });
    return undefined;
  });
  return { app, events };
}

const languages: readonly Language[] = ["python", "go"];
for (const language of languages) {
  const isMissing = !(await requireExample(language));
  describe.skipIf(isMissing)(`a sidecar with components in ${language}`, () => {
    test("offers all its APIs over them, and goes on when their process has restarted", async () => {
      const example = await makeExample(language);
      const { app, events } = await startApp();
      // It comes while the sidecar waits for it.
      const coming = new Promise((done) => setTimeout(done, 1500)).then(() => example.start());
      await using sidecar = await startSidecar({
        appId: "shop",
        appPort: app.port,
        resources: { "memory.yaml": componentsOf(language) },
        args: ["--embedded=false"],
        env: { DAPR_COMPONENTS_SOCKETS_FOLDER: example.folder },
      });
      await coming;
      expect(sidecar.output()).toContain(`waiting for memory-${language}.sock in ${example.folder}`);

      const saved = await call(sidecar, "POST", "/v1.0/state/statestore", [
        { key: "a", value: { n: 1 }, metadata: { ttlInSeconds: "60" } },
      ]);
      expect(saved.status).toBe(204);
      const read = await call(sidecar, "GET", "/v1.0/state/statestore/a");
      expect([read.body, read.headers.get("etag")]).toEqual([{ n: 1 }, "1"]);
      const stale = await call(sidecar, "POST", "/v1.0/state/statestore", [{ key: "a", value: 2, etag: "77" }]);
      expect(stale).toMatchObject({ status: 409, body: { errorCode: "ERR_STATE_SAVE" } });
      const foreign = await call(sidecar, "POST", "/v1.0/state/statestore", [{ key: "a", value: 2, etag: "x" }]);
      expect(foreign.status).toBe(400);
      const operations = [
        { operation: "upsert", request: { key: "b", value: { n: 2 } } },
        { operation: "delete", request: { key: "a" } },
      ];
      expect((await call(sidecar, "POST", "/v1.0/state/statestore/transaction", { operations })).status).toBe(204);
      const found = await call(sidecar, "POST", "/v1.0-alpha1/state/statestore/query", { filter: { EQ: { n: 2 } } });
      expect(found.body).toMatchObject({ results: [{ key: "b", data: { n: 2 } }] });
      expect((await call(sidecar, "GET", "/v1.0/secrets/secretstore/db")).body).toEqual({
        user: "me",
        password: "hunter2",
      });
      const event = { operation: "create", data: "hello", metadata: {} };
      expect((await call(sidecar, "POST", "/v1.0/bindings/queue", event)).status).toBe(204);
      await expect.poll(() => events).toContainEqual(["/queue", "hello"]);
      const levitate = await call(sidecar, "POST", "/v1.0/bindings/queue", { ...event, operation: "levitate" });
      expect(JSON.stringify(levitate.body)).toContain("it offers create, length");
      expect((await call(sidecar, "POST", "/v1.0/publish/pubsub/orders", { id: 1 })).status).toBe(204);
      await expect.poll(() => events).toContainEqual(["/orders", expect.objectContaining({ data: { id: 1 } })]);
      const { body } = await call(sidecar, "GET", "/v1.0/metadata");
      const { components } = body as { components: { name: string; type: string; capabilities: string[] }[] };
      expect(components.find(({ name }) => name === "statestore")).toEqual({
        name: "statestore",
        type: `state.memory-${language}`,
        version: "v1",
        capabilities: expect.arrayContaining(["ETAG", "TRANSACTIONAL", "TTL", "QUERY_API"]),
      });

      await example.kill9();
      await example.start();
      await expect
        .poll(async () => {
          await call(sidecar, "POST", "/v1.0/publish/pubsub/orders", { id: 2 });
          return events;
        })
        .toContainEqual(["/orders", expect.objectContaining({ data: { id: 2 } })]);
      expect((await call(sidecar, "POST", "/v1.0/bindings/queue", { ...event, data: "again" })).status).toBe(204);
      await expect.poll(() => events).toContainEqual(["/queue", "again"]);
      expect((await call(sidecar, "GET", "/v1.0/secrets/secretstore/db")).status).toBe(200);
      expect(sidecar.output()).not.toContain("hunter2");
      expect(await sidecar.stop()).toBe(0);
    });

    test("ends with what is missing when its process does not come", async () => {
      const example = await makeExample(language);
      const starting = startSidecar({
        appId: "shop",
        resources: {
          "memory.yaml": componentsOf(language).replaceAll("version: v1\n", "version: v1\n  initTimeout: 1s\n"),
        },
        env: { DAPR_COMPONENT_SOCKETS_FOLDER: example.folder },
      });
      await expect(starting).rejects.toThrow(
        `no socket memory-${language}.sock came to ${example.folder} within 1000 ms; sockets there: none`,
      );
    });
  });
}
