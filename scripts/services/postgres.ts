import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { findProgram } from "./support/find-program.ts";
import { runServer, runTool } from "./support/server-process.ts";
import type { Service } from "./support/service.ts";
import { give, unprivileged } from "./support/unprivileged.ts";

export default {
  name: "postgres",
  variants: { single: "one server, user `postgres` without a password" },
  install: { debian: ["postgresql"] },
  components: ["state.postgresql", "configuration.postgresql", "bindings.postgresql"],
  find: () => findProgram("postgres", "/usr/lib/postgresql/*/bin"),
  async start({ folder, ports: [port] }) {
    // It refuses to run as root.
    const user = unprivileged("postgres", "nobody");
    const data = join(folder, "data");
    mkdirSync(data);
    give(folder, user);
    give(data, user);
    const program = findProgram("postgres", "/usr/lib/postgresql/*/bin") ?? "postgres";
    const initdb = findProgram("initdb", "/usr/lib/postgresql/*/bin", dirname(program)) ?? "initdb";
    const where = { cwd: folder, user, env: { LC_ALL: "C.UTF-8" } };
    await runTool({
      ...where,
      program: initdb,
      args: ["-D", data, "-U", "postgres", "--auth=trust", "-N", "-E", "UTF8"],
    });
    const parameters = [
      "listen_addresses=127.0.0.1",
      "max_connections=200",
      // What a lost power supply would take is no matter here; what a killed process would take is still kept.
      "fsync=off",
      "timezone=UTC",
    ];
    const server = await runServer({
      ...where,
      program,
      args: ["-D", data, "-p", String(port), "-k", folder, ...parameters.flatMap((parameter) => ["-c", parameter])],
      ready: /database system is ready to accept connections/,
      // Fast shutdown: clients are cut off, as by a restart that nobody announced.
      stopSignal: "SIGINT",
    });
    const settings = { connectionString: `postgres://postgres@127.0.0.1:${port}/postgres?sslmode=disable` };
    return { host: "127.0.0.1", port, settings, ...server };
  },
} satisfies Service;
