import { causeText, fail, MechaError } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import { defineResolver } from "../contract/name-resolution.ts";
import { Agent } from "./agent.ts";
import { LiveApps } from "./live-apps.ts";
import { lookUp } from "./lookup.ts";
import { Registration, registers, serviceOf } from "./registration.ts";
import { connectionOf, metadata, queryOf } from "./settings.ts";

export default defineResolver({
  type: "nameresolution.consul",
  aliases: ["nameresolution.hashicorp.consul"],
  status: "beta",
  summary: "Finds and registers sidecars at an agent of HashiCorp Consul.",
  metadata,
  async open(settings, context) {
    const query = queryOf(settings);
    const agent = await Agent.open(connectionOf(settings), context);
    try {
      await check(agent, context);
    } catch (error) {
      agent.close();
      throw error;
    }
    const lookup = { agent, query, portKey: settings.daprPortMetaKey, name: context.name };
    const live = settings.useCache ? new LiveApps(lookup, context.clock, context.log) : undefined;
    let registration: Registration | undefined;
    let closed: Promise<void> | undefined;
    return {
      async register(instance, { signal }) {
        if (!registers(settings) || registration) return;
        const kept = new Registration(agent, serviceOf(settings, instance, process.env), context);
        registration = kept;
        await kept.begin(signal);
      },
      resolve: async (appId, _namespace, { signal }) =>
        live ? live.resolve(appId, signal) : (await lookUp(lookup, appId, undefined, signal)).addresses,
      async known({ signal }) {
        const needs = "service:read on all";
        const { text } = await agent.ask({ path: "catalog/services", token: query.token, needs }, signal);
        return Object.keys(JSON.parse(text) as object).filter((name) => name !== "consul");
      },
      close() {
        closed ??= (async () => {
          live?.close();
          await registration?.close(settings.selfDeregister);
          agent.close();
        })();
        return closed;
      },
    };
  },
});

/**
 * Rejects with `openFailed` for what no waiting repairs: a token that the agent does not know, a certificate, a server that
 * is no agent. One that is away is only warned of: whoever finds apps must not be without them for good for that.
 */
async function check(agent: Agent, { name, log, signal }: OpenContext): Promise<void> {
  try {
    const leader = await agent.status("status/leader", signal);
    if (leader.status !== 200 && leader.status < 500) {
      const words = `(${leader.status}: ${leader.text || "no word why"})`;
      const fix = /HTTPS server/.test(leader.text) ? "set scheme to https" : "correct address";
      throw fail("openFailed", { why: `address: ${agent.address} does not answer as Consul does; ${fix} ${words}` });
    }
    const token = await agent.status("acl/token/self", signal);
    if (token.status === 403 && /not found/i.test(token.text)) {
      throw fail("openFailed", {
        why: `token: ${agent.address} does not know the token; correct it (403: ${token.text})`,
      });
    }
  } catch (error) {
    if (signal.aborted || !(error instanceof MechaError) || error.reason === "openFailed") throw error;
    const why = String(error.params["cause"] ?? error.message);
    if (/certificate|does not speak|is not known/.test(why)) throw fail("openFailed", { why }, { cause: error });
    log.warn("the agent is away; apps are found when it is back", { component: name, error: causeText(error) });
  }
}
