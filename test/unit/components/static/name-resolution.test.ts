import { expect, test } from "vitest";
import fixed from "../../../../components/static/name-resolution.ts";
import { openDriver } from "../../../support/open-driver.ts";

const open = (apps: unknown) => openDriver(fixed, { apps: typeof apps === "string" ? apps : JSON.stringify(apps) });

test("addresses are a list or a text with commas, and a namespace may be named", async () => {
  const resolver = await open({ a: "h1:1, h2:2", b: ["[::1]:3"], "a.prod": ["h3:3"] });
  expect(await resolver.resolve("a", "default", {})).toEqual(["h1:1", "h2:2"]);
  expect(await resolver.resolve("a", "prod", {})).toEqual(["h3:3"]);
  expect(await resolver.resolve("b", "prod", {})).toEqual(["[::1]:3"]);
  expect(await resolver.known?.({})).toEqual(["a", "a.prod", "b"]);
});

test.each([
  ["{", /not JSON/],
  ["[]", /must be an object/],
  [{ a: "host" }, /a: "host" must be host:port/],
  [{ a: ["h:1", "h:99999"] }, /a: "h:99999" must be host:port/],
  [{ a: [] }, /a: \[\] must be host:port/],
  [{ a: 5 }, /a: 5 must be host:port/],
])("%j is refused by name", async (apps, why) => {
  await expect(open(apps)).rejects.toThrow(why);
});
