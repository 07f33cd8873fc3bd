import { causeText, fail, MechaError } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { Instance } from "../contract/name-resolution.ts";
import type { Agent } from "./agent.ts";
import { parsed } from "./nested.ts";
import { type ConsulSettings, tagsOf } from "./settings.ts";

/** What the agent is told about a service; its keys match in any case. */
type Service = Readonly<Record<string, unknown>> & { readonly id: string; readonly name: string };

/** Whether this sidecar registers itself. */
export const registers = ({ selfRegister, advancedRegistration }: ConsulSettings): boolean =>
  selfRegister || Boolean(advancedRegistration);

/**
 * The registration of a sidecar: by `advancedRegistration`, or by tags, meta and checks. Throws `openFailed`.
 * @param env variables that texts may name, beside APP_ID, HOST_ADDRESS and the port of the sidecar
 */
export function serviceOf(
  settings: ConsulSettings,
  { appId, address }: Instance,
  env: Readonly<Record<string, string | undefined>>,
): Service {
  const { host, port } = split(address);
  const known = { ...env, APP_ID: appId, HOST_ADDRESS: host, DAPR_PORT: port };
  const nested = (setting: "meta" | "checks" | "advancedRegistration") => {
    const written = settings[setting];
    return written ? filled(setting, parsed(setting, written), known) : undefined;
  };
  const portMeta = { [settings.daprPortMetaKey]: port };
  const advanced = nested("advancedRegistration");
  if (advanced !== undefined) {
    const given = lowerKeys("advancedRegistration", advanced);
    const id = String(given["id"] ?? `${appId}-${host}-${port}`);
    const meta = { ...(given["meta"] as object | undefined), ...portMeta };
    return { ...given, id, name: String(given["name"] ?? appId), meta };
  }
  const id = `${appId}-${host}-${port}`;
  return {
    id,
    name: appId,
    address: host,
    ...(env["APP_PORT"] ? { port: Number(env["APP_PORT"]) } : {}),
    tags: filled("tags", tagsOf(settings), known),
    meta: { ...(nested("meta") as object | undefined), ...portMeta },
    checks: nested("checks") ?? [defaultCheck(id, appId, address, host, env["DAPR_HTTP_PORT"])],
  };
}

/** An agent keeps a service that it cannot reach; after so long it forgets it. */
const forgetAfter = "10m";

function defaultCheck(id: string, appId: string, address: string, host: string, httpPort: string | undefined): object {
  const target = httpPort
    ? {
        http: `http://${host.includes(":") ? `[${host}]` : host}:${httpPort}/v1.0/healthz?appid=${encodeURIComponent(appId)}`,
      }
    : { tcp: address };
  // Ids are of the whole agent, which may serve several sidecars of the app.
  return {
    checkID: `daprHealth:${id}`,
    name: "Dapr Health Status",
    interval: "15s",
    ...target,
    deregisterCriticalServiceAfter: forgetAfter,
  };
}

/** Every text with `${NAME}` filled in. */
function filled(setting: string, value: unknown, known: Readonly<Record<string, string | undefined>>): unknown {
  if (typeof value === "string") {
    return value.replace(/\$\{(\w+)\}/g, (_, name: string) => {
      const found = known[name];
      if (found !== undefined) return found;
      throw fail("openFailed", {
        why: `${setting}: \${${name}} is not known; set ${name} in the sidecar's environment`,
      });
    });
  }
  if (Array.isArray(value)) return value.map((one) => filled(setting, one, known));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, filled(setting, one, known)]));
}

function lowerKeys(setting: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw fail("openFailed", { why: `${setting}: must be an object` });
  }
  const fields = Object.fromEntries(Object.entries(value).map(([key, one]) => [key.toLowerCase(), one]));
  // Written without quotes in YAML it is a number, filled in it is a text.
  return typeof fields["port"] === "string" ? { ...fields, port: Number(fields["port"]) } : fields;
}

function split(address: string): { readonly host: string; readonly port: string } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: address.slice(at + 1) };
}

const lookEveryMs = 30_000;
const againAfterMs = { least: 1000, most: 30_000 };
const takeBackWithinMs = 2000;

/** A registration that is kept: an agent that has lost it, or that was away, is told again. */
export class Registration {
  readonly #agent: Agent;
  readonly #service: Service;
  readonly #context: OpenContext;
  #cancel: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(agent: Agent, service: Service, context: OpenContext) {
    this.#agent = agent;
    this.#service = service;
    this.#context = context;
  }

  /** Tells the agent. One that is away is told when it is back; rejects when it refuses. */
  async begin(signal?: AbortSignal): Promise<void> {
    try {
      await this.#tell(signal);
      this.#later(lookEveryMs);
    } catch (error) {
      const isAway = error instanceof MechaError && !/\(\d{3}/.test(error.message);
      if (!isAway) throw error;
      const { log, name } = this.#context;
      log.warn("the agent is away; this sidecar is registered when it is back", {
        component: name,
        error: causeText(error),
      });
      this.#later(againAfterMs.least);
    }
  }

  async close(takeBack: boolean): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await this.#running;
    if (!takeBack) return;
    const path = `agent/service/deregister/${encodeURIComponent(this.#service.id)}`;
    try {
      await this.#agent.ask({ method: "PUT", path }, AbortSignal.timeout(takeBackWithinMs));
    } catch (error) {
      const { log, name } = this.#context;
      log.warn("the registration could not be taken back", { component: name, error: causeText(error) });
    }
  }

  #tell(signal?: AbortSignal): Promise<unknown> {
    const { name } = this.#service;
    return this.#agent.ask(
      { method: "PUT", path: "agent/service/register", body: this.#service, needs: `service:write on ${name}` },
      signal,
    );
  }

  #later(ms: number): void {
    if (this.#isClosed) return;
    this.#cancel = this.#context.clock.after(ms, () => {
      this.#running = this.#look(ms);
    });
  }

  async #look(waited: number): Promise<void> {
    const { log, name } = this.#context;
    try {
      const path = `agent/service/${encodeURIComponent(this.#service.id)}`;
      if ((await this.#agent.ask({ path })).status === 404) {
        await this.#tell();
        log.info("this sidecar is registered", { component: name, id: this.#service.id });
      }
      this.#later(lookEveryMs);
    } catch (error) {
      log.debug("the registration could not be looked at", { component: name, error: causeText(error) });
      this.#later(Math.min(againAfterMs.most, Math.max(againAfterMs.least, waited === lookEveryMs ? 0 : waited * 2)));
    }
  }
}
