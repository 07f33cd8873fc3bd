import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { authority, client, server as serverPair } from "../../test/support/certificates.ts";
import { findProgram } from "./support/find-program.ts";
import { runServer } from "./support/server-process.ts";
import type { Place, Running, Service } from "./support/service.ts";

const host = "127.0.0.1";

export default {
  name: "nats",
  variants: {
    single: "one server with JetStream that lets anybody in",
    plain: "the same without JetStream",
    auth: "one server: `mecha` with password `secret` may do all, `writer` with password `secret` may only publish to `allowed`",
    token: "one server that takes the token `secret`",
    jwt: "one server of an operator, whose users show a JWT and sign with a key",
    tls: "one server with TLS and a certificate of its own authority",
    mtls: "the same, which asks for client certificates",
  },
  install: { debian: ["nats-server"] },
  components: ["pubsub.jetstream"],
  find: () => findProgram("nats-server"),
  start: (place) => starters[place.variant as keyof typeof starters](place),
} satisfies Service;

const starters = {
  single: (place: Place) => start(place, jetstream, {}),
  plain: (place: Place) => start(place, "", {}),
  auth: startAuth,
  token: (place: Place) => start(place, `${jetstream}authorization { token: "secret" }`, { token: "secret" }),
  jwt: startJwt,
  tls: (place: Place) => startTls(place, "", {}),
  mtls: (place: Place) =>
    startTls(place, "verify: true", { tls_client_cert: client.certificate, tls_client_key: client.key }),
};

/** What it has acknowledged is with the system by then, so that it outlives a killed server. */
const jetstream = 'jetstream { store_dir: "data" }\n';

async function start(
  { folder, ports: [port] }: Place,
  config: string,
  settings: Readonly<Record<string, string>>,
): Promise<Running> {
  const file = join(folder, "nats.conf");
  writeFileSync(file, `host: "${host}"\nport: ${port}\n${config}`, { mode: 0o600 });
  const program = findProgram("nats-server") ?? "nats-server";
  const server = await runServer({ program, args: ["-c", file], cwd: folder, ready: /Server is ready/ });
  return { host, port, settings: { natsURL: `nats://${host}:${port}`, ...settings }, ...server };
}

function startAuth(place: Place): Promise<Running> {
  const users = `authorization { users: [
    { user: mecha, password: secret },
    { user: writer, password: secret, permissions: { publish: ["allowed"], subscribe: ["_INBOX.>"] } },
  ] }\n`;
  const natsURL = `nats://mecha:secret@${host}:${place.ports[0]}`;
  return start(place, `${jetstream}${users}`, { natsURL });
}

function startJwt(place: Place): Promise<Running> {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
  // JetStream needs one for itself.
  const system = nkeys.createAccount();
  const unlimited = -1;
  const limits = {
    ...{ subs: unlimited, data: unlimited, payload: unlimited, imports: unlimited, exports: unlimited },
    ...{ conn: unlimited, leaf: unlimited, wildcards: true },
    ...{ mem_storage: unlimited, disk_storage: unlimited, streams: unlimited, consumer: unlimited },
  };
  const operatorToken = token(operator, operator, { type: "operator", version: 2 });
  const accountToken = token(operator, account, { type: "account", version: 2, limits });
  const userToken = token(account, user, {
    ...{ type: "user", version: 2, pub: {}, sub: {} },
    ...{ subs: unlimited, data: unlimited, payload: unlimited },
  });
  const systemToken = token(operator, system, { type: "account", version: 2 });
  const resolver = `operator: ${operatorToken}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${accountToken}, ${system.getPublicKey()}: ${systemToken} }\n`;
  return start(place, `${jetstream}${resolver}`, {
    jwt: userToken,
    seedKey: Buffer.from(user.getSeed()).toString(),
  });
}

/** What the issuer says of a subject, in the form of NATS. */
function token(issuer: nkeys.KeyPair, subject: nkeys.KeyPair, nats: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name: "test",
    sub: subject.getPublicKey(),
    nats,
  };
  const signed = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode(claims)}`;
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString("base64url")}`;
}

function startTls(place: Place, more: string, settings: Readonly<Record<string, string>>): Promise<Running> {
  const { folder, ports } = place;
  const files = { "ca.pem": authority.certificate, "server.pem": serverPair.certificate, "server.key": serverPair.key };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  const tls = `tls { cert_file: "server.pem", key_file: "server.key", ca_file: "ca.pem", ${more} }\n`;
  const natsURL = `tls://${host}:${ports[0]}`;
  return start(place, `${jetstream}${tls}`, { natsURL, caCert: authority.certificate, ...settings });
}
