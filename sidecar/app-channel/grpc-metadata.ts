import { Metadata } from "@grpc/grpc-js";
import type { HeaderMap } from "../kernel/exchange.ts";
import { isTraceparent, type Trace, toTraceBin } from "../kernel/request.ts";

/** gRPC metadata from headers; `-bin` values are base64 there. What metadata cannot carry is left out. */
export function toMetadata(headers: HeaderMap): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) {
    for (const one of typeof value === "string" ? [value] : value) add(metadata, name, one);
  }
  return metadata;
}

const legalName = /^[0-9a-z_.-]+$/;
const legalValue = /^[\x20-\x7e]*$/;

function add(metadata: Metadata, name: string, value: string): void {
  if (!legalName.test(name) || name.startsWith("grpc-timeout")) return;
  if (name.endsWith("-bin")) metadata.add(name, Buffer.from(value, "base64"));
  else if (legalValue.test(value)) metadata.add(name, value);
}

/** Headers from gRPC metadata; `-bin` values become base64. */
export function fromMetadata(metadata: Metadata): HeaderMap {
  const headers: HeaderMap = Object.create(null);
  for (const name of Object.keys(metadata.getMap())) {
    const values = metadata.get(name).map((value) => (typeof value === "string" ? value : value.toString("base64")));
    headers[name] = values.length === 1 ? (values[0] as string) : values;
  }
  return headers;
}

/** A trace as metadata: in text, and in the binary form that older gRPC libraries read. */
export function addTrace(metadata: Metadata, trace: Trace): void {
  metadata.set("traceparent", trace.traceparent);
  if (trace.tracestate && legalValue.test(trace.tracestate)) metadata.set("tracestate", trace.tracestate);
  metadata.set("grpc-trace-bin", toTraceBin(trace));
}

/** Makes the binary form say what the text says, if there is a text. */
export function alignTrace(metadata: Metadata): void {
  const [traceparent] = metadata.get("traceparent");
  if (typeof traceparent === "string" && isTraceparent(traceparent))
    metadata.set("grpc-trace-bin", toTraceBin({ traceparent, tracestate: undefined }));
}
