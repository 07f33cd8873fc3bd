import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { GetStateRequestSchema, GetStateResponseSchema } from "../../specs/gen/dapr/proto/runtime/v1/state_pb.js";

/** The limit for the gRPC wire: the same answer from grpc-js alone. `bare-grpc.ts <port>` */
const data = Buffer.from('"value"');
const server = new Server();
server.register(
  "/dapr.proto.runtime.v1.Dapr/GetState",
  (_call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) =>
    callback(null, create(GetStateResponseSchema, { data, etag: "1" })),
  (message: unknown) => Buffer.from(toBinary(GetStateResponseSchema, message as never)),
  (bytes: Buffer) => fromBinary(GetStateRequestSchema, bytes),
  "unary",
);
server.bindAsync(`127.0.0.1:${process.argv[2]}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
