import { expect, test } from "vitest";
import vault from "../../components/hashicorp.vault/secretstores.ts";
import { type Given, openDriver } from "../support/open-driver.ts";
import { startVault, type TestVault } from "../support/vault.ts";

type Secrets = Readonly<Record<string, object>>;

/** A store over an engine that holds `secrets` below the prefix `dapr`. */
async function opened(secrets: Secrets, settings: Given = {}, version: "1" | "2" = "2") {
  const server = await startVault();
  const engine = await server.mount(version);
  const put = (name: string, data: object, prefix = "dapr/") => putSecret(server, engine, version, prefix + name, data);
  for (const [name, data] of Object.entries(secrets)) await put(name, data);
  const { address: vaultAddr, rootToken: vaultToken } = server;
  const given = { vaultAddr, vaultToken, enginePath: engine, vaultKVVersion: version, ...settings };
  return { server, engine, put, given, store: await openDriver(vault, given) };
}

const putSecret = (server: TestVault, engine: string, version: string, name: string, data: object) => {
  const path = name.split("/").map(encodeURIComponent).join("/");
  return server.tell("POST", `${engine}/${version === "2" ? "data/" : ""}${path}`, version === "2" ? { data } : data);
};

test("a secret has several values, and those that are no text come as JSON", async () => {
  const { store } = await opened({ db: { user: "a", port: 5432, flags: { tls: true }, none: null } });
  expect(await store.get("db", {}, {})).toEqual({ user: "a", port: "5432", flags: '{"tls":true}', none: "null" });
});

test("as text a secret is one JSON value under its own name, alone and among all", async () => {
  const { store } = await opened({ db: { user: "a", port: 5432 } }, { vaultValueType: "text" });
  const { db = "" } = await store.get("db", {}, {});
  expect(JSON.parse(db)).toEqual({ user: "a", port: 5432 });
  expect(await store.getAll({}, {})).toEqual({ db: { db } });
});

test("an older version is read by its number", async () => {
  const { store, put } = await opened({ key: { value: "old" } });
  await put("key", { value: "new" });
  expect(await store.get("key", {}, {})).toEqual({ value: "new" });
  expect(await store.get("key", { version_id: "1" }, {})).toEqual({ value: "old" });
  await expect(store.get("key", { version_id: "7" }, {})).rejects.toMatchObject({ reason: "secretNotFound" });
  await expect(store.get("key", { version_id: "first" }, {})).rejects.toThrow(
    /^metadata version_id: must be the number/,
  );
});

test("a deleted secret is not found, and is not among all", async () => {
  const { store, server, engine } = await opened({ gone: { value: "1" }, here: { value: "2" } });
  await server.tell("DELETE", `${engine}/data/dapr/gone`);
  await expect(store.get("gone", {}, {})).rejects.toMatchObject({ reason: "secretNotFound", params: { name: "gone" } });
  expect(await store.getAll({}, {})).toEqual({ here: { value: "2" } });
});

test("all secrets are those of the whole tree below the prefix, by their paths from there", async () => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`many/${i}`, { n: String(i) }]));
  const { store, put } = await opened({ top: { a: "1" }, "top/below": { b: "2" }, "x/y/z": { c: "3" }, ...many });
  await put("outside", { d: "4" }, "");
  const all = await store.getAll({}, {});
  expect(all).toMatchObject({ top: { a: "1" }, "top/below": { b: "2" }, "x/y/z": { c: "3" } });
  expect(Object.keys(all)).toHaveLength(33);
});

test("a store without secrets has none", async () => {
  const { store } = await opened({});
  expect(await store.getAll({}, {})).toEqual({});
});

test("the prefix is chosen or left out", async () => {
  const { engine, put, given } = await opened({ one: { v: "dapr" } });
  await put("one", { v: "team" }, "team/a/");
  await put("one", { v: "bare" }, "");
  const read = async (settings: Given) => (await openDriver(vault, { ...given, ...settings })).get("one", {}, {});
  expect(await read({ vaultKVPrefix: "/team/a/" })).toEqual({ v: "team" });
  expect(await read({ vaultKVUsePrefix: false, enginePath: `/${engine}/` })).toEqual({ v: "bare" });
});

test("names hold blanks, quotes and letters of any alphabet", async () => {
  const names = ["with blank", 'a "quote"', "100% ?#&", "ключ", "глубоко/внутри"];
  const { store } = await opened(Object.fromEntries(names.map((name) => [name, { v: name }])));
  for (const name of names) expect(await store.get(name, {}, {})).toEqual({ v: name });
  expect(Object.keys(await store.getAll({}, {})).sort()).toEqual(names.sort());
});

test.each(["../outside", "a/../../outside", "./one", "one/", "/one", ""])(
  "the name %j does not lead out of the prefix",
  async (name) => {
    const { store, put } = await opened({ one: { v: "1" } });
    await put("outside", { v: "secret" }, "");
    await expect(store.get(name, {}, {})).rejects.toMatchObject({ reason: "secretNotFound" });
  },
);

test("an engine of version 1 keeps secrets without versions", async () => {
  const { store } = await opened({ one: { v: "1" }, "two/three": { v: "2" } }, {}, "1");
  expect(await store.get("one", {}, {})).toEqual({ v: "1" });
  expect(await store.getAll({}, {})).toEqual({ one: { v: "1" }, "two/three": { v: "2" } });
});

test("what the token may not see is left out of all, and named when it is asked for", async () => {
  const { server, engine, given } = await opened({ mine: { v: "1" }, theirs: { v: "2" }, "hidden/x": { v: "3" } });
  const token = await server.token({
    [`${engine}/metadata/dapr/`]: ["list"],
    [`${engine}/data/dapr/mine`]: ["read"],
    [`${engine}/data/dapr/absent`]: ["read"],
  });
  const store = await openDriver(vault, { ...given, vaultToken: token });
  expect(await store.getAll({}, {})).toEqual({ mine: { v: "1" } });
  await expect(store.get("absent", {}, {})).rejects.toMatchObject({ reason: "secretNotFound" });
  await expect(store.get("theirs", {}, {})).rejects.toThrow(
    `vaultToken: no policy of the token gives read on ${engine}/data/dapr/theirs; add it to one (403: `,
  );
});

test("all secrets of a token that may not list are refused, with what is missing", async () => {
  const { server, engine, given } = await opened({ mine: { v: "1" } });
  const token = await server.token({ [`${engine}/data/dapr/mine`]: ["read"] });
  const store = await openDriver(vault, { ...given, vaultToken: token });
  await expect(store.getAll({}, {})).rejects.toThrow(`gives list on ${engine}/metadata/dapr/; add it to one (403: `);
});
