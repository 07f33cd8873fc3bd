import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { authority, client, server as serverPair } from "../../test/support/certificates.ts";
import { freePorts } from "../bench/processes.ts";
import { findProgram } from "./support/find-program.ts";
import { runServer, runTool, type ServerProcess, together } from "./support/server-process.ts";
import type { Install, Place, Running, Service } from "./support/service.ts";
import { findInstalled, serviceFolder } from "./support/service-folder.ts";

const host = "127.0.0.1";
const install = {
  maven: ["org.apache.kafka:kafka_2.13:4.2.0", "org.apache.kafka:kafka-tools:4.2.0"],
} satisfies Install;

const user = { saslUsername: "mecha", saslPassword: "secret" };
const trust = { caCert: authority.certificate };

/** What clients of a variant speak, and what they must know for it. */
const listeners: Readonly<Record<string, { readonly protocol: string; readonly settings: Record<string, string> }>> = {
  single: { protocol: "PLAINTEXT", settings: { authType: "none" } },
  proxied: { protocol: "PLAINTEXT", settings: { authType: "none" } },
  cluster: { protocol: "PLAINTEXT", settings: { authType: "none" } },
  sasl: {
    protocol: "SASL_PLAINTEXT",
    settings: { authType: "password", saslMechanism: "SHA-512", disableTls: "true", ...user },
  },
  saslTls: { protocol: "SASL_SSL", settings: { authType: "password", saslMechanism: "SHA-256", ...user, ...trust } },
  tls: {
    protocol: "SSL",
    settings: { authType: "mtls", clientCert: client.certificate, clientKey: client.key, ...trust },
  },
};

export default {
  name: "kafka",
  variants: {
    single: "one broker; topics are made when they are first used, with four partitions",
    sasl: "asks for user `mecha` with password `secret`: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, or any unsigned token",
    saslTls: "the same over TLS",
    tls: "TLS with a certificate of its own authority, which asks for client certificates",
    proxied:
      "one broker that tells clients another port than its own, where a proxy is to be; it makes no topics by itself",
    cluster: "three brokers with three replicas of everything, of which the first can be killed and restarted",
  },
  install,
  components: ["pubsub.kafka", "bindings.kafka"],
  // A broker and its controller; what a proxied one tells its clients.
  ports: (variant) => ({ cluster: 6, proxied: 3 })[variant] ?? 2,
  find: () => (findProgram("java") ? findInstalled("kafka", install, "lib/kafka_2.13-4.2.0.jar") : undefined),
  async start(place) {
    const prepared = await prepare();
    return place.variant === "cluster" ? startCluster(place, prepared) : startSingle(place, prepared);
  },
} satisfies Service;

interface Broker {
  readonly id: number;
  readonly port: number;
  readonly advertised: number;
  readonly controllerPort: number;
  /** `id@host:port` of all controllers. */
  readonly voters: string;
  readonly variant: string;
}

async function startSingle({ folder, ports, variant }: Place, prepared: Prepared): Promise<Running> {
  const [port, controllerPort, advertised = port] = ports as unknown as [number, number, number?];
  const voters = `1@${host}:${controllerPort}`;
  const server = await startBroker(folder, { id: 1, port, advertised, controllerPort, voters, variant }, prepared);
  const settings = { brokers: `${host}:${advertised}`, ...listeners[variant]?.settings };
  return { host, port, settings, ...server };
}

async function startCluster({ folder, ports, variant }: Place, prepared: Prepared): Promise<Running> {
  const ids = [1, 2, 3];
  const all = ids.map((id) => {
    const [port, controllerPort] = [ports[id - 1] ?? 0, ports[id + 2] ?? 0];
    return { id, port, advertised: port, controllerPort, variant };
  });
  const voters = all.map(({ id, controllerPort }) => `${id}@${host}:${controllerPort}`).join(",");
  const servers = await Promise.all(
    all.map((broker) => startBroker(join(folder, String(broker.id)), { ...broker, voters }, prepared)),
  );
  const brokers = all.map(({ port }) => `${host}:${port}`).join(",");
  const [first] = servers as [ServerProcess, ...ServerProcess[]];
  // Three that end in order wait for one another; nobody reads their data again.
  const stop = () => together(servers).kill9();
  return { host, port: ports[0], settings: { brokers, authType: "none" }, ...first, stop };
}

async function startBroker(folder: string, broker: Broker, { archive, formatted }: Prepared): Promise<ServerProcess> {
  mkdirSync(folder, { recursive: true });
  cpSync(formatted(broker.id), join(folder, "data"), { recursive: true });
  const properties = { ...brokerProperties(broker), ...securityProperties(broker.variant) };
  return runServer({
    program: java(),
    args: [...javaOptions, `-XX:SharedArchiveFile=${archive}`, "kafka.Kafka", writeProperties(folder, properties)],
    cwd: folder,
    ready: broker.port,
  });
}

const java = () => findProgram("java") ?? "java";
const javaOptions = [
  "-Xmx512m",
  "-XX:TieredStopAtLevel=1",
  "-XX:+UseSerialGC",
  "-cp",
  join(serviceFolder("kafka"), "lib", "*"),
];

function writeProperties(folder: string, properties: Readonly<Record<string, string | number>>): string {
  const file = join(folder, "server.properties");
  const escaped = (value: string | number) => String(value).replaceAll("\n", "\\n");
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${escaped(value)}`);
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  return file;
}

function brokerProperties({ id, port, advertised, controllerPort, voters, variant }: Broker) {
  const protocol = listeners[variant]?.protocol ?? "PLAINTEXT";
  const replicas = variant === "cluster" ? 3 : 1;
  return {
    "process.roles": "broker,controller",
    "node.id": id,
    "controller.quorum.voters": voters,
    listeners: `CLIENTS://${host}:${port},CONTROLLER://${host}:${controllerPort}`,
    "advertised.listeners": `CLIENTS://${host}:${advertised}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENTS",
    "listener.security.protocol.map": `CLIENTS:${protocol},CONTROLLER:PLAINTEXT`,
    "log.dirs": "data",
    "num.partitions": 4,
    "default.replication.factor": replicas,
    "min.insync.replicas": Math.max(1, replicas - 1),
    "auto.create.topics.enable": String(variant !== "proxied"),
    // A message of a megabyte is a little more with what goes around it.
    "message.max.bytes": 10 * 2 ** 20,
    "replica.fetch.max.bytes": 10 * 2 ** 20,
    "offsets.topic.replication.factor": replicas,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": 1,
    // Tests that kill members and brokers need not wait for long.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 500,
    "broker.session.timeout.ms": 2000,
    "broker.heartbeat.interval.ms": 500,
    "controlled.shutdown.enable": "false",
    "controller.quorum.election.timeout.ms": 500,
    "controller.quorum.fetch.timeout.ms": 1000,
  };
}

function securityProperties(variant: string): Readonly<Record<string, string>> {
  const protocol = listeners[variant]?.protocol ?? "";
  return {
    ...(protocol.includes("SASL") ? saslProperties : {}),
    ...(protocol.includes("SSL") ? tlsProperties(variant === "tls" ? "required" : "none") : {}),
  };
}

const loginModule = "org.apache.kafka.common.security";
const saslProperties = {
  "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
  "sasl.mechanism.inter.broker.protocol": "PLAIN",
  "listener.name.clients.plain.sasl.jaas.config": `${loginModule}.plain.PlainLoginModule required username="broker" password="broker" user_broker="broker" user_${user.saslUsername}="${user.saslPassword}";`,
  "listener.name.clients.scram-sha-256.sasl.jaas.config": `${loginModule}.scram.ScramLoginModule required;`,
  "listener.name.clients.scram-sha-512.sasl.jaas.config": `${loginModule}.scram.ScramLoginModule required;`,
  "listener.name.clients.oauthbearer.sasl.jaas.config": `${loginModule}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
};

const tlsProperties = (clientAuth: string) => ({
  "ssl.keystore.type": "PEM",
  "ssl.keystore.certificate.chain": serverPair.certificate,
  "ssl.keystore.key": serverPair.key,
  "ssl.truststore.type": "PEM",
  "ssl.truststore.certificates": authority.certificate,
  "ssl.client.auth": clientAuth,
  // A broker looks at its own certificate as a client of itself would.
  "ssl.endpoint.identification.algorithm": "",
});

interface Prepared {
  /** Java's classes as the broker uses them, which halves its start. */
  readonly archive: string;
  /** A data folder with the users in it, for the broker of this number. */
  formatted(id: number): string;
}

/** Makes once what every start needs; whoever is first leaves it for the others. */
async function prepare(): Promise<Prepared> {
  const folder = join(serviceFolder("kafka"), "prepared");
  if (!existsSync(folder)) {
    const own = `${folder}-${process.pid}`;
    mkdirSync(own, { recursive: true });
    try {
      await prepareIn(own);
      renameSync(own, folder);
    } catch (error) {
      // Another process was faster.
      if (!existsSync(folder)) throw error;
    } finally {
      rmSync(own, { recursive: true, force: true });
    }
  }
  return { archive: join(folder, "classes.jsa"), formatted: (id) => join(folder, String(id), "data") };
}

const clusterId = "bWVjaGEtdGVzdC1rYWZrYQ";

async function prepareIn(folder: string): Promise<void> {
  const [port, controllerPort] = (await freePorts(2)) as [number, number];
  const voters = `1@${host}:${controllerPort}`;
  const scram = ["256", "512"].flatMap((bits) => [
    "--add-scram",
    `SCRAM-SHA-${bits}=[name=${user.saslUsername},password=${user.saslPassword}]`,
  ]);
  for (const id of [1, 2, 3]) {
    const cwd = join(folder, String(id));
    mkdirSync(cwd);
    const broker = { id, port, advertised: port, controllerPort, voters: `${id}@${host}:${controllerPort}` };
    const file = writeProperties(cwd, brokerProperties({ ...broker, variant: "single" }));
    const tool = ["kafka.tools.StorageTool", "format", "-t", clusterId, "-c", file, ...scram];
    await runTool({ program: java(), args: [...javaOptions, ...tool], cwd });
  }
  const trial = join(folder, "trial");
  mkdirSync(trial);
  cpSync(join(folder, "1", "data"), join(trial, "data"), { recursive: true });
  const broker = { id: 1, port, advertised: port, controllerPort, voters, variant: "single" };
  const properties = writeProperties(trial, brokerProperties(broker));
  const archiving = `-XX:ArchiveClassesAtExit=${join(folder, "classes.jsa")}`;
  const args = [...javaOptions, archiving, "kafka.Kafka", properties];
  await (await runServer({ program: java(), args, cwd: trial, ready: port })).stop();
  rmSync(trial, { recursive: true });
}
