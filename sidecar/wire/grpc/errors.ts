import { create, type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, type StatusObject } from "@grpc/grpc-js";
import type { MechaError, Reason } from "../../../specs/errors.ts";
import { ErrorInfoSchema, HelpSchema, ResourceInfoSchema } from "../../../specs/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../../../specs/gen/google/rpc/status_pb.js";
import { detailsOf, domain } from "../error-details.ts";

/** Refused before the method was looked at: the message is the HTTP status, and ErrorInfo says more. */
const gates: ReadonlySet<Reason> = new Set<Reason>(["tokenInvalid", "apiDenied"]);
const longestGateDetail = 63;

/** The status of an error, its details in the trailer grpc-status-details-bin. */
export function errorStatus(error: MechaError, appId: string): StatusObject {
  const code = error.grpcCode;
  const details = (gates.has(error.reason) && error.row.info) || error.message;
  const packed = packDetails(error, appId);
  const metadata = new Metadata();
  // What the HTTP wire answers as errorCode; rows without details have no other name on this wire.
  if (error.row.tag) metadata.set("mecha-error-code", error.row.tag);
  if (packed.length > 0) {
    const status = create(StatusSchema, { code, message: details, details: packed });
    metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, status)));
  }
  return { code, details, metadata };
}

function packDetails(error: MechaError, appId: string): Any[] {
  const extra: Record<string, string> = gates.has(error.reason)
    ? { "http.code": String(error.httpStatus), "http.error_message": error.message.slice(0, longestGateDetail) }
    : { appID: appId };
  const { resource, help, info } = detailsOf(error, extra);
  const packed: Any[] = [];
  const add = <D extends DescMessage>(schema: D, message: Message) => packed.push(anyPack(schema, message as never));
  if (resource) {
    const { type, name, description } = resource;
    add(ResourceInfoSchema, create(ResourceInfoSchema, { resourceType: type, resourceName: name, description }));
  }
  if (help) add(HelpSchema, create(HelpSchema, { links: [{ description: "Try", url: help }] }));
  if (info)
    add(ErrorInfoSchema, create(ErrorInfoSchema, { reason: info.reason, domain, metadata: { ...info.metadata } }));
  return packed;
}
