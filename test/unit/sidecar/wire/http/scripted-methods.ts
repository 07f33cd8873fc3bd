import { type AnyMethod, type HttpShape, method } from "../../../../../sidecar/kernel/method.ts";
import type { Request } from "../../../../../sidecar/kernel/request.ts";
import { Dapr } from "../../../../../specs/gen/dapr/proto/runtime/v1/dapr_pb.js";

export type GetState = typeof Dapr.method.getState;
export type SaveState = typeof Dapr.method.saveState;

/** GET /v1.0/state/:storeName/:key, answered by `run`. */
export const getState = (
  run: (key: string, request: Request) => unknown,
  part: Partial<HttpShape<GetState>> = {},
): AnyMethod =>
  method(
    Dapr.method.getState,
    "state",
    { verbs: ["GET"], paths: ["/v1.0/state/:storeName/:key"], ...part },
    async (input, request) => run(input.key, request) as object,
  );

/** Answers with its whole input, for looking at what was decoded. */
export const mirror = (paths: readonly string[], part: Partial<HttpShape<SaveState>> = {}): AnyMethod =>
  method(
    Dapr.method.saveState,
    "state",
    {
      verbs: ["POST", "PUT"],
      paths,
      input: (http) => ({
        storeName: JSON.stringify({ ...http, params: { ...http.params }, body: Buffer.from(http.body).toString() }),
      }),
      output: (_, http) => ({
        status: 200,
        body: JSON.stringify({ route: http.route, params: http.params, body: Buffer.from(http.body).toString() }),
      }),
      ...part,
    },
    async () => ({}),
  );
