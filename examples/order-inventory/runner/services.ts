import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One of the example's services, and how it is started on this machine. */
export interface Service {
  readonly appId: "orders" | "inventory" | "notifications";
  readonly language: string;
  readonly command: readonly [program: string, ...args: string[]];
  /** Why it is not the language it was written in first. */
  readonly note?: string;
}

const example = join(import.meta.dirname, "..");
const cache = join(example, "../../.cache/order-inventory");

/** Picks a program for each service: the TypeScript twin where Python or Go is missing, or with `onlyNode`. */
export function findServices(onlyNode: boolean, say: (line: string) => void): readonly Service[] {
  return [
    { appId: "orders", language: "TypeScript", command: [process.execPath, join(example, "orders.ts")] },
    onlyNode ? twin("inventory", "asked for") : pythonInventory(),
    onlyNode ? twin("notifications", "asked for") : goNotifications(say),
  ];
}

function twin(appId: "inventory" | "notifications", note: string): Service {
  return { appId, language: "TypeScript", command: [process.execPath, join(example, `${appId}.ts`)], note };
}

function pythonInventory(): Service {
  const found = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 8))"]);
  if (found.status !== 0) return twin("inventory", "Python 3.8 or later is not here");
  return { appId: "inventory", language: "Python", command: ["python3", join(example, "inventory.py")] };
}

/** Built once for each version of the source. */
function goNotifications(say: (line: string) => void): Service {
  const source = join(example, "notifications.go");
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 12);
  const program = join(cache, `notifications-${hash}${process.platform === "win32" ? ".exe" : ""}`);
  if (!existsSync(program)) {
    if (spawnSync("go", ["version"]).status !== 0) return twin("notifications", "Go is not here");
    say("building notifications.go; the first time this takes some seconds");
    mkdirSync(cache, { recursive: true });
    const env = { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "", GOWORK: "off" };
    const built = spawnSync("go", ["build", "-o", program, source], { env, encoding: "utf8" });
    if (built.status !== 0)
      return twin("notifications", `go build failed: ${(built.stderr ?? "").trim().slice(0, 200)}`);
  }
  return { appId: "notifications", language: "Go", command: [program] };
}
