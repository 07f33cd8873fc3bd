import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { authority, server as serverPair } from "../../test/support/certificates.ts";
import { findProgram } from "./support/find-program.ts";
import { runServer, runTool } from "./support/server-process.ts";
import type { Place, Running, Service } from "./support/service.ts";

const host = "127.0.0.1";
const program = (name: string) => findProgram(name) ?? name;

export default {
  name: "mosquitto",
  variants: {
    single: "one server that lets anybody in; packets of 4 MiB at most",
    auth: "one server, user `mecha` with password `secret`, who may not use the topic `forbidden`, and no other",
    tls: "one server with TLS and a certificate of its own authority",
    mtls: "the same, which asks for client certificates",
  },
  install: { debian: ["mosquitto"] },
  components: ["pubsub.mqtt3"],
  find: () => findProgram("mosquitto"),
  start: (place) => starters[place.variant as keyof typeof starters](place),
} satisfies Service;

const starters = {
  single: (place: Place) => start(place, ["allow_anonymous true"], `tcp://${host}`),
  auth: startAuth,
  tls: (place: Place) => startTls(place, []),
  mtls: (place: Place) => startTls(place, ["require_certificate true"]),
};

/** What it holds is written when it ends, so that it outlives a restart, not a crash. */
async function start({ folder, ports: [port] }: Place, more: readonly string[], url: string): Promise<Running> {
  const file = join(folder, "mosquitto.conf");
  const lines = [
    // It would become another user, who may not read its folder.
    "user root",
    `listener ${port} ${host}`,
    "persistence true",
    `persistence_location ${folder}/`,
    "set_tcp_nodelay true",
    "max_packet_size 4194304",
    // Beyond its default of 1000 it drops messages that wait for a client.
    "max_queued_messages 0",
    ...more,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const server = await runServer({ program: program("mosquitto"), args: ["-c", file], cwd: folder, ready: port });
  return { host, port, settings: { url: `${url}:${port}` }, ...server };
}

async function startAuth(place: Place): Promise<Running> {
  const { folder } = place;
  const [users, rights] = [join(folder, "users"), join(folder, "rights")];
  await runTool({
    program: program("mosquitto_passwd"),
    args: ["-c", "-b", users, "mecha", "secret"],
    cwd: folder,
  });
  writeFileSync(rights, "user mecha\ntopic deny forbidden\ntopic readwrite #\n", { mode: 0o600 });
  const options = ["allow_anonymous false", `password_file ${users}`, `acl_file ${rights}`];
  return start(place, options, `tcp://mecha:secret@${host}`);
}

async function startTls(place: Place, more: readonly string[]): Promise<Running> {
  const { folder } = place;
  const files = { "ca.pem": authority.certificate, "server.pem": serverPair.certificate, "server.key": serverPair.key };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  const options = [
    `cafile ${folder}/ca.pem`,
    `certfile ${folder}/server.pem`,
    `keyfile ${folder}/server.key`,
    "allow_anonymous true",
    ...more,
  ];
  const running = await start(place, options, `ssl://${host}`);
  return { ...running, settings: { ...running.settings, caCert: authority.certificate } };
}
