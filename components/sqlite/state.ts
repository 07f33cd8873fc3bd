import { randomUUID } from "node:crypto";
import { Type } from "typebox";
import { causeText, fail } from "../../specs/errors.ts";
import type { Call, OpenContext } from "../contract/driver.ts";
import { lazyJournal } from "../contract/journal.ts";
import { QueryEvaluation } from "../contract/query.ts";
import { durationMs, text } from "../contract/settings.ts";
import { defineStateStore, type QueryPage, type QueryRequest, type StateOperation } from "../contract/state.ts";
import { type Client, clientSettings, openClient } from "./client.ts";
import { journalSteps, openJournal } from "./journal.ts";
import { prepareWrite, StateTable, stateTableSteps } from "./state-table.ts";

export default defineStateStore({
  type: "state.sqlite",
  aliases: ["state.sqlite3"],
  status: "beta",
  summary: "Keeps values in a SQLite file; several sidecars of one machine may share it.",
  metadata: Type.Object({
    ...clientSettings,
    tableName: text({ default: "state", description: "Table of the values." }),
    metadataTableName: text({ default: "metadata", description: "Table that records the layout." }),
    cleanupInterval: Type.Optional(
      durationMs({
        unit: "s",
        description: "How often ended values are deleted from the file; default: never, in mecha.db each hour.",
      }),
    ),
  }),
  capabilities: ["etag", "ttl", "transaction", "bulkGet", "query", "journal"],
  async open(settings, context) {
    const { tableName, metadataTableName } = settings;
    const migrations = tableName === "state" ? "migrations" : `migrations-${tableName}`;
    const client = await openClient(settings, context, (opened) =>
      opened.migrate(migrations, stateTableSteps(tableName), metadataTableName),
    );
    const table = await openTable(client, tableName);
    const journal = lazyJournal(async () => {
      const name = `${tableName}_journal`;
      await client.migrate(`migrations-${name}`, journalSteps(name), metadataTableName);
      return openJournal(client, name);
    });
    const { clock } = context;
    const write = (operation: StateOperation, call: Call) => {
      const prepared = prepareWrite(operation);
      return client.write(() => table.apply(prepared, clock.now()), call);
    };
    const hourly = settings.connectionString.trim() === "" ? 3_600_000 : 0;
    const stopSweeping = sweepEvery(settings.cleanupInterval ?? hourly, client, table, context);
    return {
      get: (key, _options, call) => client.read(() => table.find(key, clock.now()), call),
      set: (key, data, options, call) => write({ kind: "set", key, data, options }, call),
      delete: (key, options, call) => write({ kind: "delete", key, options }, call),
      transact: (operations, call) => {
        const writes = operations.map(prepareWrite);
        return client.write(
          () => {
            for (const one of writes) table.apply(one, clock.now());
          },
          call,
          { atomic: true },
        );
      },
      getMany: (keys, _options, call) => client.read(() => keys.map((key) => table.find(key, clock.now())), call),
      list: async ({ prefix, cursor, limit }, call) => {
        const keys = await client.read(() => table.keys(prefix, cursor, limit + 1, clock.now()), call);
        if (keys.length <= limit) return { keys };
        const page = keys.slice(0, limit);
        return { keys: page, cursor: page.at(-1) };
      },
      query: (request, call) => runQuery(client, table, request, context, call),
      journal,
      async close() {
        stopSweeping();
        await client.close();
      },
    };
  },
});

/** Compiles the statements, which fails for a table that another program laid out differently. */
async function openTable(client: Client, name: string): Promise<StateTable> {
  try {
    return new StateTable(client, name, randomUUID);
  } catch (error) {
    await client.close();
    throw fail(
      "openFailed",
      { why: `tableName: table ${name} has another layout: ${causeText(error)}` },
      { cause: error },
    );
  }
}

/** So many rows are read or deleted before other work gets its turn. */
const slice = 500;

/** Reads the range of the prefix from the index and evaluates in slices, so that a large table holds nobody up. */
async function runQuery(
  client: Client,
  table: StateTable,
  request: QueryRequest,
  { clock }: OpenContext,
  call: Call,
): Promise<QueryPage> {
  const evaluation = new QueryEvaluation(request);
  let after = evaluation.after;
  for (;;) {
    const start = after;
    const candidates = await client.read(() => table.candidates(request.prefix, start, slice, clock.now()), call);
    const isOpen = candidates.every((candidate) => evaluation.offer(candidate));
    if (!isOpen || candidates.length < slice) return evaluation.page();
    after = candidates.at(-1)?.key;
    await new Promise<void>((resolve) => setImmediate(resolve));
    call.signal?.throwIfAborted();
  }
}

/** Deletes ended values every `ms`; 0: never. Ends when the returned function is called. */
function sweepEvery(ms: number, client: Client, table: StateTable, { clock, log }: OpenContext): () => void {
  if (ms <= 0) return () => {};
  let cancel = () => {};
  let stopped = false;
  const sweep = async () => {
    for (let deleted = slice; deleted === slice && !stopped; ) {
      deleted = await client.write(() => table.sweep(slice, clock.now()), {}, { durable: false });
    }
  };
  const later = () => {
    cancel = clock.after(ms, () => {
      sweep()
        .catch((error: unknown) => log.warn(`ended values could not be deleted: ${causeText(error)}`))
        .finally(() => stopped || later());
    });
  };
  later();
  return () => {
    stopped = true;
    cancel();
  };
}
