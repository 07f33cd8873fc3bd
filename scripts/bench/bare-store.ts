import Fastify from "fastify";
import { Redis } from "ioredis";
import pg from "pg";

/**
 * The limit for state behind a server: fastify with the driver's own library and nothing else.
 * `bare-store.ts <port> redis <host:port>` or `bare-store.ts <port> postgres <connection string>`
 */
const [port, kind, address = ""] = process.argv.slice(2);

type Get = (key: string) => Promise<{ readonly value: string | Buffer; readonly etag: string } | undefined>;

function fromRedis(): Get {
  const [host = "", redisPort] = address.split(":");
  const client = new Redis({ host, port: Number(redisPort), enableAutoPipelining: true });
  return async (key) => {
    const [data, version] = await client.hmgetBuffer(key, "data", "version");
    return data ? { value: data, etag: String(version) } : undefined;
  };
}

function fromPostgres(): Get {
  const pool = new pg.Pool({ connectionString: address, max: 10 });
  const text = "SELECT value::text, xmin::text AS etag FROM state WHERE key = $1";
  return async (key) => (await pool.query({ name: "get", text, values: [key] })).rows[0];
}

const get = kind === "redis" ? fromRedis() : fromPostgres();
const server = Fastify();
server.get<{ Params: { key: string } }>("/v1.0/state/:store/:key", async ({ params }, reply) => {
  const found = await get(`bench||${params.key}`);
  if (!found) return reply.code(204).send();
  void reply.header("etag", found.etag).type("application/json");
  return found.value;
});
await server.listen({ host: "127.0.0.1", port: Number(port) });
