import { describe, expect, test } from "vitest";
import graphql from "../../components/graphql/bindings.ts";
import { startHttpServer } from "../support/http-server.ts";
import { openContext, openDriver } from "../support/open-driver.ts";

interface Seen {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

/** A server that answers what a test says and keeps what it was asked. */
async function open(answer: { readonly status?: number; readonly body: string }, settings: object = {}) {
  const seen: Seen[] = [];
  const endpoint = await startHttpServer((request, body) => {
    seen.push({ headers: request.headers, body: JSON.parse(body) });
    return answer;
  });
  const binding = await openDriver(graphql, { endpoint, ...settings }, openContext({ name: "shop" }));
  const invoke = (operation: string, metadata: Readonly<Record<string, string>>) =>
    Promise.resolve(binding.invoke?.({ operation, data: Buffer.alloc(0), metadata }, {}));
  return { seen, invoke };
}

describe("bindings.graphql", () => {
  test("asks with variables and headers, and gives the data", async () => {
    const { seen, invoke } = await open({ body: '{"data": {"order": {"id": 7}}}' }, { "header:X-Secret": "s" });
    const query = "query ($id: Int!, $name: String) { order(id: $id) { id } }";
    const answer = await invoke("query", {
      query,
      "variable:id": "7",
      "variable:name": "a chair",
      "header:X-Trace": "t",
    });
    expect(Buffer.from(answer?.data ?? []).toString()).toBe('{"order":{"id":7}}');
    expect(answer?.metadata).toEqual({ operation: "query" });
    expect(seen).toMatchObject([
      {
        headers: { "x-secret": "s", "x-trace": "t", "content-type": "application/json" },
        body: { query, variables: { id: 7, name: "a chair" } },
      },
    ]);
  });

  test("runs a mutation", async () => {
    const { seen, invoke } = await open({ body: '{"data": null}' });
    const answer = await invoke("mutation", { mutation: "mutation { pay }" });
    expect(Buffer.from(answer?.data ?? []).toString()).toBe("null");
    expect(seen).toMatchObject([{ body: { query: "mutation { pay }" } }]);
  });

  test.each([
    [{ body: '{"errors": [{"message": "no such field"}, {"message": "nor this"}]}' }, "no such field; nor this"],
    [{ status: 503, body: '{"data": {}}' }, "answers 503"],
    [{ status: 502, body: "<html>" }, "answers 502, and no JSON"],
  ])("an answer of %j is a failure", async (reply, why) => {
    const { invoke } = await open(reply);
    await expect(invoke("query", { query: "{ a }" })).rejects.toMatchObject({
      reason: "bindingFailed",
      message: expect.stringContaining(why),
    });
  });

  test("a request without its text is refused", async () => {
    const { invoke } = await open({ body: "{}" });
    await expect(invoke("mutation", { query: "{ a }" })).rejects.toMatchObject({
      message: expect.stringContaining("it is the text of the mutation"),
    });
  });

  test.each([
    [{ endpoint: "api.example.com" }, "endpoint: "],
    [{ endpoint: "http://a", headers: "x" }, "metadata headers: unknown setting"],
  ])("%j is refused", async (settings, why) => {
    const opening = openDriver(graphql, settings, openContext());
    await expect(opening).rejects.toMatchObject({ reason: "openFailed", message: expect.stringContaining(why) });
  });

  test("a server that is not there is named with its setting", async () => {
    const binding = await openDriver(graphql, { endpoint: "http://127.0.0.1:1" }, openContext());
    const request = { operation: "query", data: Buffer.alloc(0), metadata: { query: "{ a }" } };
    await expect(binding.invoke?.(request, {})).rejects.toMatchObject({
      message: expect.stringContaining("endpoint: nothing listens at 127.0.0.1:1"),
    });
  });
});
