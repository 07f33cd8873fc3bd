import type { Answer, Exchange, RawAnswer, RawCall } from "./exchange.ts";

/** Who calls from another sidecar. */
export interface Caller {
  readonly appId: string;
  readonly namespace: string;
  /** Known from the peer's certificate only; absent: the caller's word is all there is. */
  readonly trustDomain?: string | undefined;
}

/** What this sidecar does with calls from peers. The caller is undefined when the peer did not say who it is. */
export interface Receiver {
  receiveHttp(exchange: Exchange, caller: Caller | undefined): Promise<Answer>;
  receiveGrpc(call: RawCall, caller: Caller | undefined): RawAnswer;
}

/** Names of the headers by which sidecars and apps know who calls whom. */
export const identityHeaders = {
  callerAppId: "dapr-caller-app-id",
  callerNamespace: "dapr-caller-namespace",
  calleeAppId: "dapr-callee-app-id",
} as const;
