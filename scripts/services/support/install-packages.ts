// `node install-packages.ts <service>` installs the packages of one service unless they are there. A process of its own,
// so that a lock around it lets one run at a time.
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { runVisibly } from "../../clients/run-visibly.ts";
import type { Install } from "./service.ts";
import { clearFolder, markInstalled, serviceFolder } from "./service-folder.ts";
import { loadService } from "./start-service.ts";

const steps: {
  readonly [K in keyof Required<Install>]: (packages: readonly string[], folder: string) => Promise<void>;
} = { debian: fromDebian, maven: fromMaven, pypi: fromPypi, npm: fromNpm, go: fromGo };

async function install(name: string): Promise<void> {
  const service = await loadService(name);
  // Somebody else has done it while this process waited.
  if (service.find() !== undefined) return;
  const { debian, ...others } = service.install;
  if (debian) await fromDebian(debian);
  if (Object.keys(others).length === 0) return;
  clearFolder(name);
  const folder = serviceFolder(name);
  mkdirSync(folder, { recursive: true });
  for (const [kind, packages] of Object.entries(others)) await steps[kind as keyof Install](packages, folder);
  markInstalled(name, service.install);
}

async function fromDebian(packages: readonly string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const command = ["apt-get", "install", "-y", "--no-install-recommends", ...packages] as const;
  const run = () => withoutServices(() => runVisibly("Debian packages", [...command], { env }));
  try {
    await run();
  } catch {
    // The package lists are old or absent.
    await runVisibly("reading the package lists", ["apt-get", "update"], { env });
    await run();
  }
}

/** Debian starts a server when it is installed; tests start their own. */
async function withoutServices(act: () => Promise<void>): Promise<void> {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return act();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  await act().finally(() => rmSync(policy, { force: true }));
}

async function fromMaven(artifacts: readonly string[], folder: string): Promise<void> {
  const dependencies = artifacts.map((artifact) => {
    const [group, id, version] = artifact.split(":");
    return `<dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version></dependency>`;
  });
  writeFileSync(
    join(folder, "pom.xml"),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>service</groupId><artifactId>service</artifactId><version>1</version>
<dependencies>${dependencies.join("\n")}</dependencies></project>\n`,
  );
  const copy = ["dependency:copy-dependencies", `-DoutputDirectory=${join(folder, "lib")}`];
  await runVisibly("Maven artifacts", ["mvn", "--batch-mode", "--no-transfer-progress", ...copy], { cwd: folder });
}

async function fromPypi(requirements: readonly string[], folder: string): Promise<void> {
  const venv = join(folder, "venv");
  await runVisibly("Python environment", ["python3", "-m", "venv", venv]);
  const pip = [join(venv, "bin/python"), "-m", "pip", "install", "--disable-pip-version-check"] as const;
  await runVisibly("Python packages", [...pip, ...requirements]);
}

async function fromNpm(packages: readonly string[], folder: string): Promise<void> {
  writeFileSync(join(folder, "package.json"), '{"private":true}\n');
  await runVisibly("npm packages", ["npm", "install", "--no-audit", "--no-fund", "--save-exact", ...packages], {
    cwd: folder,
  });
}

async function fromGo(packages: readonly string[], folder: string): Promise<void> {
  const bin = join(folder, "bin");
  // The Go that is there or none: it would fetch another one without a word.
  const env = { GOTOOLCHAIN: "local", GOBIN: bin };
  for (const one of packages) {
    const module = resolve(import.meta.dirname, "..", one);
    const isOurs = existsSync(join(module, "go.mod"));
    const command = isOurs ? (["go", "install", "."] as const) : (["go", "install", one] as const);
    await runVisibly(`Go program ${one}`, [...command], { env, ...(isOurs ? { cwd: module } : {}) });
  }
}

// Its path is what `flock` runs.
if (import.meta.main) await install(process.argv[2] ?? "");
