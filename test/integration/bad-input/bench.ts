import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { HttpReply } from "../../support/http-call.ts";
import { component, type InProcessSidecar, startInProcess } from "../../support/in-process-sidecar.ts";

/** A sidecar with a component of every kind, each in memory where there is such a one. */
export async function startBench(): Promise<InProcessSidecar> {
  const files = mkdtempSync(join(tmpdir(), "mecha-bad-input-"));
  const bench = await startInProcess({
    args: ["--max-body-size", "64Ki"],
    resources: {
      "store.yaml": component("store", "state.in-memory"),
      "bus.yaml": component("bus", "pubsub.in-memory"),
      "files.yaml": component("files", "bindings.localstorage", { rootPath: files }),
      "vault.yaml": component("vault", "secretstores.local.env"),
      "config.yaml": component("config", "configuration.in-memory"),
      "locks.yaml": component("locks", "lock.in-memory"),
      "keys.yaml": component("keys", "crypto.in-memory"),
      "echo.yaml": component("echo", "conversation.echo"),
    },
  });
  return {
    ...bench,
    async stop() {
      await bench.stop();
      rmSync(files, { recursive: true, force: true });
    },
  };
}

/** Both wires still do their work. */
export async function expectAlive(bench: InProcessSidecar): Promise<void> {
  const key = `alive-${Math.random()}`;
  const saved = await bench.http({
    verb: "POST",
    path: "/v1.0/state/store",
    body: JSON.stringify([{ key, value: 1 }]),
  });
  expect(saved.status).toBe(204);
  const { code, messages } = await bench.grpc.callRaw("/dapr.proto.runtime.v1.Dapr/GetState", [
    Buffer.concat([Buffer.from([0x0a, 5]), Buffer.from("store"), Buffer.from([0x12, key.length]), Buffer.from(key)]),
  ]);
  expect([code, messages.length]).toEqual([0, 1]);
}

/** Words that only our own mistakes would bring into a message. */
export const betrayals =
  /cannot read prop|is not a function|is not iterable|undefined|maximum call stack|\[object|at .*\.ts:\d+|cannot (mix|convert)/i;

/** An error as the API publishes it, in words for people. */
export function expectErrorForm(reply: HttpReply): void {
  if (reply.headers["content-type"]?.startsWith("text/plain")) {
    expect(reply.status).toBe(400);
    expect(reply.text).not.toBe("");
    return;
  }
  expect(reply.headers["content-type"]).toBe("application/json");
  const { errorCode, message, details } = reply.json() as { errorCode?: unknown; message?: unknown; details?: unknown };
  expect(errorCode).toMatch(/^(ERR|DAPR)_[A-Z_]+$/);
  expect(message).toMatch(/\S/);
  expect(message).not.toMatch(betrayals);
  if (details !== undefined)
    expect(details).toEqual(expect.arrayContaining([expect.objectContaining({ "@type": expect.any(String) })]));
}
