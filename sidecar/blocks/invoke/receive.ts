import type { Log } from "../../../components/contract/driver.ts";
import { fail } from "../../../specs/errors.ts";
import type { App } from "../../kernel/app.ts";
import type { Exchange } from "../../kernel/exchange.ts";
import type { Caller, Receiver } from "../../kernel/peer.ts";
import { failedAnswer } from "../../kernel/status.ts";
import type { MayInvoke } from "./access.ts";
import { requireApp, requireGrpc } from "./destinations.ts";
import { operationOf } from "./target.ts";

/** Calls that other sidecars bring for the app of this one: asked whether they may, then handed to it. */
export function receiver(app: App | undefined, appId: string, mayInvoke: MayInvoke, log: Log): Receiver {
  const check = (caller: Caller | undefined, operation: string, verb: string | undefined) => {
    if (mayInvoke(caller, operation, verb)) return;
    log.warn("access control denies a call", { caller: caller?.appId, namespace: caller?.namespace, operation, verb });
    throw fail("invokeDenied", {
      id: caller?.appId ?? "unknown",
      operation: verb ? `${verb} ${operation}` : operation,
    });
  };
  return {
    async receiveHttp(exchange, caller) {
      check(caller, operationOf(exchange.path), exchange.verb);
      return requireApp(app).send(withoutHost(exchange));
    },
    receiveGrpc(call, caller) {
      try {
        check(caller, call.path, undefined);
        return requireGrpc(requireApp(app), appId).call(call);
      } catch (error) {
        return failedAnswer(error);
      }
    },
  };
}

/** The host that the peer called is this sidecar; the app is to see its own, as apps may refuse names they do not know. */
function withoutHost(exchange: Exchange): Exchange {
  if (exchange.headers["host"] === undefined) return exchange;
  const { host: _, ...headers } = exchange.headers;
  return { ...exchange, headers };
}
