import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { authority, client, server as serverPair } from "../../test/support/certificates.ts";
import { findProgram } from "./support/find-program.ts";
import { runServer, runTool, type ServerProcess, together } from "./support/server-process.ts";
import type { Place, Running, Service } from "./support/service.ts";

const host = "127.0.0.1";
const program = (name: string) => findProgram(name) ?? name;

export default {
  name: "redis",
  variants: {
    single: "one server without a password",
    acl: "one server, user `mecha` with password `secret` and no other",
    tls: "one server with TLS and a certificate of its own authority",
    mtls: "the same, which asks for client certificates",
    cluster: "three primaries and three replicas",
    sentinel: "a primary, a replica and a sentinel that fails over",
  },
  install: { debian: ["redis-server", "redis-sentinel"] },
  components: ["state.redis", "pubsub.redis", "configuration.redis", "lock.redis", "bindings.redis"],
  // A node of a cluster has a second port for the other nodes.
  ports: (variant) => ({ cluster: 12, sentinel: 3 })[variant] ?? 1,
  find: () => (findProgram("redis-sentinel") && findProgram("redis-cli") ? findProgram("redis-server") : undefined),
  start: (place) => starters[place.variant as keyof typeof starters](place),
} satisfies Service;

const starters = {
  single: (place: Place) => startSingle(place, [], {}),
  acl: startAcl,
  tls: (place: Place) => startTls(place, "optional", {}),
  mtls: (place: Place) => startTls(place, "yes", { clientCert: client.certificate, clientKey: client.key }),
  cluster: startCluster,
  sentinel: startSentinel,
};

/**
 * Starts one redis-server. Every write is in its log before it is answered, so that it outlives a killed server: with
 * fsync left to the system, because Redis holds writes back while it waits for its own.
 */
function startNode(folder: string, port: number, more: readonly string[]): Promise<ServerProcess> {
  mkdirSync(folder, { recursive: true });
  const args = [
    "--bind",
    host,
    "--dir",
    folder,
    "--save",
    "",
    "--appendonly",
    "yes",
    "--appendfsync",
    "no",
    "--repl-diskless-sync-delay",
    "0",
  ];
  return runServer({
    program: program("redis-server"),
    args: [...(more.includes("--tls-port") ? ["--port", "0"] : ["--port", String(port)]), ...args, ...more],
    cwd: folder,
    ready: /Ready to accept connections/,
  });
}

async function startSingle(
  { folder, ports: [port] }: Place,
  more: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<Running> {
  const node = await startNode(folder, port, more);
  return { host, port, settings: { redisHost: `${host}:${port}`, ...settings }, ...node };
}

function startAcl(place: Place): Promise<Running> {
  const file = join(place.folder, "users.acl");
  writeFileSync(file, "user default off\nuser mecha on >secret ~* &* +@all\n");
  return startSingle(place, ["--aclfile", file], { redisUsername: "mecha", redisPassword: "secret" });
}

function startTls(place: Place, authClients: string, settings: Readonly<Record<string, string>>): Promise<Running> {
  const { folder, ports } = place;
  const files = { "ca.pem": authority.certificate, "server.pem": serverPair.certificate, "server.key": serverPair.key };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  const options = {
    "--tls-port": String(ports[0]),
    "--tls-ca-cert-file": "ca.pem",
    "--tls-cert-file": "server.pem",
    "--tls-key-file": "server.key",
    "--tls-auth-clients": authClients,
  };
  return startSingle(place, Object.entries(options).flat(), {
    enableTLS: "true",
    caCert: authority.certificate,
    ...settings,
  });
}

async function startCluster({ folder, ports }: Place): Promise<Running> {
  const [nodePorts, busPorts] = [ports.slice(0, 6), ports.slice(6)];
  const nodes = await Promise.all(
    nodePorts.map((port, n) => {
      const options = {
        "--cluster-enabled": "yes",
        "--cluster-port": String(busPorts[n]),
        "--cluster-node-timeout": "2000",
      };
      return startNode(join(folder, String(n)), port, Object.entries(options).flat());
    }),
  );
  const addresses = nodePorts.map((port) => `${host}:${port}`);
  const cli = (...args: string[]) => runTool({ program: program("redis-cli"), args, cwd: folder });
  const isWhole = async () => {
    const infos = await Promise.all(nodePorts.map((port) => cli("-p", String(port), "cluster", "info")));
    const replicas = await cli("-p", String(nodePorts[0]), "cluster", "nodes");
    return infos.every((info) => info.includes("cluster_state:ok")) && replicas.split("slave").length === 4;
  };
  await cli("--cluster", "create", ...addresses, "--cluster-replicas", "1", "--cluster-yes");
  await until(isWhole, "the cluster is whole");
  const all = together(nodes);
  const restart = async () => {
    await all.restart();
    await until(isWhole, "the cluster is whole");
  };
  const settings = { redisHost: addresses.join(","), redisType: "cluster" };
  return { host, port: ports[0], settings, ...all, restart };
}

async function startSentinel({ folder, ports }: Place): Promise<Running> {
  const [primaryPort, replicaPort, sentinelPort] = ports as unknown as [number, number, number];
  const primary = await startNode(join(folder, "primary"), primaryPort, []);
  const replica = await startNode(join(folder, "replica"), replicaPort, ["--replicaof", `${host} ${primaryPort}`]);
  const cli = (...args: string[]) => runTool({ program: program("redis-cli"), args, cwd: folder });
  // A sentinel that sees it earlier takes ten seconds to look again.
  const hasData = async () =>
    (await cli("-p", String(replicaPort), "info", "replication")).includes("master_link_status:up");
  await until(hasData, "the replica has the data of the primary");
  // The sentinel writes what it learns into its configuration.
  const file = join(folder, "sentinel.conf");
  const lines = [
    `port ${sentinelPort}`,
    `bind ${host}`,
    `dir ${folder}`,
    `sentinel monitor mymaster ${host} ${primaryPort} 1`,
    "sentinel down-after-milliseconds mymaster 1000",
    "sentinel failover-timeout mymaster 5000",
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const sentinel = await runServer({
    program: program("redis-sentinel"),
    args: [file],
    cwd: folder,
    ready: sentinelPort,
  });
  // A failover needs the replica, which the sentinel finds out about by asking the primary, and then asks itself.
  const knowsReplica = async () =>
    (await cli("-p", String(sentinelPort), "sentinel", "replicas", "mymaster")).includes("master-link-status\nok");
  await until(knowsReplica, "the sentinel knows the replica");
  const settings = { redisHost: `${host}:${sentinelPort}`, failover: "true", sentinelMasterName: "mymaster" };
  return { host, port: sentinelPort, settings, ...together([primary, replica, sentinel]) };
}

async function until(isMet: () => Promise<boolean>, what: string, withinMs = 30_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await isMet())) {
    if (performance.now() > end) throw new Error(`waited ${withinMs / 1000} s in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
