import { describe, expect, test } from "vitest";
import type { AnyDriver } from "../../../../components/contract/any-driver.ts";
import { checkDeclared, checkRequired } from "../../../../sidecar/host/requirements.ts";

const driver = (kind: string, ...capabilities: string[]) =>
  ({ type: `${kind}.fake`, kind, capabilities }) as unknown as AnyDriver;
const at = "store.yaml:1: component store";

describe("what is required of a component", () => {
  test("may be what its driver can do, or what the sidecar makes up for", () => {
    expect(checkRequired(at, driver("state", "etag", "ttl"), ["etag", "ttl", "bulkGet"])).toEqual([
      "state.fake lacks bulkGet: the sidecar reads the values one by one",
    ]);
    expect(checkRequired(at, driver("pubsub"), ["ttl", "bulkPublish", "ttl"])).toHaveLength(2);
  });

  test("and cannot be had keeps it closed, each with what would help", () => {
    expect(() => checkRequired(at, driver("state", "etag"), ["transaction", "etags", "ttl"])).toThrow(
      [
        `${at}: requires transaction (several writes happen all or not at all), which state.fake cannot do; \`mecha components --kind state --capability transaction\` lists drivers that can`,
        `${at}: requires "etags", which is no capability of state; did you mean "etag"?`,
        `${at}: requires ttl (values end after ttlInSeconds), which state.fake cannot do`,
      ].join("\n"),
    );
    expect(() => checkRequired(at, driver("crypto"), ["x"])).toThrow("crypto has none");
  });

  test("must be of one that is declared", () => {
    checkDeclared({ store: ["etag"] }, ["store"]);
    expect(() => checkDeclared({ stor: ["etag"] }, ["store"])).toThrow(
      'spec.components.requires names stor, which is not declared; did you mean "store"?',
    );
  });
});
