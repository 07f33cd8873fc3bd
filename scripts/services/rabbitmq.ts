import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { authority, server as serverPair } from "../../test/support/certificates.ts";
import { findProgram } from "./support/find-program.ts";
import { runServer, type ServerProcess, together } from "./support/server-process.ts";
import type { Place, Running, Service } from "./support/service.ts";
import { give, unprivileged } from "./support/unprivileged.ts";

const host = "127.0.0.1";
/** What Debian has on PATH changes the user by itself and needs another Erlang to end. */
const debian = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const find = () => (existsSync(debian) ? debian : findProgram("rabbitmq-server"));

export default {
  name: "rabbitmq",
  variants: {
    single:
      "one server, user `guest` with password `guest`; `reader` with password `secret` may only read; messages of 4 MiB at most",
    tls: "one server with TLS that takes client certificates in place of passwords",
    mqtt: "one server that speaks MQTT 3.1.1 as well, and keeps what it acknowledges over a crash",
  },
  install: { debian: ["rabbitmq-server"] },
  components: ["pubsub.rabbitmq"],
  ports: (variant) => (variant === "mqtt" ? 4 : 3),
  find,
  start: (place) => starters[place.variant as keyof typeof starters](place),
} satisfies Service;

const starters = {
  single: startSingle,
  tls: startTls,
  mqtt: startMqtt,
};

const user = (name: string, password?: string) => ({
  name,
  ...(password === undefined ? { password_hash: "" } : { password }),
  tags: name === "guest" ? ["administrator"] : [],
});
const right = (name: string, write: string) => ({ user: name, vhost: "/", configure: write, write, read: ".*" });

/** Users, and what they may. */
const definitions = {
  vhosts: [{ name: "/" }],
  users: [user("guest", "guest"), user("reader", "secret"), user("client")],
  permissions: [right("guest", ".*"), right("reader", "^$"), right("client", ".*")],
};

interface Server {
  readonly plugins: readonly string[];
  /** Settings of applications, as Erlang terms. The other format takes the server seconds to read. */
  readonly config: string;
}

/** Starts a node with a name service of its own, so that nothing outlives it. */
async function start(
  { folder, ports }: Place,
  { plugins, config }: Server,
): Promise<Pick<Running, "port" | keyof ServerProcess>> {
  const [port, nodePort, namesPort] = ports as unknown as [number, number, number];
  const owner = unprivileged("rabbitmq");
  give(folder, owner);
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    give(join(folder, name), owner);
  };
  write("enabled_plugins", `[${plugins.join(",")}].`);
  write("definitions.json", JSON.stringify(definitions));
  write("ca.pem", authority.certificate);
  write("server.pem", serverPair.certificate);
  write("server.key", serverPair.key);
  write("advanced.config", config);
  const env = {
    HOME: folder,
    ERL_EPMD_PORT: String(namesPort),
    ERL_EPMD_ADDRESS: host,
    RABBITMQ_NODENAME: `mecha-${port}@localhost`,
    RABBITMQ_DIST_PORT: String(nodePort),
    RABBITMQ_CONF_ENV_FILE: join(folder, "none"),
    RABBITMQ_CONFIG_FILE: join(folder, "none"),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, "advanced.config"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "enabled_plugins"),
    RABBITMQ_MNESIA_BASE: join(folder, "data"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_PID_FILE: join(folder, "pid"),
    // The signal to end reaches Erlang itself.
    RABBITMQ_ALLOW_INPUT: "1",
  };
  const where = { cwd: folder, env, user: owner };
  const names = await runServer({ ...where, program: findProgram("epmd") ?? "epmd", args: [], ready: namesPort });
  const ready = /completed with \d+ plugins/;
  const node = await runServer({ ...where, program: find() ?? "rabbitmq-server", args: ["-noinput"], ready });
  return { port, ...together([names, node]) };
}

const rabbit = (folder: string, ...more: string[]) =>
  `{rabbit, [${[`{load_definitions, "${join(folder, "definitions.json")}"}`, "{loopback_users, []}", ...more].join(", ")}]}`;

async function startSingle(place: Place): Promise<Running> {
  const { folder, ports } = place;
  const config = `[${rabbit(folder, `{tcp_listeners, [{"${host}", ${ports[0]}}]}`, "{max_message_size, 4194304}")}].`;
  const running = await start(place, { plugins: [], config });
  return { host, settings: { connectionString: `amqp://guest:guest@${host}:${ports[0]}` }, ...running };
}

async function startTls(place: Place): Promise<Running> {
  const { folder, ports } = place;
  const files = { cacertfile: "ca.pem", certfile: "server.pem", keyfile: "server.key" };
  const options = Object.entries(files).map(([key, name]) => `{${key}, "${join(folder, name)}"}`);
  const more = [
    "{tcp_listeners, []}",
    `{ssl_listeners, [{"${host}", ${ports[0]}}]}`,
    `{ssl_options, [${options.join(", ")}, {verify, verify_peer}, {fail_if_no_peer_cert, false}]}`,
    "{auth_mechanisms, ['PLAIN', 'EXTERNAL']}",
    "{ssl_cert_login_from, common_name}",
  ];
  const config = `[${rabbit(folder, ...more)}].`;
  const running = await start(place, { plugins: ["rabbitmq_auth_mechanism_ssl"], config });
  const settings = { connectionString: `amqps://guest:guest@${host}:${ports[0]}`, caCert: authority.certificate };
  return { host, settings, ...running };
}

async function startMqtt(place: Place): Promise<Running> {
  const [port, , , mqttPort] = place.ports;
  const mqtt = `{rabbitmq_mqtt, [{tcp_listeners, [{"${host}", ${mqttPort}}]}, {subscription_ttl, undefined}]}`;
  const config = `[${rabbit(place.folder, `{tcp_listeners, [{"${host}", ${port}}]}`)}, ${mqtt}].`;
  const running = await start(place, { plugins: ["rabbitmq_mqtt"], config });
  return { ...running, host, port: Number(mqttPort), settings: { url: `tcp://guest:guest@${host}:${mqttPort}` } };
}
