import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { findProgram } from "../../../../scripts/services/support/find-program.ts";
import { installService } from "../../../../scripts/services/support/install-service.ts";
import type { Place, Service } from "../../../../scripts/services/support/service.ts";
import { startService } from "../../../../scripts/services/support/start-service.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

/** A service that starts nothing. */
const service = (parts: Partial<Service> = {}): Service => ({
  name: "odd",
  variants: { single: "alone", pair: "two" },
  install: { debian: ["odd-server"] },
  components: [],
  find: () => "/usr/bin/odd",
  start: async ({ ports }) => ({
    host: "127.0.0.1",
    port: ports[0],
    settings: {},
    stop: async () => {},
    kill9: async () => {},
    restart: async () => {},
  }),
  ...parts,
});

describe("findProgram", () => {
  test("looks on PATH, then in further folders, the last name first", () => {
    const folder = tempFolder();
    const executable = (version: string) => {
      mkdirSync(join(folder, "bin", version), { recursive: true });
      const path = join(folder, "bin", version, "odd");
      writeFileSync(path, "", { mode: 0o755 });
      return path;
    };
    const [first, second] = [executable("1"), executable("2")];
    expect(findProgram("odd", join(folder, "bin/*"))).toBe(second);
    vi.stubEnv("PATH", join(folder, "bin/1"));
    expect(findProgram("odd", join(folder, "bin/*"))).toBe(first);
    expect(findProgram("no-such-program")).toBeUndefined();
  });
});

describe("installService", () => {
  test("does nothing for a service that is there", async () => {
    expect(await installService(service())).toBeUndefined();
  });

  test("says what to install where it cannot", async () => {
    vi.stubEnv("PATH", "");
    expect(await installService(service({ find: () => undefined }))).toMatch(
      /odd is not on this machine.*install odd-server/,
    );
  });
});

describe("startService", () => {
  test("gives a folder of its own and as many ports as the variant needs", async () => {
    const places: Place[] = [];
    const { start } = service();
    const kept = service({
      ports: (variant) => (variant === "pair" ? 2 : 1),
      start: (place) => {
        places.push(place);
        return start(place);
      },
    });
    const running = await startService(kept, "pair");
    expect(places).toMatchObject([{ variant: "pair", ports: [running.port, expect.any(Number)] }]);
    await running.stop();
  });

  test("takes other ports when somebody was faster", async () => {
    let tries = 0;
    const { start } = service();
    const busy = service({
      start: async (place) => {
        tries += 1;
        if (tries < 3) throw new Error("bind: Address already in use");
        return start(place);
      },
    });
    await (await startService(busy)).stop();
    expect(tries).toBe(3);
  });

  test("tells what a server said that did not start", async () => {
    const broken = service({ start: () => Promise.reject(new Error("odd ended with 1: no such option")) });
    await expect(startService(broken)).rejects.toThrow("no such option");
    await expect(startService(broken, "gold")).rejects.toThrow('odd has no variant "gold"; it has single, pair');
  });
});
