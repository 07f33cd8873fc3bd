import { Type } from "typebox";
import { causeText, fail, MechaError } from "../../specs/errors.ts";
import { type BindingAnswer, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import type { Call } from "../contract/driver.ts";
import { durationMs, integer } from "../contract/settings.ts";
import { measureCall } from "./call-times.ts";
import type { Client } from "./client.ts";
import { rowsToJson } from "./column-json.ts";
import { connectionText, pemPath } from "./connection-settings.ts";
import { openClient } from "./open-client.ts";

const operations = ["exec", "query", "close"] as const;

const defaultConnections = 10;
/** Longest time of a call that has no policy of its own. */
const timeoutMs = 24 * 3_600_000;

export default defineBinding({
  type: "bindings.mysql",
  status: "beta",
  summary: "Runs SQL statements in MySQL or MariaDB. Tested with MariaDB.",
  metadata: Type.Object({
    url: connectionText(
      "; `multiStatements=true` allows several statements in one text, `parseTime=true` writes times as RFC 3339, `clientFoundRows=true` counts rows that were found as affected",
    ),
    pemPath,
    maxIdleConns: integer({
      default: 0,
      description: "Most connections that are kept while nobody uses them; 0: as many as maxOpenConns; less: none.",
    }),
    maxOpenConns: integer({ default: 0, description: `Most connections; 0 or less: ${defaultConnections}.` }),
    connMaxLifetime: durationMs({
      default: 0,
      unit: "s",
      description: "A connection that is so old is not used again; 0: no matter how old.",
    }),
    connMaxIdleTime: durationMs({
      default: 0,
      unit: "s",
      description: "A connection that nobody uses for so long is closed; 0: never.",
    }),
  }),
  capabilities: ["output"],
  async open(settings, context) {
    const { url, maxIdleConns, maxOpenConns, connMaxLifetime, connMaxIdleTime } = settings;
    const maxOpen = maxOpenConns > 0 ? maxOpenConns : defaultConnections;
    const options = {
      setting: "url",
      connection: url,
      pemPath: settings.pemPath,
      timeoutMs,
      prelude: [],
      maxOpen,
      maxIdle: maxIdleConns === 0 ? maxOpen : Math.max(maxIdleConns, 0),
      maxIdleMs: connMaxIdleTime,
      maxLifeMs: connMaxLifetime,
    };
    const { client, address } = await openClient(options, context, async () => {});
    const { parseTime } = address;
    return {
      operations,
      invoke: (request, call) => invoke(client, request, { name: context.name, parseTime }, call),
      ping: async (call) => void (await client.read("SELECT 1", [], call)),
      close: () => client.close(),
    };
  },
});

interface About {
  readonly name: string;
  readonly parseTime: boolean;
}

async function invoke(
  client: Client,
  { operation, metadata }: BindingRequest,
  about: About,
  call: Call,
): Promise<BindingAnswer | undefined> {
  if (!(operations as readonly string[]).includes(operation)) {
    const cause = `operation ${operation} is not one of ${operations.join(", ")}`;
    throw fail("bindingFailed", { name: about.name, cause });
  }
  if (operation === "close") {
    await client.close();
    return undefined;
  }
  const sql = metadata["sql"];
  if (!sql) throw fail("requestMetadataInvalid", { key: "sql", why: "is required; it is the statement to run" });
  const parameters = toParameters(metadata["params"]);
  const finish = measureCall();
  const { data, metadata: found } = await run(client, operation === "exec", sql, parameters, about, call);
  return { data, metadata: { ...found, operation, sql, ...finish() } };
}

async function run(
  client: Client,
  isExec: boolean,
  sql: string,
  parameters: readonly unknown[],
  { name, parseTime }: About,
  call: Call,
): Promise<BindingAnswer> {
  try {
    const { rows, fields, affected } = await client.once(sql, parameters, call);
    if (isExec) return { metadata: { "rows-affected": String(affected) } };
    return { data: Buffer.from(rowsToJson(fields, rows, parseTime)) };
  } catch (error) {
    if (error instanceof MechaError || call.signal?.aborted) throw error;
    throw fail("bindingFailed", { name, cause: causeText(error) }, { cause: error });
  }
}

/** Parameters for the question marks, from a JSON array; objects and arrays go as JSON texts. */
function toParameters(written: string | undefined): readonly unknown[] {
  if (written === undefined || written === "") return [];
  let parameters: unknown;
  try {
    parameters = JSON.parse(written);
  } catch (error) {
    throw invalid(`is not JSON: ${causeText(error)}`);
  }
  if (!Array.isArray(parameters)) throw invalid("must be a JSON array");
  return parameters.map((one: unknown) => (typeof one === "object" && one !== null ? JSON.stringify(one) : one));
}

const invalid = (why: string) =>
  fail("requestMetadataInvalid", { key: "params", why: `${why}; write one value per question mark, like ["a", 1]` });
