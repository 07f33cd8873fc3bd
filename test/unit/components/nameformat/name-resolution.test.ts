import { expect, test } from "vitest";
import nameFormat from "../../../../components/nameformat/name-resolution.ts";
import { openDriver } from "../../../support/open-driver.ts";

test.each([
  ["service-{appid}.default.svc:3500", "service-orders.default.svc:3500"],
  ["{appid}.{namespace}.svc", "orders.prod.svc:50002"],
])("the format %s gives %s", async (format, address) => {
  const resolver = await openDriver(nameFormat, { format });
  expect(await resolver.resolve("orders", "prod", {})).toEqual([address]);
});

test("an id that looks like a pattern is taken as it is", async () => {
  const resolver = await openDriver(nameFormat, { format: "{appid}.svc" });
  expect(await resolver.resolve("$&", "prod", {})).toEqual(["$&.svc:50002"]);
});

test("a format without the id is refused", async () => {
  await expect(openDriver(nameFormat, { format: "orders.svc" })).rejects.toThrow(/format must contain \{appid\}/);
});
