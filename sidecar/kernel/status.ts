import { codes, fail, MechaError } from "../../specs/errors.ts";
import type { HeaderMap, RawAnswer, RawStatus } from "./exchange.ts";

const httpByGrpc: ReadonlyMap<number, number> = new Map(Object.values(codes).map(({ grpc, http }) => [grpc, http]));

const grpcByHttp: Readonly<Record<number, number>> = {
  400: codes.internal.grpc,
  401: codes.unauthenticated.grpc,
  403: codes.permission_denied.grpc,
  404: codes.not_found.grpc,
  408: codes.canceled.grpc,
  409: codes.already_exists.grpc,
  429: codes.resource_exhausted.grpc,
  500: codes.unknown.grpc,
  501: codes.unimplemented.grpc,
  503: codes.unavailable.grpc,
  504: codes.deadline_exceeded.grpc,
};

const namesByGrpc: ReadonlyMap<number, string> = new Map(
  Object.entries(codes).map(([name, { grpc }]) => [grpc, name === "ok" ? "OK" : toWords(name)]),
);

function toWords(name: string): string {
  return name.replace(/(^|_)([a-z])/g, (_, _start: string, letter: string) => letter.toUpperCase());
}

/** A gRPC status code as labels and logs name it: `OK`, `NotFound`. */
export const grpcStatusName = (grpcCode: number): string => namesByGrpc.get(grpcCode) ?? String(grpcCode);

/** HTTP status that stands for a gRPC status code. */
export const httpStatusOf = (grpcCode: number): number => httpByGrpc.get(grpcCode) ?? 500;

/** gRPC status code that stands for an HTTP status. */
export function grpcCodeOf(httpStatus: number): number {
  if (httpStatus >= 200 && httpStatus < 300) return codes.ok.grpc;
  return grpcByHttp[httpStatus] ?? codes.unknown.grpc;
}

/**
 * A refusal that is not ours: the app's, a peer's or an endpoint's status. Policies match it by its numbers, and the gRPC
 * wire hands it on as it is, metadata included.
 */
export class StatusFailure extends Error {
  override readonly name = "StatusFailure";
  readonly httpStatus: number;
  readonly grpcCode: number;
  /** Trailing metadata, `grpc-status-details-bin` among them; `-bin` values are base64. */
  readonly metadata: HeaderMap;

  constructor(
    status: { readonly http: number } | { readonly grpc: number },
    message: string,
    metadata: HeaderMap = {},
  ) {
    super(message);
    this.httpStatus = "http" in status ? status.http : httpStatusOf(status.grpc);
    this.grpcCode = "grpc" in status ? status.grpc : grpcCodeOf(status.http);
    this.metadata = metadata;
  }
}

/** Why a call was given up: the reason of a policy or of the sidecar, else that its caller has left. */
export function abandoned({ reason }: AbortSignal, what: string): MechaError {
  return reason instanceof MechaError ? reason : fail("canceled", { what }, { cause: reason });
}

/** Anything thrown as the status of a gRPC call; what is not ours becomes `internal`. */
export function statusOfError(error: unknown): RawStatus {
  if (error instanceof StatusFailure) return { code: error.grpcCode, details: error.message, metadata: error.metadata };
  if (error instanceof MechaError) return { code: error.grpcCode, details: error.message, metadata: {} };
  return { code: codes.internal.grpc, details: error instanceof Error ? error.message : String(error), metadata: {} };
}

/** The answer of a call that ended before it began. */
export function endedAnswer(status: RawStatus): RawAnswer {
  return { metadata: Promise.resolve({}), messages: noMessages, status: Promise.resolve(status) };
}

/** The answer of a call that could not be made. */
export const failedAnswer = (error: unknown): RawAnswer => endedAnswer(statusOfError(error));

/** An answer that is not there yet; when it is never to come, the call ends with the reason's status. */
export function laterAnswer(coming: Promise<RawAnswer>): RawAnswer {
  const settled = coming.catch(failedAnswer);
  const status = settled.then((answer) => answer.status);
  return {
    metadata: settled.then(async (answer) => {
      let ended = false;
      void answer.status.then(() => {
        ended = true;
      });
      const metadata = await answer.metadata;
      if (ended) await status;
      return metadata;
    }),
    messages: {
      async *[Symbol.asyncIterator]() {
        yield* (await settled).messages;
      },
    },
    status,
  };
}

const noMessages: AsyncIterable<Uint8Array> = {
  async *[Symbol.asyncIterator]() {},
};
