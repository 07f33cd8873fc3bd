import Fastify from "fastify";

/** The limit for the HTTP wire: the same answer from fastify alone. `bare-fastify.ts <port>` */
const value = Buffer.from(process.env["VALUE"] ?? '"value"');
const server = Fastify();
server.get("/v1.0/state/:store/:key", async (_request, reply) => {
  void reply.header("etag", "1").type("application/json");
  return value;
});
await server.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
