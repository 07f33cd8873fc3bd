import { MechaError } from "../../specs/errors.ts";
import type { Answer, GrpcTarget, HttpTarget, Peers, RawAnswer } from "../kernel/exchange.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Caller, Receiver } from "../kernel/peer.ts";
import { failedAnswer } from "../kernel/status.ts";

type Kind = "unary" | "streaming";

/** The peers, with what goes to them and comes back counted. */
export function countedPeers(peers: Peers, metrics: Metrics): Peers {
  return {
    async find(appId, namespace, signal) {
      return countedTarget(await peers.find(appId, namespace, signal), appId, metrics);
    },
  };
}

function countedTarget(target: HttpTarget & GrpcTarget, appId: string, metrics: Metrics): HttpTarget & GrpcTarget {
  const begin = (type: Kind) => {
    const started = performance.now();
    metrics.count("runtime_service_invocation_req_sent_total", "Calls of other apps.", { dst_app_id: appId, type })();
    return (status: number) => {
      const labels = { src_app_id: appId, status: String(status) };
      metrics.count("runtime_service_invocation_res_recv_total", "Answers of other apps.", { ...labels, type })();
      const ms = performance.now() - started;
      metrics.latency("runtime_service_invocation_res_recv_latency_ms", "Milliseconds per answer.", labels)(ms);
    };
  };
  return {
    send(exchange) {
      return httpEnd(target.send(exchange), begin("unary"));
    },
    call(call) {
      const end = begin(call.metadata["dapr-stream"] === "true" ? "streaming" : "unary");
      return grpcEnd(() => target.call(call), end);
    },
  };
}

/** Calls of peers, counted. */
export function countedReceiver(receiver: Receiver, metrics: Metrics): Receiver {
  const begin = (caller: Caller | undefined) => {
    const appId = caller?.appId ?? "";
    metrics.count("runtime_service_invocation_req_recv_total", "Calls of other apps here.", { src_app_id: appId })();
    return (status: number) => {
      const labels = { dst_app_id: appId, status: String(status) };
      metrics.count("runtime_service_invocation_res_sent_total", "Answers to other apps.", labels)();
    };
  };
  return {
    receiveHttp: (exchange, caller) => httpEnd(receiver.receiveHttp(exchange, caller), begin(caller)),
    receiveGrpc: (call, caller) => grpcEnd(() => receiver.receiveGrpc(call, caller), begin(caller)),
  };
}

async function httpEnd(coming: Promise<Answer>, end: (status: number) => void): Promise<Answer> {
  try {
    const answer = await coming;
    end(answer.status);
    return answer;
  } catch (error) {
    end(error instanceof MechaError ? error.httpStatus : 500);
    throw error;
  }
}

function grpcEnd(call: () => RawAnswer, end: (status: number) => void): RawAnswer {
  let answer: RawAnswer;
  try {
    answer = call();
  } catch (error) {
    answer = failedAnswer(error);
  }
  void answer.status.then(({ code }) => end(code));
  return answer;
}

/** Counts decisions of the access rules. */
export function accessMetrics(metrics: Metrics, trustDomain: string, namespace: string) {
  return (by: "app" | "global", allowed: boolean): void => {
    const name = `runtime_acl_${by}_policy_action_${allowed ? "allowed" : "blocked"}_total`;
    metrics.count(name, "Decisions of spec.accessControl.", { trustDomain, namespace })();
  };
}
