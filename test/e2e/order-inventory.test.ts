import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { runOrderInventory } from "../../examples/order-inventory/runner/run-order-inventory.ts";
import { requireTool } from "../support/services.ts";
import { tempFolder } from "../support/temp-folder.ts";

// Where they are missing, the example runs their services in TypeScript, and the summary of the tests says so.
requireTool("python3");
requireTool("go");

const quiet = { once: true, quiet: true } as const;

it("every order has one outcome, nothing is sold twice, and a second run changes nothing", async () => {
  const folder = tempFolder();
  const first = await runOrderInventory({ ...quiet, folder, orders: 200 });
  expect(first.mistakes).toEqual([]);
  expect(first.confirmed + first.rejected).toBe(first.orders);
  expect(first.duplicatesIgnored).toBe(first.sent - first.orders);
  expect(first.flowMs?.p99).toBeGreaterThan(0);

  const second = await runOrderInventory({ ...quiet, folder, orders: 200, keep: true });
  expect(second.mistakes).toEqual([]);
  expect(second.duplicatesIgnored).toBe(second.sent);
  expect(second.stock).toEqual(first.stock);
});

it("the TypeScript twins of the Python and the Go service do the same", async () => {
  const report = await runOrderInventory({ ...quiet, folder: tempFolder(), orders: 100, onlyNode: true });
  expect(report.mistakes).toEqual([]);
  expect(report.confirmed + report.rejected).toBe(report.orders);
});

it("nothing is lost and nothing oversold while sidecars are killed at 50 random moments", async () => {
  const seed = Number(process.env["MECHA_CHAOS_SEED"] ?? Date.now() % 2 ** 32);
  const report = await runOrderInventory({ ...quiet, folder: tempFolder(), chaos: { kills: 50, seed } });
  expect(report.mistakes, `MECHA_CHAOS_SEED=${seed} repeats the kills`).toEqual([]);
  expect(report.kills).toBe(50);
  expect(report.confirmed + report.rejected).toBe(report.orders);
  expect(report.orders).toBe(940);
});

it("a run that stays up ends in order when it is interrupted, with the verdict on the books as its exit code", async () => {
  const run = resolve(import.meta.dirname, "../../examples/order-inventory/run.ts");
  const child = spawn(process.execPath, [run, "--folder", tempFolder(), "--orders", "40"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    output += chunk;
    if (output.includes("Logs of the services")) break;
  }
  const url = /sidecar (http:\S+)/.exec(output)?.[1];
  expect((await fetch(`${url}/v1.0/healthz`)).status).toBe(204);
  child.kill("SIGINT");
  expect(await new Promise((ended) => child.once("exit", ended))).toBe(0);
  await expect(fetch(`${url}/v1.0/healthz`)).rejects.toThrow();
});
