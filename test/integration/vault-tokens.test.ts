import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import vault from "../../components/hashicorp.vault/secretstores.ts";
import { type Given, openDriver } from "../support/open-driver.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { startVault, type TestVault } from "../support/vault.ts";

/** An engine with the secret `one`, and what a store needs to read it but a token. */
async function withSecret() {
  const server = await startVault();
  const engine = await server.mount();
  await server.tell("POST", `${engine}/data/dapr/one`, { data: { v: "1" } });
  const rules = { [`${engine}/data/*`]: ["read"], [`${engine}/metadata/*`]: ["read", "list"] };
  return { server, engine, rules, given: { vaultAddr: server.address, enginePath: engine } };
}

/** The same with an AppRole whose tokens live as long as `role` says. */
async function withRole(role: object, secretIds: object = {}) {
  const found = await withSecret();
  const { server, rules } = found;
  const [path, policy] = [`approle-${randomUUID()}`, `policy-${randomUUID()}`];
  const acl = Object.fromEntries(Object.entries(rules).map(([rule, capabilities]) => [rule, { capabilities }]));
  await server.tell("PUT", `sys/policies/acl/${policy}`, { policy: JSON.stringify({ path: acl }) });
  await server.tell("POST", `sys/auth/${path}`, { type: "approle" });
  const data = async (answer: Promise<Record<string, unknown>>) => (await answer)["data"] as Record<string, string>;
  await server.tell("POST", `auth/${path}/role/reader`, { token_policies: [policy], ...role, ...secretIds });
  const { role_id: roleId } = await data(server.tell("GET", `auth/${path}/role/reader/role-id`));
  const newSecretId = async () =>
    (await data(server.tell("POST", `auth/${path}/role/reader/secret-id`, secretIds)))["secret_id"];
  const given = { ...found.given, appRolePath: path, appRoleId: roleId, appRoleSecretId: await newSecretId() };
  return { ...found, given, newSecretId };
}

const answer = { v: "1" };
const logIns = ({ requests }: TestVault) => requests.filter((request) => /^POST auth.*login$/.test(request));

test.each<[string, Given, RegExp]>([
  ["none is given", {}, /^vaultToken: no token is given; set vaultToken, vaultTokenMountPath, or appRoleId/],
  ["two ways are given", { vaultToken: "a", appRoleId: "b" }, /^vaultToken and appRoleId: give one way to a token/],
  ["the file is absent", { vaultTokenMountPath: "/nowhere/token" }, /^vaultTokenMountPath: cannot be read \(ENOENT/],
  ["it is wrong", { vaultToken: "guess" }, /^vaultToken: 127.0.0.1:\d+ does not accept the token, or it has ended; /],
  [
    "two secret ids are given",
    { appRoleId: "a", appRoleSecretId: "b", appRoleSecretIdPath: "c" },
    /^appRoleSecretId and appRoleSecretIdPath: give one/,
  ],
])("a token is asked for when %s", async (_, settings, message) => {
  const { given } = await withSecret();
  await expect(openDriver(vault, { ...given, ...settings })).rejects.toMatchObject({
    reason: "openFailed",
    message: expect.stringMatching(message),
  });
});

test("a token that may not ask about itself is taken", async () => {
  const { server, rules, given } = await withSecret();
  const policy = `policy-${randomUUID()}`;
  const acl = Object.fromEntries(Object.entries(rules).map(([rule, capabilities]) => [rule, { capabilities }]));
  await server.tell("PUT", `sys/policies/acl/${policy}`, { policy: JSON.stringify({ path: acl }) });
  const created = await server.tell("POST", "auth/token/create", { policies: [policy], no_default_policy: true });
  const { client_token: vaultToken } = created["auth"] as { client_token: string };
  const store = await openDriver(vault, { ...given, vaultToken });
  expect(await store.get("one", {}, {})).toEqual(answer);
});

test("a token that has ended is named", async () => {
  const { server, rules, given } = await withSecret();
  const vaultToken = await server.token(rules);
  const store = await openDriver(vault, { ...given, vaultToken });
  expect(await store.get("one", {}, {})).toEqual(answer);
  await server.tell("POST", "auth/token/revoke", { token: vaultToken });
  await expect(store.get("one", {}, {})).rejects.toMatchObject({
    reason: "backendUnavailable",
    message: expect.stringMatching(
      /vaultToken: 127.0.0.1:\d+ does not accept the token, or it has ended; give a new one/,
    ),
  });
});

test("a token in a file is read again when the server no longer takes the old one", async () => {
  const { server, rules, given } = await withSecret();
  const file = join(tempFolder(), "token");
  const first = await server.token(rules);
  writeFileSync(file, `${first}\n`);
  const store = await openDriver(vault, { ...given, vaultTokenMountPath: file });
  await server.tell("POST", "auth/token/revoke", { token: first });
  await expect(store.get("one", {}, {})).rejects.toThrow(/vaultTokenMountPath: .* does not accept the token/);
  writeFileSync(file, await server.token(rules));
  expect(await store.get("one", {}, {})).toEqual(answer);
});

test("an AppRole logs in, by a secret id from the settings or from a file", async () => {
  const { given } = await withRole({ token_ttl: "1h" });
  const { appRoleSecretId, ...others } = given;
  const file = join(tempFolder({ id: `${appRoleSecretId}\n` }), "id");
  for (const settings of [given, { ...others, appRoleSecretIdPath: file }]) {
    const store = await openDriver(vault, settings);
    expect(await store.get("one", {}, {})).toEqual(answer);
  }
});

test("a wrong role, secret id or path of an AppRole is named", async () => {
  const { given } = await withRole({ token_ttl: "1h" });
  const wrong = async (settings: Given, message: RegExp) => {
    const opening = openDriver(vault, { ...given, ...settings });
    await expect(opening).rejects.toMatchObject({ reason: "openFailed", message: expect.stringMatching(message) });
  };
  const refused = /^appRoleId, appRoleSecretId: 127.0.0.1:\d+ does not accept them; .*\([45]00: invalid /;
  await wrong({ appRoleId: "nobody" }, refused);
  await wrong({ appRoleSecretId: "guess" }, refused);
  await wrong({ appRolePath: "nowhere" }, /^appRolePath: 127.0.0.1:\d+ has no AppRole at nowhere; correct it \(403: /);
});

test("the tokens of an AppRole are renewed, and replaced when no renewal gets further", {
  timeout: 20_000,
}, async () => {
  const { given } = await withRole({ token_ttl: "1s", token_max_ttl: "2s" });
  const store = await openDriver(vault, given);
  const end = Date.now() + 4000;
  let reads = 0;
  await expect
    .poll(
      async () => {
        expect(await store.get("one", {}, {})).toEqual(answer);
        reads += 1;
        return Date.now() > end;
      },
      { timeout: 10_000, interval: 20 },
    )
    .toBe(true);
  expect(reads).toBeGreaterThan(20);
});

test("a token of an AppRole that is taken away is replaced by one log-in for all calls", async () => {
  const { server, given } = await withRole({ token_ttl: "1h" });
  const store = await openDriver(vault, given);
  await server.tell("PUT", `sys/leases/revoke-prefix/auth/${given.appRolePath}/login`);
  const answers = await Promise.all(Array.from({ length: 5 }, () => store.get("one", {}, {})));
  expect(answers).toEqual(Array.from({ length: 5 }, () => answer));
  expect(logIns(server)).toHaveLength(server.isDouble ? 2 : 0);
});

test("an AppRole whose secret id is used up says so", async () => {
  const { server, given } = await withRole({ token_ttl: "1h" }, { secret_id_num_uses: 1, num_uses: 1 });
  const store = await openDriver(vault, given);
  await server.tell("PUT", `sys/leases/revoke-prefix/auth/${given.appRolePath}/login`);
  await expect(store.get("one", {}, {})).rejects.toThrow(
    /appRoleId, appRoleSecretId: .* does not accept them; correct them, or make a new secret id \([45]00: invalid secret id/,
  );
});

test("a policy that denies does not make an AppRole log in again", async () => {
  const { server, given } = await withRole({ token_ttl: "1h" });
  const other = await server.mount();
  const store = await openDriver(vault, { ...given, enginePath: other });
  await expect(store.get("one", {}, {})).rejects.toThrow(/no policy of the token gives read on/);
  expect(logIns(server)).toHaveLength(server.isDouble ? 1 : 0);
});

test("the token of an AppRole is taken back at the end", async () => {
  const { server, given } = await withRole({ token_ttl: "1h" });
  const store = await openDriver(vault, given);
  await store.close();
  await store.close();
  if (server.isDouble) expect(server.requests.at(-1)).toBe("POST auth/token/revoke-self");
});
