import { expect, test } from "vitest";
import { retryPause } from "../../../../components/jetstream/retry-pause.ts";
import type { GroupSettings } from "../../../../components/jetstream/settings.ts";

const pauses = (settings: Partial<GroupSettings>) =>
  [1, 2, 3, 9].map(retryPause({ backOff: [], ...settings } as unknown as GroupSettings));

test("the pauses of backOff come one after the other, the last one for all further attempts", () => {
  expect(pauses({ backOff: ["500ms", "1m30s"], ackWait: 7 })).toEqual([500, 90_000, 90_000, 90_000]);
});

test("without backOff the pause is ackWait, without that a second", () => {
  expect(pauses({ ackWait: 7000 })).toEqual([7000, 7000, 7000, 7000]);
  expect(pauses({})).toEqual([1000, 1000, 1000, 1000]);
});

test.each(["5", "5x", "1s 2s", "-1s"])("%j is refused", (text) => {
  expect(() => pauses({ backOff: [text] })).toThrow(/^backOff: ".*" is not a duration/);
});
