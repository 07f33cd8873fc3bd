// An app that others call by its name. It knows nothing of a sidecar.
import { createServer } from "node:http";

createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://here");
  if (pathname !== "/greet") return void response.writeHead(404).end("nothing here");
  const caller = request.headers["dapr-caller-app-id"];
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ text: `Good ${searchParams.get("time")}, ${caller}!`, verb: request.method }));
}).listen(Number(process.env["APP_PORT"]), "127.0.0.1");
