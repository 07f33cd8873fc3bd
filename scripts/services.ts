// `npm run services -- redis postgres:single`: starts real servers from their packages, prints how to reach each and a
// component for each type that can use it, and keeps them running until Ctrl-C. Without a name it lists them.
import { stringify } from "yaml";
import { installService } from "./services/support/install-service.ts";
import type { Running, Service } from "./services/support/service.ts";
import { loadService, serviceNames, startService } from "./services/support/start-service.ts";

const asked = process.argv.slice(2);
const running: Running[] = [];

if (asked.length === 0) await list();
else await run();

async function list(): Promise<void> {
  console.log("usage: npm run services -- <name>[:<variant>] ...\n");
  for (const name of serviceNames) {
    const { variants, find } = await loadService(name);
    console.log(`${name}${find() === undefined ? " (not installed; it will be)" : ""}`);
    for (const [variant, about] of Object.entries(variants)) console.log(`  ${name}:${variant}  ${about}`);
  }
}

async function run(): Promise<void> {
  const stopped = stopOnSignal();
  try {
    for (const word of asked) await start(word);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    await stopAll();
    process.exit(1);
  }
  console.log("# running; Ctrl-C stops and forgets everything");
  await stopped;
  await stopAll();
}

async function start(word: string): Promise<void> {
  const [name = "", variant] = word.split(":");
  const service = await loadService(name);
  const missing = await installService(service);
  if (missing !== undefined) throw new Error(missing);
  const server = await startService(service, variant);
  running.push(server);
  print(word, service, server);
}

function print(word: string, { name, components }: Service, { host, port, settings }: Running): void {
  console.log(`# ${word} listens on ${host}:${port}`);
  const metadata = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
  for (const type of components) {
    const component = {
      apiVersion: "dapr.io/v1alpha1",
      kind: "Component",
      metadata: { name: `${name}-${type.split(".")[0]}` },
      spec: { type, version: "v1", metadata },
    };
    console.log(`---\n${stringify(component).trimEnd()}`);
  }
}

/** Settles at the first Ctrl-C or termination; the next one ends at once. */
function stopOnSignal(): Promise<void> {
  return new Promise((resolve) => {
    const keepAlive = setInterval(() => {}, 60_000);
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        clearInterval(keepAlive);
        resolve();
      });
    }
  });
}

async function stopAll(): Promise<void> {
  await Promise.allSettled(running.splice(0).map((server) => server.stop()));
}
