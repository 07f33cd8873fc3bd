import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { authority, server as serverPair } from "../../test/support/certificates.ts";
import { findProgram } from "./support/find-program.ts";
import { runServer, runTool } from "./support/server-process.ts";
import type { Place, Running, Service } from "./support/service.ts";
import { give, unprivileged } from "./support/unprivileged.ts";

const host = "127.0.0.1";

export default {
  name: "mariadb",
  variants: {
    single: "one server, user `mecha` with password `secret`",
    tls: "the same, which talks to `mecha` over TLS only, with a certificate of its own authority",
  },
  install: { debian: ["mariadb-server"] },
  components: ["state.mysql", "bindings.mysql"],
  find: () => findProgram("mariadbd"),
  start: (place) => (place.variant === "tls" ? startTls(place) : start(place, [], "", {})),
} satisfies Service;

async function start(
  { folder, ports: [port] }: Place,
  more: readonly string[],
  requirement: string,
  settings: Readonly<Record<string, string>>,
): Promise<Running> {
  // It refuses to run as root.
  const user = unprivileged("mysql", "nobody");
  const data = join(folder, "data");
  mkdirSync(data);
  for (const path of [folder, data]) give(path, user);
  const where = { cwd: folder, user };
  const install = ["--no-defaults", `--datadir=${data}`, "--auth-root-authentication-method=normal", "--skip-test-db"];
  await runTool({ ...where, program: findProgram("mariadb-install-db") ?? "mariadb-install-db", args: install });
  const users = join(folder, "users.sql");
  const statements = [
    `CREATE USER IF NOT EXISTS mecha@'%' IDENTIFIED BY 'secret' ${requirement}`,
    "GRANT ALL PRIVILEGES ON *.* TO mecha@'%' WITH GRANT OPTION",
  ];
  writeFileSync(users, `${statements.join(";\n")};\n`);
  const server = await runServer({
    ...where,
    program: findProgram("mariadbd") ?? "mariadbd",
    args: [
      "--no-defaults",
      `--datadir=${data}`,
      `--port=${port}`,
      `--bind-address=${host}`,
      `--socket=${join(folder, "mariadb.sock")}`,
      `--init-file=${users}`,
      "--skip-name-resolve",
      "--max-connections=300",
      "--innodb-buffer-pool-size=64M",
      // What a lost power supply would take is no matter here; what a killed process would take is still kept.
      "--innodb-flush-log-at-trx-commit=2",
      ...more,
    ],
    ready: /ready for connections/,
  });
  const url = `mecha:secret@tcp(${host}:${port})/`;
  return { host, port, settings: { connectionString: url, ...settings }, ...server };
}

async function startTls(place: Place): Promise<Running> {
  const files = { "ca.pem": authority.certificate, "server.pem": serverPair.certificate, "server.key": serverPair.key };
  const user = unprivileged("mysql", "nobody");
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(place.folder, name), text, { mode: 0o600 });
    give(join(place.folder, name), user);
  }
  const { folder } = place;
  const options = [`--ssl-ca=${folder}/ca.pem`, `--ssl-cert=${folder}/server.pem`, `--ssl-key=${folder}/server.key`];
  const running = await start(place, options, "REQUIRE SSL", { pemPath: join(folder, "ca.pem") });
  const connectionString = `${running.settings["connectionString"]}?tls=custom`;
  return { ...running, settings: { ...running.settings, connectionString } };
}
