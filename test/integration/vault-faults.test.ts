import { join } from "node:path";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import vault from "../../components/hashicorp.vault/secretstores.ts";
import { authority, client, server as serverPair } from "../support/certificates.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { startHttpServer } from "../support/http-server.ts";
import { type Given, KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { startVault } from "../support/vault.ts";

const tls = { cert: serverPair.certificate, key: serverPair.key };

async function withSecret(secure = false) {
  const server = await startVault(secure ? tls : undefined);
  const engine = await server.mount();
  await server.tell("POST", `${engine}/data/dapr/one`, { data: { v: "1" } });
  return { server, given: { vaultAddr: server.address, vaultToken: server.rootToken, enginePath: engine } };
}

const opening = async (settings: Given, message: RegExp) => {
  await expect(openDriver(vault, settings)).rejects.toMatchObject({
    reason: "openFailed",
    message: expect.stringMatching(message),
  });
};

test.each<[string, string, RegExp]>([
  ["nobody listens", "http://127.0.0.1:1", /^vaultAddr: nothing listens at 127.0.0.1:1; start the server there/],
  ["the name is unknown", "https://no-such-host.invalid", /^vaultAddr: the name in no-such-host.invalid is not known/],
  ["it is no URL", "127.0.0.1:8200", /^vaultAddr: "127.0.0.1:8200" is not a URL; write it as https:\/\//],
])("the address is named when %s", (_, vaultAddr, message) => opening({ vaultAddr, vaultToken: "t" }, message));

test("a server that is not Vault is named", async () => {
  const vaultAddr = await startHttpServer(() => ({ status: 404, body: "<html>nothing here</html>" }));
  await opening(
    { vaultAddr, vaultToken: "t" },
    /^vaultAddr: .* does not answer as Vault does \(404: <html>nothing here/,
  );
});

test("an engine that is absent, or of another version, is named", async () => {
  const { server, given } = await withSecret();
  await opening(
    { ...given, vaultKVVersion: "1" },
    /^vaultKVVersion: the engine at kv-.* is of version 2; set .* to 2$/,
  );
  const first = await server.mount("1");
  await opening({ ...given, enginePath: first }, /^vaultKVVersion: the engine at kv-.* is of version 1; set .* to 1$/);
  const store = await openDriver(vault, { ...given, enginePath: "nowhere" });
  const message = /enginePath: 127.0.0.1:\d+ has no engine at nowhere; correct it \(404: no handler for route/;
  await expect(store.get("one", {}, {})).rejects.toThrow(message);
  await expect(store.getAll({}, {})).rejects.toThrow(message);
});

test("a sealed server is named, at the start and later, and serves when it is unsealed", async ({ skip }) => {
  const { server, given } = await withSecret();
  if (!server.unsealKey) skip();
  const store = await openDriver(vault, given);
  await server.tell("PUT", "sys/seal", {});
  await expect(store.get("one", {}, {})).rejects.toMatchObject({
    reason: "backendUnavailable",
    message: expect.stringMatching(/vaultAddr: 127.0.0.1:\d+ is sealed; unseal it \(503: Vault is sealed\)/),
  });
  await expect(store.ping?.({})).rejects.toThrow(/is sealed; unseal it/);
  await opening(given, /^vaultAddr: 127.0.0.1:\d+ is sealed; unseal it/);
  await server.tell("PUT", "sys/unseal", { key: server.unsealKey });
  await expect.poll(() => store.get("one", {}, {}).catch(String)).toEqual({ v: "1" });
  await store.ping?.({});
});

test("a server that goes away is missed, and used again when it is back", async () => {
  const { server, given } = await withSecret();
  const proxy = await startTcpProxy(Number(new URL(server.address).port));
  const store = await openDriver(vault, { ...given, vaultAddr: `http://127.0.0.1:${proxy.port}` });
  expect(await store.get("one", {}, {})).toEqual({ v: "1" });
  proxy.refuse(true);
  await expect(store.get("one", {}, {})).rejects.toMatchObject({ reason: "backendUnavailable" });
  proxy.refuse(false);
  expect(await store.get("one", {}, {})).toEqual({ v: "1" });
  // The connection that is kept dies unseen.
  proxy.cut();
  expect(await store.get("one", {}, {})).toEqual({ v: "1" });
});

test("a server that says nothing holds a call up only to its deadline, or to vaultTimeout", async () => {
  const { server, given } = await withSecret();
  const proxy = await startTcpProxy(Number(new URL(server.address).port));
  const clock = new FakeClock();
  const settings = { ...given, vaultAddr: `http://127.0.0.1:${proxy.port}`, vaultTimeout: 5000 };
  const store = await openDriver(vault, settings, openContext({ clock }));
  proxy.hold(true);
  const caller = new AbortController();
  const left = store.get("one", {}, { signal: caller.signal });
  caller.abort(new Error("the caller has left"));
  await expect(left).rejects.toThrow("the caller has left");
  const late = store.get("one", {}, {});
  late.catch(() => {});
  await clock.advance(5000);
  await expect(late).rejects.toThrow(/vaultAddr: 127.0.0.1:\d+ does not answer; .*\(no answer within 5000 ms\)/);
  proxy.hold(false);
  expect(await store.get("one", {}, {})).toEqual({ v: "1" });
});

test("a certificate of one's own authority is trusted by text, by file and by folder", async () => {
  const { given } = await withSecret(true);
  const folder = tempFolder({ "ca.pem": authority.certificate });
  for (const trust of [
    { caPem: authority.certificate },
    { caCert: join(folder, "ca.pem") },
    { caPath: folder },
    { caPath: join(folder, "ca.pem") },
    { caPem: authority.certificate, caPath: "/nowhere", caCert: "/nowhere" },
    { skipVerify: true },
  ]) {
    const store = await openDriver(vault, { ...given, ...trust });
    expect(await store.get("one", {}, {})).toEqual({ v: "1" });
  }
});

test("a certificate that is not trusted, or is for another name, is named with the setting that helps", async () => {
  const { given } = await withSecret(true);
  const untrusted =
    /^caPem, caPath or caCert: the certificate of 127.0.0.1:\d+ comes from an authority that is not trusted; /;
  await opening(given, untrusted);
  await opening({ ...given, caPem: client.certificate }, untrusted);
  const other = { ...given, caPem: authority.certificate, tlsServerName: "vault.example.com" };
  await opening(other, /^tlsServerName: the certificate of .* is for another name; set tlsServerName to a name/);
  await opening({ ...given, vaultAddr: given.vaultAddr.replace("https", "http") }, /write https:\/\/ if it speaks TLS/);
});

test("settings of the authority that cannot be read are named", async () => {
  const { given } = await withSecret(true);
  await opening({ ...given, caPem: "ca.pem" }, /^caPem: holds no PEM text/);
  await opening({ ...given, caPath: "/nowhere" }, /^caPath: cannot be read \(ENOENT/);
  await opening({ ...given, caPath: tempFolder() }, /^caPath: there is no file in /);
  await opening({ ...given, caCert: "/nowhere" }, /^caCert: is neither PEM text nor a readable file \(ENOENT\)/);
});

test("plain HTTP to a server of TLS is named", async () => {
  const { given } = await withSecret();
  await opening(
    { ...given, vaultAddr: given.vaultAddr.replace("http", "https") },
    /does not speak TLS; write http:\/\//,
  );
});

test("a standby's redirect is followed with the token, but not out of TLS", async () => {
  const { server, given } = await withSecret();
  const seen: string[] = [];
  const standby = await startHttpServer(({ url = "" }) => {
    seen.push(url);
    return { status: 307, headers: { location: server.address + url } };
  });
  const store = await openDriver(vault, { ...given, vaultAddr: standby });
  expect(await store.get("one", {}, {})).toEqual({ v: "1" });
  expect(seen.length).toBeGreaterThan(2);
  const secure = await startHttpServer(
    ({ url = "" }) => ({ status: 307, headers: { location: server.address + url } }),
    tls,
  );
  const refused = /^vaultAddr: .* sends to another place; name that one \(307\)/;
  await opening({ ...given, vaultAddr: secure, caPem: authority.certificate }, refused);
});

test("the token is in no error and in no log", async () => {
  const { given } = await withSecret();
  const log = new KeptLog();
  const vaultToken = "hvs.t0pSecret";
  const opening = openDriver(vault, { ...given, vaultToken }, openContext({ log }));
  const error: unknown = await opening.catch((caught: unknown) => caught);
  expect(String(error)).toContain("vaultToken");
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("t0pSecret");
  expect(log.lines.join("\n")).not.toContain("t0pSecret");
});
