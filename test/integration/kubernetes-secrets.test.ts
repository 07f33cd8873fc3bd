import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import kubernetes from "../../components/kubernetes/secretstores.ts";
import { authority, client } from "../support/certificates.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { startKubernetes } from "../support/kubernetes-api.ts";
import { type Given, KeptLog, openContext, openDriver } from "../support/open-driver.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { tempFolder } from "../support/temp-folder.ts";

const data = (values: Readonly<Record<string, string>>) => ({
  data: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString("base64")])),
});

/** A store of a cluster whose namespace `default` holds the secret `db`. */
async function withSecret(user?: object, server?: object) {
  const found = await startKubernetes();
  found.cluster.put("secrets", "default", "db", data({ user: "a", password: "hunter2" }));
  const kubeconfigPath = join(tempFolder({ config: found.kubeconfig(user, server) }), "config");
  return { ...found, given: { kubeconfigPath } };
}

const opening = async (settings: Given, message: RegExp) => {
  await expect(openDriver(kubernetes, settings)).rejects.toMatchObject({
    reason: "openFailed",
    message: expect.stringMatching(message),
  });
};
const values = { user: "a", password: "hunter2" };

test("a secret has all its values, and one without any has none", async () => {
  const { cluster, given } = await withSecret();
  cluster.put("secrets", "default", "bare", {});
  const store = await openDriver(kubernetes, given);
  expect(await store.get("db", {}, {})).toEqual(values);
  expect(await store.get("bare", {}, {})).toEqual({});
});

test("the namespace is that of the request, of the component, or of the sidecar", async () => {
  const { cluster, given } = await withSecret();
  cluster.put("secrets", "team", "db", data({ of: "team" }));
  cluster.put("secrets", "other", "db", data({ of: "other" }));
  const store = await openDriver(kubernetes, { ...given, defaultNamespace: "team" });
  expect(await store.get("db", {}, {})).toEqual({ of: "team" });
  expect(await store.get("db", { namespace: "other" }, {})).toEqual({ of: "other" });
  expect(await store.getAll({ namespace: "other" }, {})).toEqual({ db: { of: "other" } });
  const own = await openDriver(kubernetes, given, openContext({ namespace: "other" }));
  expect(await own.get("db", {}, {})).toEqual({ of: "other" });
  await expect(store.get("db", { namespace: "../kube-system" }, {})).rejects.toThrow(
    /^metadata namespace: "..\/kube-system" is no namespace/,
  );
});

test.each(["absent", "..", "../db", "a/b", "DB", "db?x=1", "%2e%2e", ""])(
  "the name %j is not found and leads nowhere else",
  async (name) => {
    const { given } = await withSecret();
    const store = await openDriver(kubernetes, given);
    await expect(store.get(name, {}, {})).rejects.toMatchObject({ reason: "secretNotFound", params: { name } });
  },
);

test("all secrets are read in pages, again from the start when the list has become too old", async () => {
  const { cluster, given } = await withSecret();
  const names = Array.from({ length: 600 }, (_, i) => `secret-${i}`);
  for (const name of names) cluster.put("secrets", "default", name, data({ name }));
  const store = await openDriver(kubernetes, given);
  const all = await store.getAll({}, {});
  expect(Object.keys(all)).toHaveLength(601);
  expect(all["secret-599"]).toEqual({ name: "secret-599" });
  const lists = () => cluster.requests.filter((request) => request.includes("limit="));
  expect(lists()).toHaveLength(3);
  cluster.expiresNextPage = true;
  expect(Object.keys(await store.getAll({}, {}))).toHaveLength(601);
  expect(lists()).toHaveLength(3 + 2 + 3);
});

test("credentials that are refused, and roles that are missing, are named", async () => {
  const { cluster, given } = await withSecret({ token: "guess" });
  const refused = /^kubeconfigPath: 127.0.0.1:\d+ does not accept the credentials; renew them \(401 Unauthorized/;
  await opening(given, refused);
  cluster.tokens.add("guess");
  cluster.forbidden.add("get secrets in default").add("list secrets in default");
  const store = await openDriver(kubernetes, given);
  await expect(store.get("db", {}, {})).rejects.toMatchObject({
    reason: "backendUnavailable",
    message: expect.stringMatching(
      /kubeconfigPath: no role allows to get secrets in the namespace default; give one that does \(403 Forbidden: secrets is/,
    ),
  });
  await expect(store.getAll({}, {})).rejects.toThrow(/no role allows to list secrets in the namespace default/);
  cluster.tokens.delete("guess");
  await expect(store.get("db", {}, {})).rejects.toThrow(/does not accept the credentials; renew them \(401/);
});

test("a token in a file is read anew when it is refused, and when it is a minute old", async () => {
  const file = join(tempFolder({ token: "valid\n" }), "token");
  const { cluster, given } = await withSecret({ tokenFile: file, token: "a copy of old" });
  const clock = new FakeClock();
  const store = await openDriver(kubernetes, given, openContext({ clock }));
  cluster.tokens.delete("valid");
  cluster.tokens.add("second");
  writeFileSync(file, "second");
  expect(await store.get("db", {}, {})).toEqual(values);
  cluster.tokens.add("third");
  writeFileSync(file, "third");
  const before = cluster.requests.length;
  await clock.advance(60_000);
  cluster.tokens.delete("second");
  expect(await store.get("db", {}, {})).toEqual(values);
  expect(cluster.requests.length - before).toBe(1);
});

test("a program gives tokens until they end", async () => {
  const folder = tempFolder({ token: "valid" });
  const script = `require("fs").appendFileSync("${folder}/runs","x");
    const token = require("fs").readFileSync("${folder}/token","utf8");
    const { apiVersion } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
    console.log(JSON.stringify({ apiVersion, kind: "ExecCredential", status: { token, expirationTimestamp: process.env.END } }))`;
  const end = new Date(Date.UTC(2026, 0, 1, 1)).toISOString();
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: process.execPath,
    args: ["-e", script],
    env: [{ name: "END", value: end }],
  };
  const { cluster, given } = await withSecret({ exec });
  const clock = new FakeClock();
  const store = await openDriver(kubernetes, given, openContext({ clock }));
  await store.get("db", {}, {});
  await store.get("db", {}, {});
  const { readFileSync } = await import("node:fs");
  const runs = () => readFileSync(join(folder, "runs"), "utf8").length;
  expect(runs()).toBe(1);
  cluster.tokens.delete("valid");
  cluster.tokens.add("next");
  writeFileSync(join(folder, "token"), "next");
  await clock.advance(3_600_000);
  expect(await store.get("db", {}, {})).toEqual(values);
  expect(runs()).toBe(2);
  const failing = { ...exec, args: ["-e", "console.error('log in first'); process.exit(1)"] };
  await opening(
    (await withSecret({ exec: failing })).given,
    /^kubeconfigPath: .*, which gives tokens, failed \(log in first\)$/,
  );
});

test("certificates that are not trusted, or are for another name, are named", async () => {
  const wrong = { "certificate-authority-data": Buffer.from(client.certificate).toString("base64") };
  await opening(
    (await withSecret(undefined, wrong)).given,
    /^certificate-authority of kubeconfigPath: the certificate of .* comes from an authority that is not trusted/,
  );
  await opening(
    (await withSecret(undefined, { "tls-server-name": "kubernetes.default" })).given,
    /^tls-server-name of kubeconfigPath: the certificate of .* is for another name/,
  );
  const insecure = { ...wrong, "certificate-authority-data": undefined, "insecure-skip-tls-verify": true };
  const store = await openDriver(kubernetes, (await withSecret(undefined, insecure)).given);
  expect(await store.get("db", {}, {})).toEqual(values);
});

test("a certificate authority in a file beside the kubeconfig is found", async () => {
  const found = await startKubernetes();
  const config = found.kubeconfig(undefined, {
    "certificate-authority-data": undefined,
    "certificate-authority": "ca.pem",
  });
  const kubeconfigPath = join(tempFolder({ config, "ca.pem": authority.certificate }), "config");
  const store = await openDriver(kubernetes, { kubeconfigPath });
  await expect(store.get("db", {}, {})).rejects.toMatchObject({ reason: "secretNotFound" });
});

test("a server that goes away, limits requests or says nothing is missed, and used again when it is back", async () => {
  const { cluster, port, kubeconfig } = await withSecret();
  const proxy = await startTcpProxy(port);
  const through = kubeconfig(undefined, { server: `https://127.0.0.1:${proxy.port}` });
  const kubeconfigPath = join(tempFolder({ config: through }), "config");
  const store = await openDriver(kubernetes, { kubeconfigPath });
  proxy.refuse(true);
  await expect(store.get("db", {}, {})).rejects.toMatchObject({ reason: "backendUnavailable" });
  proxy.refuse(false);
  expect(await store.get("db", {}, {})).toEqual(values);
  proxy.cut();
  expect(await store.get("db", {}, {})).toEqual(values);
  proxy.hold(true);
  await expect(store.get("db", {}, { signal: AbortSignal.timeout(50) })).rejects.toThrow(/timeout/);
  proxy.hold(false);
  cluster.trouble = { status: 429, message: "too many requests" };
  await expect(store.get("db", {}, {})).rejects.toThrow(
    /limits requests; ask less often \(429 TooManyRequests: too many/,
  );
  cluster.trouble = { status: 503, message: "etcd is away" };
  await expect(store.ping?.({})).rejects.toThrow(/cannot answer now \(503 .*: etcd is away\)/);
  cluster.trouble = undefined;
  await store.ping?.({});
});

test("the token is in no error and in no log", async () => {
  const { given } = await withSecret({ token: "t0pSecret" });
  const log = new KeptLog();
  const error: unknown = await openDriver(kubernetes, given, openContext({ log })).catch((caught: unknown) => caught);
  expect(String(error)).toContain("kubeconfigPath");
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("t0pSecret");
  expect(log.lines.join("\n")).not.toContain("t0pSecret");
});
