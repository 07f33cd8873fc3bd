import { Metadata, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { MechaClientError } from "../../../sdk/src/index.ts";
import { errorStatus } from "../../../sidecar/wire/grpc/errors.ts";
import { errorOutput } from "../../../sidecar/wire/http/errors.ts";
import { MechaError, type Reason, type Row, reasons } from "../../../specs/errors.ts";
import { type HttpReply, noGrpc, noHttp, startFakeSidecar } from "./fake-sidecar.ts";

/** Parameters of any row: every one of them a text. */
const someParams = new Proxy({}, { get: (_, name) => (name === "then" ? undefined : `some ${String(name)}`) });

async function failureOf(call: Promise<unknown>): Promise<MechaClientError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(MechaClientError);
  return error as MechaClientError;
}

const factsOf = ({ code, reason, httpStatus, retryable, message, details }: MechaClientError) => ({
  ...{ code, reason, httpStatus, retryable, message },
  // A map may come in any order.
  details: details.map((each) => ({ ...each })),
});

describe("every error of the table", () => {
  const names = (Object.keys(reasons) as Reason[]).filter((name) => name !== "tokenInvalid");
  const rowOf = (name: Reason): Row => reasons[name];
  /** What HTTP tells of a row. Two rows that it cannot tell apart have the code that their status usually means. */
  const told = (name: Reason) =>
    [rowOf(name).tag, rowOf(name).info, new MechaError(name, someParams).httpStatus].join();
  const isTold = (name: Reason) =>
    names.every((other) => told(other) !== told(name) || rowOf(other).code === rowOf(name).code);

  test.each(names.filter((name) => rowOf(name).info))("%s is the same over both transports", async (name) => {
    const error = new MechaError(name, someParams);
    const sidecar = await startFakeSidecar(
      () => errorOutput(error, "shop") as HttpReply,
      () => errorStatus(error, "shop"),
    );
    const [http, grpc] = await Promise.all(
      (["http", "grpc"] as const).map(async (transport) =>
        factsOf(await failureOf(sidecar.client(transport).state("s").get("k"))),
      ),
    );
    expect(http).toMatchObject({ reason: rowOf(name).info, message: error.message, httpStatus: error.httpStatus });
    expect(grpc?.code).toBe(rowOf(name).code);
    if (isTold(name)) expect(http?.code).toBe(rowOf(name).code);
    // Over gRPC a gate tells the status in place of the app.
    if (isTold(name) && name !== "apiDenied") expect(http).toEqual(grpc);
  });

  test.each(names.filter((name) => !rowOf(name).info))("%s is told by its errorCode", async (name) => {
    const error = new MechaError(name, someParams);
    const sidecar = await startFakeSidecar(
      () => errorOutput(error, "shop") as HttpReply,
      () => {
        const metadata = new Metadata();
        metadata.set("mecha-error-code", rowOf(name).tag ?? "");
        return { ...errorStatus(error, "shop"), metadata };
      },
    );
    const [http, grpc] = await Promise.all(
      (["http", "grpc"] as const).map(async (transport) =>
        factsOf(await failureOf(sidecar.client(transport).state("s").get("k"))),
      ),
    );
    expect(http).toMatchObject({ reason: rowOf(name).tag, message: error.message, httpStatus: error.httpStatus });
    expect(grpc).toMatchObject({ reason: rowOf(name).tag, message: error.message, code: rowOf(name).code });
  });
});

test("a wrong token is unauthenticated over both transports", async () => {
  const error = new MechaError("tokenInvalid", {});
  const sidecar = await startFakeSidecar(
    () => errorOutput(error, "shop") as HttpReply,
    () => errorStatus(error, "shop"),
  );
  for (const transport of ["http", "grpc"] as const) {
    const client = sidecar.client(transport, { apiToken: "wrong" });
    const expected = { code: "unauthenticated", reason: "Unauthorized", httpStatus: 401, retryable: false };
    expect(await failureOf(client.state("s").get("k"))).toMatchObject(expected);
    expect(await failureOf(client.invoke("shop", "orders"))).toMatchObject(expected);
  }
  expect(sidecar.http[0]?.headers["dapr-api-token"]).toBe("wrong");
  expect(sidecar.grpc[0]?.metadata.get("dapr-api-token")).toEqual(["wrong"]);
});

test("an answer that is no error of ours still has code, status and text", async () => {
  const sidecar = await startFakeSidecar(
    () => ({ status: 503, body: "overloaded" }),
    () => ({ code: status.RESOURCE_EXHAUSTED, details: "too large" }),
  );
  expect(await failureOf(sidecar.client("http").state("s").get("k"))).toMatchObject({
    code: "unavailable",
    reason: "",
    httpStatus: 503,
    retryable: true,
    message: "GetState: status 503 overloaded",
  });
  expect(await failureOf(sidecar.client("grpc").state("s").get("k"))).toMatchObject({
    code: "resource_exhausted",
    reason: "",
    httpStatus: 429,
    retryable: true,
    message: "too large",
  });
});

test("an answer that cannot be read is data loss", async () => {
  const sidecar = await startFakeSidecar(() => ({ body: "<html>" }), noGrpc);
  const client = sidecar.client("http");
  expect(await failureOf(client.secrets("v").getAll())).toMatchObject({ code: "data_loss" });
  expect(await failureOf(client.state("s").get("k"))).toMatchObject({
    code: "data_loss",
    message: 'the value of "k" in s is not JSON; read it by getBytes()',
  });
  expect(String((await client.state("s").getBytes("k"))?.value)).toBe("<html>");
});

test("details that are not of google.rpc are left out, and unknown ones keep their bytes", async () => {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from([255, 255]));
  const sidecar = await startFakeSidecar(noHttp, () => ({ code: status.INTERNAL, details: "x", metadata }));
  expect(await failureOf(sidecar.client("grpc").state("s").get("k"))).toMatchObject({ code: "internal", details: [] });
});

test.each(["http", "grpc"] as const)(
  "a publish that was taken in part tells what failed, over %s",
  async (transport) => {
    const failedEntries = [{ entryId: "2", error: "full" }];
    const sidecar = await startFakeSidecar(
      () => ({ status: 500, body: JSON.stringify({ failedEntries, errorCode: "ERR_PUBSUB_PUBLISH_MESSAGE" }) }),
      () => ({ failedEntries }),
    );
    const publish = sidecar
      .client(transport)
      .pubsub("bus")
      .publishMany("t", [{ data: 1 }, { entryId: "2", data: 2 }]);
    expect(await failureOf(publish)).toMatchObject({
      code: "internal",
      reason: "DAPR_PUBSUB_PUBLISH_MESSAGE",
      details: [{ failedEntries }],
    });
  },
);

test("an unlock that fails inside the store is an error", async () => {
  const sidecar = await startFakeSidecar(
    () => ({ body: '{"status":3}' }),
    () => ({ status: 3 }),
  );
  for (const transport of ["http", "grpc"] as const) {
    const failure = await failureOf(sidecar.client(transport).locks("l").unlock("r", "me"));
    expect(failure).toMatchObject({ code: "internal", reason: "ERR_UNLOCK" });
  }
});
