import { once } from "node:events";
import { describe, expect, it } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../../../../specs/gen/grpc/health/v1/health_pb.js";
import { whole } from "../../../../support/grpc-call.ts";
import { startGrpcWire } from "../../../../support/wires.ts";

describe("the health service", () => {
  it("says whether the sidecar is ready, for any service name", async () => {
    let ready = false;
    const wire = await startGrpcWire({ ready: () => ready });
    expect(await wire.call(Health.method.check, {})).toMatchObject({
      code: 0,
      messages: [{ status: Status.NOT_SERVING }],
    });
    ready = true;
    for (const service of ["", "dapr.proto.runtime.v1.Dapr", "anything"]) {
      expect(await wire.call(Health.method.check, { service })).toMatchObject({
        messages: [{ status: Status.SERVING }],
      });
    }
  });

  it("tells who watches the status now and each change", async () => {
    let ready = false;
    const wire = await startGrpcWire({ ready: () => ready });
    const call = wire.caller.open(Health.method.watch);
    call.on("error", () => {});
    call.end({});
    expect((await once(call, "data"))[0]).toMatchObject({ status: Status.NOT_SERVING });
    ready = true;
    expect((await once(call, "data"))[0]).toMatchObject({ status: Status.SERVING });
    call.cancel();
  });

  it("lets watchers go when the server closes", async () => {
    const wire = await startGrpcWire({ ready: () => true });
    const call = wire.caller.open(Health.method.watch);
    const answered = whole(call);
    call.end({});
    await once(call, "data");
    await wire.close(10_000);
    expect(await answered).toMatchObject({
      code: 0,
      messages: [{ status: Status.SERVING }, { status: Status.NOT_SERVING }],
    });
  });
});
