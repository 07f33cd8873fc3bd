import { Type } from "typebox";
import { causeText, fail, MechaError } from "../../specs/errors.ts";
import { type BindingAnswer, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import type { Call } from "../contract/driver.ts";
import type { Client } from "./client.ts";
import { rowsToJson } from "./column-json.ts";
import { openClient } from "./open-client.ts";
import { clientSettings } from "./settings.ts";

const operations = ["exec", "query", "close"] as const;
type Operation = (typeof operations)[number];

export default defineBinding({
  type: "bindings.postgresql",
  aliases: ["bindings.postgres"],
  status: "beta",
  summary: "Runs SQL statements in PostgreSQL.",
  metadata: Type.Object({ ...clientSettings }),
  capabilities: ["output"],
  async open(settings, context) {
    const client = await openClient(settings, context);
    return {
      operations,
      invoke: (request, call) => invoke(client, request, context.name, call),
      ping: async (call) => void (await client.read("SELECT 1", [], call)),
      close: () => client.close(),
    };
  },
});

async function invoke(
  client: Client,
  { operation, metadata }: BindingRequest,
  name: string,
  call: Call,
): Promise<BindingAnswer | undefined> {
  if (!(operations as readonly string[]).includes(operation)) {
    throw fail("bindingFailed", { name, cause: `operation ${operation} is not one of ${operations.join(", ")}` });
  }
  if (operation === "close") {
    await client.close();
    return undefined;
  }
  const sql = metadata["sql"];
  if (!sql) throw fail("requestMetadataInvalid", { key: "sql", why: "is required; it is the statement to run" });
  const parameters = toParameters(metadata["params"]);
  const started = process.hrtime.bigint();
  const startTime = nowText();
  const answered = await run(client, operation as Operation, sql, parameters, name, call);
  const elapsed = process.hrtime.bigint() - started;
  return {
    data: answered.data,
    metadata: {
      ...answered.metadata,
      operation,
      sql,
      "start-time": startTime.text,
      "end-time": textOf(startTime.nanoseconds + elapsed),
      duration: durationText(elapsed),
    },
  };
}

async function run(
  client: Client,
  operation: Operation,
  sql: string,
  parameters: readonly unknown[],
  name: string,
  call: Call,
): Promise<BindingAnswer> {
  try {
    const results = await client.once(sql, parameters, call);
    // Several statements in one text give several results; the last one answers.
    const result = Array.isArray(results) ? results.at(-1) : results;
    if (operation === "exec") return { metadata: { "rows-affected": String(result.rowCount ?? 0) } };
    return { data: Buffer.from(rowsToJson(result.fields, result.rows)) };
  } catch (error) {
    if (error instanceof MechaError || call.signal?.aborted) throw error;
    throw fail("bindingFailed", { name, cause: causeText(error) }, { cause: error });
  }
}

/** Parameters for $1, $2 and so on, from a JSON array; objects and arrays go as JSON texts. */
function toParameters(written: string | undefined): readonly unknown[] {
  if (written === undefined || written === "") return [];
  let parameters: unknown;
  try {
    parameters = JSON.parse(written);
  } catch (error) {
    throw invalid(`is not JSON: ${causeText(error)}`);
  }
  if (!Array.isArray(parameters)) throw invalid("must be a JSON array");
  return parameters.map((one: unknown) => {
    if (typeof one === "object" && one !== null) return JSON.stringify(one);
    return one === null ? null : String(one);
  });
}

const invalid = (why: string) =>
  fail("requestMetadataInvalid", { key: "params", why: `${why}; write one value per $1, $2, …, like ["a", 1]` });

function nowText() {
  const nanoseconds = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
  return { nanoseconds, text: textOf(nanoseconds) };
}

/** RFC 3339 with as many digits of the second as there are. */
function textOf(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  const fraction = String(nanoseconds % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${seconds}${fraction === "" ? "" : `.${fraction}`}Z`;
}

/** As Go writes a duration: `1.5ms`, `2m3s`. */
function durationText(nanoseconds: bigint): string {
  const units: readonly (readonly [string, number])[] = [
    ["ns", 1],
    ["µs", 1e3],
    ["ms", 1e6],
    ["s", 1e9],
  ];
  const total = Number(nanoseconds);
  if (total < 60e9) {
    const [unit, size] = units.findLast(([, one]) => total >= one) ?? ["ns", 1];
    return `${total / size}${unit}`;
  }
  const minutes = Math.floor(total / 60e9);
  const hours = Math.floor(minutes / 60);
  return `${hours > 0 ? `${hours}h` : ""}${minutes % 60}m${(total % 60e9) / 1e9}s`;
}
