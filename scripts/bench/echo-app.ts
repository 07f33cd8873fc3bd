import { createServer } from "node:http";

/** An app for the measurements: echoes, swallows big bodies, and counts the events it is sent. `echo-app.ts <port>` */
let events = 0;
const subscriptions = JSON.stringify([
  { pubsubname: "memory", topic: "events", route: "/event" },
  { pubsubname: "sqlite", topic: "events", route: "/event" },
  { pubsubname: "kafka", topic: "events", route: "/event" },
]);
createServer((request, response) => {
  if (request.url === "/dapr/subscribe") {
    response.writeHead(200, { "content-type": "application/json" }).end(subscriptions);
  } else if (request.url === "/event") {
    request.resume().once("end", () => {
      events++;
      response.writeHead(200).end();
    });
  } else if (request.url === "/events") {
    response.writeHead(200).end(String(events));
  } else if (request.url === "/swallow") {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.once("end", () => response.writeHead(200).end(String(bytes)));
  } else {
    response.writeHead(200, { "content-type": request.headers["content-type"] ?? "text/plain" });
    request.pipe(response);
  }
}).listen(Number(process.argv[2]), "127.0.0.1");
