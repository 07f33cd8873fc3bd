import type { IncomingMessage } from "node:http";
import { describe, expect, it, onTestFinished } from "vitest";
import { openHttpTarget } from "../../../../../sidecar/app-channel/http.ts";
import { Endpoints } from "../../../../../sidecar/blocks/invoke/endpoints.ts";
import { readBody } from "../../../../../sidecar/kernel/body.ts";
import type { Components } from "../../../../../sidecar/kernel/components.ts";
import type { HttpEndpointResource, NameValuePair, ResolvePairs } from "../../../../../sidecar/kernel/config-types.ts";
import type { Exchange } from "../../../../../sidecar/kernel/exchange.ts";
import { fail } from "../../../../../specs/errors.ts";
import { authority, server } from "../../../../support/certificates.ts";
import { startHttpServer } from "../../../../support/http-server.ts";

const resource = (baseUrl: string, part: Partial<HttpEndpointResource> = {}): HttpEndpointResource => ({
  kind: "HTTPEndpoint",
  name: "github",
  scopes: [],
  source: { file: "e.yaml", line: 1 },
  baseUrl,
  headers: [],
  neededSecrets: [],
  ...part,
});
const pair = (name: string, value: string): NameValuePair => ({ name, value, line: 1 });
const secret = (name: string): NameValuePair => ({ name, secretKeyRef: { name: "s", key: "k" }, line: 1 });

const resolvePairs: ResolvePairs = (owner, pairs, readSecret) =>
  Promise.all(
    pairs.map(async ({ name, value, secretKeyRef }) => ({
      name,
      value: value ?? (secretKeyRef ? await readSecret({ store: owner.secretStore ?? "", ...secretKeyRef }) : ""),
    })),
  );

function open(resources: HttpEndpointResource[], secrets: { value?: string } = {}) {
  let opened = 0;
  const store = { get: async () => ({ k: secrets.value }) };
  const components = {
    find: (_kind: string, name: string) => {
      if (name !== "vault") return undefined;
      if (secrets.value === undefined) throw fail("componentNotReady", { name, state: "pending", why: "x" });
      return { opened: store };
    },
    names: () => ["vault"],
    // What the block asks of components is only this.
  } as unknown as Components;
  const endpoints = new Endpoints({
    resources,
    resolvePairs,
    components,
    connect(url, options) {
      opened++;
      return openHttpTarget(url, options);
    },
  });
  onTestFinished(() => endpoints.close());
  return { endpoints, opened: () => opened };
}

const exchange: Exchange = {
  verb: "GET",
  path: "a",
  query: "q=1",
  headers: { "x-own": "1", "x-set": "mine" },
  body: undefined,
  signal: new AbortController().signal,
};
const ask = async (endpoints: Endpoints, id: string) => {
  const answer = await (await endpoints.require(id)).send(exchange);
  return Buffer.from(await readBody(answer.body)).toString();
};
const echo = (request: IncomingMessage) => ({ body: JSON.stringify({ url: request.url, headers: request.headers }) });

describe("endpoints", () => {
  it("are known by the name of a resource or by URL", () => {
    const { endpoints } = open([resource("http://x")]);
    expect(["github", "other", "http://x", "https://x"].map((id) => endpoints.has(id))).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });

  it("of a resource get its headers, which win over the caller's", async () => {
    const url = await startHttpServer(echo);
    const headers = [pair("X-Set", "theirs"), { ...secret("authorization") }];
    const { endpoints } = open([resource(`${url}/base`, { headers, secretStore: "vault" })], { value: "s3cret" });
    expect(JSON.parse(await ask(endpoints, "github"))).toMatchObject({
      url: "/base/a?q=1",
      headers: { "x-own": "1", "x-set": "theirs", authorization: "s3cret" },
    });
  });

  it("of a resource are called with its certificates", async () => {
    const url = await startHttpServer(echo, { cert: server.certificate, key: server.key });
    const trusted = open([
      resource(url, { clientTls: { rootCa: pair("rootCA", authority.certificate), renegotiation: "Never" } }),
    ]);
    expect(JSON.parse(await ask(trusted.endpoints, "github"))).toMatchObject({ url: "/a?q=1" });
    await expect(ask(open([resource(url)]).endpoints, "github")).rejects.toThrow(/certificate/);
  });

  it("wait for a secret store that opens late", async () => {
    const url = await startHttpServer(echo);
    const secrets: { value?: string } = {};
    const { endpoints } = open([resource(url, { headers: [secret("x-key")], secretStore: "vault" })], secrets);
    await expect(ask(endpoints, "github")).rejects.toMatchObject({ reason: "componentNotReady" });
    secrets.value = "now";
    expect(JSON.parse(await ask(endpoints, "github")).headers["x-key"]).toBe("now");
  });

  it("say which secret store is missing", async () => {
    const { endpoints } = open([resource("http://x", { headers: [secret("x-key")], secretStore: "nowhere" })]);
    await expect(endpoints.require("github")).rejects.toThrow("configured: vault");
  });

  it("by URL keep their connections, but not for any number of hosts", async () => {
    const url = await startHttpServer(echo);
    const { endpoints, opened } = open([]);
    await ask(endpoints, url);
    await ask(endpoints, url);
    expect(opened()).toBe(1);
    for (let i = 0; i < 150; i++) await endpoints.require(`http://host-${i}`);
    expect(opened()).toBe(151);
    await ask(endpoints, url);
    expect(opened()).toBe(152);
  });

  it("are those that were declared last, and others are closed", async () => {
    const url = await startHttpServer(echo);
    const [kept, changed] = [resource(url), resource(`${url}/old`, { name: "changed" })];
    const { endpoints, opened } = open([kept, changed]);
    await ask(endpoints, "github");
    await ask(endpoints, "changed");
    endpoints.declare([kept, resource(`${url}/new`, { name: "changed" }), resource(url, { name: "more" })]);
    await ask(endpoints, "github");
    expect(opened()).toBe(2);
    expect(JSON.parse(await ask(endpoints, "changed"))).toMatchObject({ url: "/new/a?q=1" });
    expect(endpoints.has("more")).toBe(true);
    endpoints.declare([]);
    expect(endpoints.has("github")).toBe(false);
  });

  it("must be URLs", async () => {
    await expect(open([]).endpoints.require("http://")).rejects.toMatchObject({ reason: "invokeBadTarget" });
  });
});
