import { Type } from "typebox";
import { fail } from "../../specs/errors.ts";
import { type BindingAnswer, type BindingRequest, defineBinding } from "../contract/bindings.ts";
import type { Call } from "../contract/driver.ts";
import { type Client, openClient } from "./client.ts";
import type { Argument } from "./script.ts";
import { script } from "./script.ts";
import { connectionSettings } from "./settings.ts";

const operations = ["create", "get", "delete", "increment"] as const;

/** KEYS: the key; ARGV: milliseconds to live. */
const incrementScript = script(`
local value = redis.call('INCR', KEYS[1])
if tonumber(ARGV[1]) > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return value
`);

export default defineBinding({
  type: "bindings.redis",
  status: "beta",
  summary: "Sets, reads, deletes and counts up keys of Redis.",
  metadata: Type.Object(connectionSettings({ redisMinRetryInterval: 8, redisMaxRetryInterval: 512 })),
  capabilities: ["output"],
  async open(settings, context) {
    const client = await openClient(settings, context);
    return {
      operations,
      invoke: (request, call) => perform(client, request, call),
      ping: (call) => client.ping(call),
      close: () => client.close(),
    };
  },
});

async function perform(
  client: Client,
  { operation, data, metadata }: BindingRequest,
  call: Call,
): Promise<BindingAnswer | undefined> {
  if (!operations.some((known) => known === operation)) {
    throw fail("unimplemented", { what: `operation ${operation} (one of ${operations.join(", ")})` });
  }
  const key = metadata["key"] ?? "";
  if (key === "") throw fail("requestMetadataInvalid", { key: "key", why: `${operation} needs the key in Redis` });
  const ttlMs = readTtlMs(metadata["ttlInSeconds"]);
  const ask = (name: string, ...args: readonly Argument[]) =>
    client.send((connection) => connection.callBuffer(name, key, ...args) as Promise<Buffer | null>, call);
  switch (operation) {
    case "create":
      await ask("SET", Buffer.from(data.buffer, data.byteOffset, data.byteLength), ...(ttlMs > 0 ? ["PX", ttlMs] : []));
      return undefined;
    case "get": {
      const isLast = metadata["delete"]?.toLowerCase() === "true";
      const once = { once: isLast };
      const name = isLast ? "GETDEL" : "GET";
      const found = (await client.send((connection) => connection.callBuffer(name, key), call, once)) as Buffer | null;
      return found ? { data: found } : undefined;
    }
    case "delete":
      await ask("DEL");
      return undefined;
    default: {
      const value = await client.run(incrementScript, [key], [ttlMs], call, { once: true });
      return { data: Buffer.from(String(value)) };
    }
  }
}

function readTtlMs(written: string | undefined): number {
  if (written === undefined || written === "") return 0;
  const seconds = Number(written);
  if (Number.isSafeInteger(seconds)) return Math.max(0, seconds) * 1000;
  throw fail("requestMetadataInvalid", {
    key: "ttlInSeconds",
    why: `must be a whole number of seconds, got ${JSON.stringify(written)}`,
  });
}
