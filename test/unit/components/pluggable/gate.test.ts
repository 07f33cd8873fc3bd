import { expect, test } from "vitest";
import { Gate } from "../../../../components/pluggable/gate.ts";

test("so many are let through, the others in their turn; who leaves while waiting takes no place", async () => {
  const gate = new Gate(2);
  const entered: string[] = [];
  const enter = async (name: string, signal?: AbortSignal) => {
    await gate.enter(signal);
    entered.push(name);
  };
  const leaving = new AbortController();
  const all = [enter("a"), enter("b"), enter("c", leaving.signal), enter("d")];
  await Promise.all(all.slice(0, 2));
  expect(entered).toEqual(["a", "b"]);
  leaving.abort(new Error("left"));
  await expect(all[2]).rejects.toThrow("left");
  gate.leave();
  await all[3];
  expect(entered).toEqual(["a", "b", "d"]);
  gate.leave();
  gate.leave();
  expect(gate.enter(undefined)).toBeUndefined();
});
