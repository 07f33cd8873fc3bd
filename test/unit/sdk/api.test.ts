import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import type { ApiCase } from "./cases/api-case.ts";
import { eventCases } from "./cases/event-cases.ts";
import { otherCases } from "./cases/other-cases.ts";
import { stateCases } from "./cases/state-cases.ts";
import { storeCases } from "./cases/store-cases.ts";
import { noGrpc, noHttp, startFakeSidecar } from "./fake-sidecar.ts";

// Every call of the client, over both transports: what it says, and that it gives the same.

const groups: readonly [name: string, cases: readonly ApiCase[]][] = [
  ["state", stateCases],
  ["events and bindings", eventCases],
  ["secrets, configuration and locks", storeCases],
  ["the rest", otherCases],
];

describe.each(groups)("%s", (_, cases) => {
  describe.each(cases.map((one) => [one.name, one] as const))("%s", (_name, one: ApiCase) => {
    test("over gRPC", async () => {
      const sidecar = await startFakeSidecar(noHttp, () => one.output);
      expect(await one.run(sidecar.client("grpc"))).toEqual(one.gives);
      const [seen] = sidecar.grpc;
      expect(seen?.rpc).toBe(one.rpc.name);
      expect(seen?.message).toEqual(create(one.rpc.input, one.input as never));
      for (const [name, value] of Object.entries(one.headers ?? {})) {
        if (name.startsWith("dapr-")) expect(seen?.metadata.get(name)).toEqual([value]);
      }
    });

    test("over HTTP", async () => {
      const sidecar = await startFakeSidecar(() => one.reply, noGrpc);
      expect(await one.run(sidecar.client("http"))).toEqual(one.gives);
      const [seen] = sidecar.http;
      expect(seen?.line).toBe(one.line);
      if ("body" in one) expect(readBody(String(seen?.body))).toEqual(one.body);
      expect(seen?.headers).toMatchObject(one.headers ?? {});
    });
  });
});

function readBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
