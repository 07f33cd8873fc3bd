import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePorts } from "../../bench/processes.ts";
import type { Running, Service } from "./service.ts";

const folder = resolve(import.meta.dirname, "..");

/** Names of all services: the files of scripts/services. */
export const serviceNames: readonly string[] = readdirSync(folder)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length))
  .sort();

/** Throws with the names there are when there is no such service. */
export async function loadService(name: string): Promise<Service> {
  if (!serviceNames.includes(name)) {
    throw new Error(`there is no service ${JSON.stringify(name)}; there are ${serviceNames.join(", ")}`);
  }
  const module = (await import(join(folder, `${name}.ts`))) as { readonly default: Service };
  return module.default;
}

/**
 * Starts an installed service on free ports, in a new folder that goes when it stops.
 * @param variant default: the service's first
 */
export async function startService(
  service: Service,
  variant = Object.keys(service.variants)[0] ?? "",
): Promise<Running> {
  if (!(variant in service.variants)) {
    const known = Object.keys(service.variants).join(", ");
    throw new Error(`${service.name} has no variant ${JSON.stringify(variant)}; it has ${known}`);
  }
  for (let attempt = 1; ; attempt += 1) {
    const place = mkdtempSync(join(tmpdir(), `mecha-${service.name}-`));
    const clean = () => rmSync(place, { recursive: true, force: true, maxRetries: 5 });
    try {
      const ports = (await freePorts(service.ports?.(variant) ?? 1)) as [number, ...number[]];
      const running = await service.start({ folder: place, ports, variant });
      return {
        ...running,
        async stop() {
          await running.stop();
          clean();
        },
      };
    } catch (error) {
      clean();
      // Somebody else was faster to take the port.
      if (attempt === 3 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}
