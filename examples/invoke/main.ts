// Calls another app by its name, through two sidecars.
import assert from "node:assert/strict";
import { createClient, MechaClientError } from "@mecha/sdk";

await using client = createClient();

interface Greeting {
  readonly text: string;
  readonly verb: string;
}

// Verb, path, query, headers and body arrive as they are sent.
const answer = await client.invoke("greeter", "greet", { verb: "PUT", query: { time: "morning" } });
const greeting = await answer.json<Greeting>();
assert.deepEqual(greeting, { text: "Good morning, caller!", verb: "PUT" });
console.log("greeter says:", greeting.text);

// An app id in a header makes any HTTP client do: the path is then that of the app itself.
const sidecar = `http://127.0.0.1:${process.env["DAPR_HTTP_PORT"]}`;
const plain = await fetch(`${sidecar}/greet?time=evening`, { headers: { "dapr-app-id": "greeter" } });
assert.equal(((await plain.json()) as Greeting).text, "Good evening, caller!");
console.log("and to plain HTTP:", plain.status);

// What the app answers is what the caller gets, failures included.
const refused = await client.invoke("greeter", "no-such-method").catch((error) => error);
assert.ok(refused instanceof MechaClientError);
assert.equal(refused.httpStatus, 404);
assert.equal(Buffer.from(refused.body ?? []).toString(), "nothing here");

// Nobody of that name.
await assert.rejects(client.invoke("nobody", "greet"), MechaClientError);
console.log("done");
