import { expect, test } from "vitest";
import { wantsColors } from "../../../../sidecar/cli/context.ts";

test.each([
  [true, {}, true],
  [false, {}, false],
  [true, { NO_COLOR: "1" }, false],
  [true, { NO_COLOR: "" }, true],
  [true, { TERM: "dumb" }, false],
  [false, { FORCE_COLOR: "1" }, true],
  [true, { FORCE_COLOR: "0" }, false],
  [false, { FORCE_COLOR: "1", NO_COLOR: "1" }, false],
])("with a terminal: %s and %j there are colours: %s", (isTerminal, env, expected) => {
  expect(wantsColors(isTerminal, env)).toBe(expected);
});
