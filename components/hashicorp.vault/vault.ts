import { causeText, fail, MechaError } from "../../specs/errors.ts";
import type { OpenContext } from "../contract/driver.ts";
import type { SecretValues } from "../contract/secrets.ts";
import { type Paths, pathsOf } from "./paths.ts";
import { type VaultAnswer, type VaultRequest, VaultServer } from "./server.ts";
import type { VaultSettings } from "./settings.ts";
import type { TokenSource } from "./token-source.ts";
import { openTokens } from "./tokens.ts";
import { valuesIn } from "./values.ts";

/** Opens the store: the server answers, takes the token, and has the engine. Rejects with `openFailed`. */
export async function openVault(settings: VaultSettings, context: OpenContext): Promise<Vault> {
  const server = await VaultServer.open(settings, context);
  let tokens: TokenSource | undefined;
  try {
    await assertServes(server, context.signal);
    tokens = await openTokens(settings, server, context);
    const vault = new Vault(server, tokens, settings, context.name);
    await vault.check(context.signal);
    return vault;
  } catch (error) {
    await tokens?.close();
    server.close();
    if (context.signal.aborted) throw context.signal.reason;
    if (error instanceof MechaError && error.reason === "openFailed") throw error;
    // In front of the words of a call stands the name of the component, which is known here.
    const why = error instanceof MechaError ? String(error.params["cause"] ?? error.message) : causeText(error);
    throw fail("openFailed", { why }, { cause: error });
  }
}

/** Health is told without a token, so that what keeps the server from its work is not taken for a wrong one. */
async function assertServes(server: VaultServer, signal?: AbortSignal): Promise<void> {
  const query = { standbyok: "true", perfstandbyok: "true" };
  const answer = await server.ask({ method: "GET", path: "sys/health", query, token: undefined }, signal);
  if (answer.status === 200) return;
  const words = answer.errors.join("; ") || "no word why";
  throw fail("openFailed", {
    why: `vaultAddr: ${server.address} does not answer as Vault does (${answer.status}: ${words})`,
  });
}

/** The secrets of one KV engine below one prefix. */
export class Vault {
  readonly #server: VaultServer;
  readonly #tokens: TokenSource;
  readonly #settings: VaultSettings;
  readonly #paths: Paths;
  readonly #name: string;

  constructor(server: VaultServer, tokens: TokenSource, settings: VaultSettings, name: string) {
    this.#server = server;
    this.#tokens = tokens;
    this.#settings = settings;
    this.#paths = pathsOf(settings);
    this.#name = name;
  }

  /** Rejects when the token is not accepted, or the engine is not there; where the token may not ask, that is not known. */
  async check(signal?: AbortSignal): Promise<void> {
    const self = await this.#ask({ method: "GET", path: "auth/token/lookup-self" }, signal);
    if (self.status === 403 && isBadToken(self)) throw this.#trouble(this.#tokenText(self));
    const mount = await this.#ask({ method: "GET", path: `sys/internal/ui/mounts/${this.#paths.engine}` }, signal);
    if (mount.status !== 200) return;
    const { data } = JSON.parse(mount.text) as { readonly data?: { type?: string; options?: { version?: string } } };
    const { enginePath, vaultKVVersion } = this.#settings;
    const at = `the engine at ${enginePath} of ${this.#server.address}`;
    if (data?.type !== undefined && data.type !== "kv" && data.type !== "generic") {
      throw this.#trouble(`enginePath: ${at} is of type ${data.type}; name one of type kv`);
    }
    const version = data?.options?.version ?? "1";
    if (version !== vaultKVVersion) {
      throw this.#trouble(`vaultKVVersion: ${at} is of version ${version}; set vaultKVVersion to ${version}`);
    }
  }

  /** The values of a secret. Rejects with `secretNotFound`, or with `backendUnavailable`. */
  async read(name: string, version: string | undefined, signal?: AbortSignal): Promise<SecretValues> {
    const path = this.#paths.read(name);
    const missing = () => fail("secretNotFound", { name: version ? `${name} of version ${version}` : name });
    if (path === undefined) throw missing();
    const answer = await this.#ask({ method: "GET", path, ...(version ? { query: { version } } : {}) }, signal);
    if (answer.status === 404) {
      this.#assertMounted(answer);
      throw missing();
    }
    if (answer.status !== 200) throw await this.#denied(answer, `read on ${this.#paths.readable(name)}`, signal);
    const { vaultKVVersion, vaultValueType } = this.#settings;
    const values = valuesIn(answer.text, name, { version: vaultKVVersion, type: vaultValueType });
    if (!values) throw missing();
    return values;
  }

  /** What is in a folder, `""` or `a/b/`, each with that in front; folders end with a slash. Rejects like `read`. */
  async list(folder: string, signal?: AbortSignal): Promise<readonly string[]> {
    const path = this.#paths.list(folder);
    const answer = await this.#ask({ method: "GET", path, query: { list: "true" } }, signal);
    if (answer.status === 404) {
      this.#assertMounted(answer);
      return [];
    }
    if (answer.status !== 200) throw await this.#denied(answer, `list on ${decodeURIComponent(path)}/`, signal);
    const { data } = JSON.parse(answer.text) as { readonly data?: { readonly keys?: readonly string[] } };
    return (data?.keys ?? []).map((key) => folder + key);
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await assertServes(this.#server, signal);
  }

  async close(): Promise<void> {
    await this.#tokens.close();
    this.#server.close();
  }

  /** With the token; once more where the server refuses it and there is another. */
  async #ask(request: Omit<VaultRequest, "token">, signal?: AbortSignal): Promise<VaultAnswer> {
    const { token } = this.#tokens;
    const answer = await this.#server.ask({ ...request, token }, signal);
    if (answer.status !== 403 || !(await this.#tokens.replace(token, signal))) return answer;
    return this.#server.ask({ ...request, token: this.#tokens.token }, signal);
  }

  #assertMounted({ status, errors }: VaultAnswer): void {
    if (!/no handler for route/.test(errors.join())) return;
    const { enginePath } = this.#settings;
    const words = `(${status}: ${errors.join("; ")})`;
    throw this.#trouble(`enginePath: ${this.#server.address} has no engine at ${enginePath}; correct it ${words}`);
  }

  /** For a request that was not answered with 200: whether the token or its policy is at fault. */
  async #denied(answer: VaultAnswer, needs: string, signal?: AbortSignal): Promise<MechaError> {
    const words = `(${answer.status}: ${answer.errors.join("; ") || "no word why"})`;
    if (answer.status !== 403) return this.#trouble(`${this.#server.address} refuses the request ${words}`);
    const self = await this.#ask({ method: "GET", path: "auth/token/lookup-self" }, signal);
    if (self.status === 403 && isBadToken(answer)) return this.#trouble(this.#tokenText(self));
    const { setting } = this.#tokens;
    const cause = `${setting}: no policy of the token gives ${needs}; add it to one ${words}`;
    // Read by those who ask for many and leave out what they may not see.
    return new MechaError("backendUnavailable", { name: this.#name, cause, isDenied: true });
  }

  #tokenText({ status, errors }: VaultAnswer): string {
    const { setting } = this.#tokens;
    const words = `(${status}: ${errors.join("; ")})`;
    return `${setting}: ${this.#server.address} does not accept the token, or it has ended; give a new one ${words}`;
  }

  #trouble(cause: string): MechaError {
    return fail("backendUnavailable", { name: this.#name, cause });
  }
}

/** In words that differ from those about a policy: `permission denied` alone, or `invalid token`. */
const isBadToken = ({ errors }: VaultAnswer): boolean =>
  errors.some((text) => text === "permission denied" || /(bad|invalid) token/.test(text));
