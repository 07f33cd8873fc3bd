import { causeText, fail } from "../../specs/errors.ts";
import type { Clock, Log, OpenContext } from "../contract/driver.ts";
import type { VaultServer } from "./server.ts";
import type { VaultSettings } from "./settings.ts";
import { readFirstLine } from "./token-file.ts";
import type { TokenSource } from "./token-source.ts";

/** Logs in. Rejects with `openFailed` or `backendUnavailable`. */
export async function openAppRole(
  settings: VaultSettings,
  roleId: string,
  server: VaultServer,
  { name, clock, log, signal }: OpenContext,
): Promise<TokenSource> {
  if (settings.appRoleSecretId && settings.appRoleSecretIdPath) {
    throw fail("openFailed", { why: "appRoleSecretId and appRoleSecretIdPath: give one of them" });
  }
  const tokens = new AppRole(server, { settings, roleId, name, clock, log });
  await tokens.logIn(signal);
  return tokens;
}

interface Parts {
  readonly settings: VaultSettings;
  readonly roleId: string;
  /** Of the component. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the server says about a token that it has given or prolonged. */
interface Auth {
  readonly client_token: string;
  /** Seconds; 0: for ever. */
  readonly lease_duration: number;
  readonly renewable: boolean;
}

const setting = "appRoleId, appRoleSecretId";
/** A token is renewed when so much of its life is over. */
const renewAt = 2 / 3;
const againAfterMs = { least: 1000, most: 30_000 };

/** Tokens of an AppRole: renewed before they end, and replaced by a new log-in where that is over. */
class AppRole implements TokenSource {
  readonly setting = setting;
  token = "";
  readonly #server: VaultServer;
  readonly #parts: Parts;
  #loggingIn: Promise<void> | undefined;
  #cancel: () => void = () => {};
  #endsAt = Number.POSITIVE_INFINITY;
  /** Seconds that a token lives after a log-in. */
  #wholeLease = 0;
  #isClosed = false;

  constructor(server: VaultServer, parts: Parts) {
    this.#server = server;
    this.#parts = parts;
  }

  async replace(refused: string, signal?: AbortSignal): Promise<boolean> {
    if (this.token !== refused) return true;
    // A policy that denies also refuses: a new token would be denied alike.
    const self = await this.#server.ask({ method: "GET", path: "auth/token/lookup-self", token: refused }, signal);
    if (self.status === 200) return false;
    // Meanwhile somebody else may have had it replaced.
    if (this.token === refused) await this.logIn(signal);
    return true;
  }

  /** Gets a new token; those who ask at the same time get the same. */
  async logIn(signal?: AbortSignal): Promise<void> {
    this.#loggingIn ??= this.#logIn().finally(() => {
      this.#loggingIn = undefined;
    });
    await untilAborted(this.#loggingIn, signal);
  }

  async #logIn(): Promise<void> {
    const { settings, roleId, name } = this.#parts;
    const { appRoleSecretId, appRoleSecretIdPath, appRolePath } = settings;
    const secretId = appRoleSecretIdPath
      ? await readFirstLine("appRoleSecretIdPath", appRoleSecretIdPath)
      : appRoleSecretId;
    const body = { role_id: roleId, ...(secretId ? { secret_id: secretId } : {}) };
    const path = `auth/${appRolePath.replace(/^\/+|\/+$/g, "")}/login`;
    // Some versions answer to a wrong secret id as if they had failed.
    const answer = await this.#server.ask({ method: "POST", path, body, not: /invalid secret/ });
    if (answer.status !== 200) {
      const words = `(${answer.status}: ${answer.errors.join("; ") || "no word why"})`;
      // A wrong role or secret id is a bad request; where nothing is mounted, nobody may ask.
      const isMissing = answer.status === 403 || answer.status === 404;
      const cause = isMissing
        ? `appRolePath: ${this.#server.address} has no AppRole at ${appRolePath}; correct it ${words}`
        : `${setting}: ${this.#server.address} does not accept them; correct them, or make a new secret id ${words}`;
      throw fail("backendUnavailable", { name, cause });
    }
    const auth = authIn(answer.text);
    this.#wholeLease = auth.lease_duration;
    this.token = auth.client_token;
    this.#plan(auth);
  }

  #plan({ lease_duration, renewable }: Auth): void {
    this.#cancel();
    if (this.#isClosed || lease_duration <= 0) return;
    const { clock } = this.#parts;
    this.#endsAt = clock.now() + lease_duration * 1000;
    this.#cancel = clock.after(lease_duration * 1000 * renewAt, () => void this.#prolong(renewable));
  }

  async #prolong(renewable: boolean): Promise<void> {
    const { clock, log, name } = this.#parts;
    try {
      const prolonged = renewable ? await this.#renew() : undefined;
      // The end that no renewal gets past comes near when it gives less than it did.
      if (prolonged && prolonged.lease_duration * 2 >= this.#wholeLease) this.#plan(prolonged);
      else await this.logIn();
    } catch (error) {
      if (this.#isClosed) return;
      const { least, most } = againAfterMs;
      const againMs = Math.max(least, Math.min(most, (this.#endsAt - clock.now()) / 3));
      this.#cancel = clock.after(againMs, () => void this.#prolong(renewable));
      log.warn("the token could not be renewed; trying again", { component: name, againMs, error: causeText(error) });
    }
  }

  /** Undefined: the server does not renew it. */
  async #renew(): Promise<Auth | undefined> {
    const answer = await this.#post("auth/token/renew-self");
    return answer.status === 200 ? authIn(answer.text) : undefined;
  }

  #post(path: string, signal?: AbortSignal) {
    return this.#server.ask({ method: "POST", path, token: this.token, body: {} }, signal);
  }

  /** Takes the token back from the server as well as may be. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancel();
    if (this.token === "") return;
    await this.#post("auth/token/revoke-self", AbortSignal.timeout(revokeWithinMs)).catch(() => {});
  }
}

const revokeWithinMs = 1000;

function authIn(text: string): Auth {
  const { auth } = JSON.parse(text) as { readonly auth: Auth };
  return auth;
}

/** Rejects with the signal's reason when that comes first. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
