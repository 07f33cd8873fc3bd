import fc from "fast-check";
import { expect, test } from "vitest";
import { closest, didYouMean } from "../../../../sidecar/kernel/did-you-mean.ts";

test.each([
  ["nmae", ["name", "value"], "name"],
  ["redisHost", ["redishost"], "redishost"],
  ["redis_host", ["redisHost"], "redisHost"],
  ["app-prot", ["app-protocol", "app-port"], "app-port"],
  ["warning", ["debug", "warn"], "warn"],
  ["meta", ["name", "metadata"], "metadata"],
  ["vale", ["name", "value"], "value"],
  ["ab", ["cd", "xy"], undefined],
  ["banana", ["name", "value"], undefined],
  ["x", [], undefined],
])("%s among %j means %s", (word, candidates, meant) => {
  expect(closest(word, candidates)).toBe(meant);
});

test("the suggestion is a question, and there is none when nothing is close", () => {
  expect(didYouMean("nmae", ["name"])).toBe('did you mean "name"?');
  expect(didYouMean("banana", ["name"])).toBeUndefined();
});

test("a word with one letter too many is found again", () => {
  const words = ["initTimeout", "ignoreErrors", "secretKeyRef", "deadLetterTopic"];
  fc.assert(
    fc.property(fc.constantFrom(...words), fc.nat(10), fc.constantFrom("q", "z"), (word, at, letter) => {
      expect(closest(word.slice(0, at) + letter + word.slice(at), words)).toBe(word);
    }),
  );
});
