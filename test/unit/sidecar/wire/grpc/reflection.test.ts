import { once } from "node:events";
import { create, createFileRegistry, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { method } from "../../../../../sidecar/kernel/method.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../../../../specs/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as Alpha } from "../../../../../specs/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { whole } from "../../../../support/grpc-call.ts";
import { startGrpcWire } from "../../../../support/wires.ts";

const info = ServerReflection.method.serverReflectionInfo;
type Question = MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"];
const start = () => startGrpcWire({ methods: [method(Dapr.method.getState, "state", undefined, async () => ({}))] });

async function ask(...questions: Question[]) {
  const wire = await start();
  const { messages } = await wire.call(
    info,
    questions.map((messageRequest) => ({ messageRequest })),
  );
  return (messages as ServerReflectionResponse[]).map(({ messageResponse }) => messageResponse);
}

describe("server reflection", () => {
  it("lists the services", async () => {
    const [answer] = await ask({ case: "listServices", value: "*" });
    expect(answer).toMatchObject({
      value: {
        service: [
          { name: "dapr.proto.runtime.v1.Dapr" },
          { name: "grpc.health.v1.Health" },
          { name: "grpc.reflection.v1.ServerReflection" },
          { name: "grpc.reflection.v1alpha.ServerReflection" },
        ],
      },
    });
  });

  it("knows the messages that details of errors are made of", async () => {
    const [answer] = await ask({ case: "fileContainingSymbol", value: "google.rpc.ErrorInfo" });
    expect(answer?.case).toBe("fileDescriptorResponse");
  });

  it("gives what a client needs to call a method, and the calls work with it", async () => {
    const wire = await start();
    const { messages } = await wire.call(info, [
      { messageRequest: { case: "fileContainingSymbol", value: "dapr.proto.runtime.v1.Dapr" } },
    ]);
    const [{ messageResponse }] = messages as [ServerReflectionResponse];
    if (messageResponse.case !== "fileDescriptorResponse") throw new Error("no descriptor came");
    const file: FileDescriptorProto[] = messageResponse.value.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    // A real client sorts them by their dependencies, as protoc does.
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: sorted(file) }));
    const service = registry.getService("dapr.proto.runtime.v1.Dapr");
    const getState = service?.method["getState"];
    if (!getState) throw new Error("getState is not described");
    expect((await wire.caller.call(getState, { storeName: "s" })).code).toBe(0);
  });

  it("finds messages, methods and files", async () => {
    const answers = await ask(
      { case: "fileContainingSymbol", value: "dapr.proto.runtime.v1.GetStateRequest" },
      { case: "fileContainingSymbol", value: "dapr.proto.runtime.v1.Dapr.GetState" },
      { case: "fileByFilename", value: "dapr/proto/runtime/v1/dapr.proto" },
    );
    expect(answers.map((answer) => answer.case)).toEqual([
      "fileDescriptorResponse",
      "fileDescriptorResponse",
      "fileDescriptorResponse",
    ]);
  });

  it("describes the health service it lists", async () => {
    const [answer] = await ask({ case: "fileContainingSymbol", value: "grpc.health.v1.Health" });
    expect(answer?.case).toBe("fileDescriptorResponse");
  });

  it("says in the stream what it does not know, and goes on", async () => {
    const answers = await ask(
      { case: "fileContainingSymbol", value: "no.such.Thing" },
      { case: "fileByFilename", value: "no/such.proto" },
      { case: "allExtensionNumbersOfType", value: "x" },
      { case: undefined },
      { case: "listServices", value: "" },
    );
    const missing = { case: "errorResponse", value: { errorCode: 5 } };
    expect(answers).toMatchObject([missing, missing, missing, missing, { case: "listServicesResponse" }]);
  });

  it("speaks its older version too", async () => {
    const wire = await start();
    const { messages } = await wire.call(Alpha.method.serverReflectionInfo, [
      { messageRequest: { case: "listServices", value: "" } },
    ]);
    expect(messages).toMatchObject([{ messageResponse: { case: "listServicesResponse" } }]);
  });

  it("ends its streams when the server closes", async () => {
    const wire = await start();
    const call = wire.caller.open(info);
    const answered = whole(call);
    call.write({ messageRequest: { case: "listServices", value: "" } });
    await once(call, "data");
    await wire.close(10_000);
    expect((await answered).code).toBe(0);
  });
});

function sorted(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const byName = new Map(files.map((file) => [file.name, file]));
  const done = new Set<FileDescriptorProto>();
  const visit = (file: FileDescriptorProto) => {
    for (const name of file.dependency) {
      const dependency = byName.get(name);
      if (dependency && !done.has(dependency)) visit(dependency);
    }
    done.add(file);
  };
  for (const file of files) visit(file);
  return [...done];
}
