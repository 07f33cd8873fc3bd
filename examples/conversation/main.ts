// Talks to a language model, and lets it ask for a tool.
import assert from "node:assert/strict";
import { createClient } from "@mecha/sdk";

await using client = createClient();
const llm = client.conversation("echo");

const { choices, usage } = await llm.converse([{ role: "user", content: "Name a fruit." }]);
assert.equal(choices[0]?.content, "Name a fruit.");
console.log("answer:", choices[0].content, usage);

// A tool is described by a JSON Schema. The model does not call it: it says what it would call, and the program decides.
const weather = {
  name: "weather",
  description: "Tells the weather of a city",
  parameters: { type: "object", properties: { city: { type: "string", default: "Lima" } }, required: ["city"] },
};
const asked = await llm.converse([{ role: "user", content: "What is the weather like?" }], { tools: [weather] });
const [call] = asked.choices[0]?.toolCalls ?? [];
assert.ok(call);
assert.equal(call.name, "weather");
assert.deepEqual(JSON.parse(call.arguments), { city: "Lima" });
console.log("the model wants", call.name, call.arguments);

const told = await llm.converse(
  [
    { role: "user", content: "What is the weather like?" },
    { role: "assistant", content: "", toolCalls: [call] },
    { role: "tool", name: call.name, toolId: call.id, content: "Sunny, 24 degrees" },
  ],
  { toolChoice: "none" },
);
assert.match(told.choices[0]?.content ?? "", /Sunny/);
console.log("answer:", told.choices[0]?.content.trim());
