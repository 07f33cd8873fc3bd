import { join } from "node:path";
import { expect, test } from "vitest";
import { findCluster } from "../../../../components/kubernetes/cluster.ts";
import { authority, client } from "../../../support/certificates.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const clock = new FakeClock();
const kubeconfig = (server: string, user = "token: abc") => `
apiVersion: v1
kind: Config
current-context: here
contexts: [{ name: here, context: { cluster: c, user: u } }]
clusters: [{ name: c, cluster: { server: "${server}" } }]
users: [{ name: u, user: { ${user} } }]
`;

/** A machine with the given files and environment. */
function machine(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
  const folder = tempFolder(files);
  const inFolder = Object.entries(env).map(([name, value]) => [name, value.replaceAll("~", folder)]);
  return {
    folder,
    surroundings: { env: Object.fromEntries(inFolder), home: folder, accountFolder: join(folder, "account") },
  };
}
const found = (files: Readonly<Record<string, string>>, env?: Readonly<Record<string, string>>) =>
  findCluster(undefined, clock, machine(files, env).surroundings);

const account = { "account/token": "pod-token\n", "account/ca.crt": authority.certificate };
const pod = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "6443" };
const usual = { ".kube/config": kubeconfig("https://usual:1") };

test("a pod uses its service account", async () => {
  const { url, tls, credentials } = await found({ ...account, ...usual }, pod);
  expect(url.href).toBe("https://10.0.0.1:6443/");
  expect(tls.ca).toBe(authority.certificate);
  expect(await credentials.header()).toBe("Bearer pod-token");
  const six = await found(account, { KUBERNETES_SERVICE_HOST: "fd00::1" });
  expect(six.url.href).toBe("https://[fd00::1]/");
});

test("outside a pod KUBECONFIG is used, and then ~/.kube/config", async () => {
  const files = { ...usual, other: kubeconfig("https://other:2") };
  expect((await found(files, { KUBECONFIG: "~/other" })).url.host).toBe("other:2");
  expect((await found(files)).url.host).toBe("usual:1");
  // The variables of a pod whose service account is not mounted.
  expect((await found(files, pod)).url.host).toBe("usual:1");
  await expect(found({})).rejects.toThrow(
    /^kubeconfigPath: this is no pod with a service account, and there is no ~\/.kube/,
  );
});

test("of several kubeconfigs the first that names something wins", async () => {
  const first = "current-context: there\nclusters: [{ name: c, cluster: { server: 'https://first:1' } }]";
  const second =
    "contexts: [{ name: there, context: { cluster: c } }]\nclusters: [{ name: c, cluster: { server: 'https://second:2' } }]";
  expect((await found({ first, second }, { KUBECONFIG: "~/first:~/second" })).url.host).toBe("first:1");
});

test.each([
  ["client-certificate-data", { certificate: client.certificate }],
  ["client-key-data", { key: client.key }],
])("%s is read", async (field, expected) => {
  const pem = Object.values(expected)[0] ?? "";
  const user = `${field}: ${Buffer.from(pem).toString("base64")}`;
  expect((await found({ ".kube/config": kubeconfig("https://a", user) })).tls).toMatchObject(expected);
});

test("a user and a password are sent as such", async () => {
  const { credentials } = await found({ ".kube/config": kubeconfig("https://a", "username: u, password: p") });
  expect(await credentials.header()).toBe(`Basic ${Buffer.from("u:p").toString("base64")}`);
});

test.each([
  ["nothing but text", "hello", /is no kubeconfig, which is YAML with clusters, users, contexts/],
  ["no YAML", "a: [", /is no kubeconfig/],
  ["no current context", "clusters: []", /there is no current-context in/],
  ["a context that is absent", "current-context: a", /there is no context a in/],
  [
    "a cluster that is absent",
    "current-context: a\ncontexts: [{ name: a, context: { cluster: b } }]",
    /no cluster b in/,
  ],
  ["a server that is no URL", kubeconfig("10.0.0.1"), /^~\/.kube\/config: the server "10.0.0.1" is not a URL/],
  ["an old plugin", kubeconfig("https://a", "auth-provider: { name: gcp }"), /auth-provider of user u is of old/],
  ["a file that is absent", kubeconfig("https://a", "client-key: gone.pem"), /client-key cannot be read \(ENOENT/],
])("a kubeconfig with %s is refused", async (_, text, message) => {
  await expect(found({ ".kube/config": text })).rejects.toMatchObject({
    reason: "openFailed",
    message: expect.stringMatching(message),
  });
});
