import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { causeText, fail } from "../../specs/errors.ts";
import type { Clock } from "../contract/driver.ts";
import type { ExecPlugin } from "./kubeconfig.ts";

/** What goes into the header `authorization`. */
export interface Credentials {
  /** Undefined: none, as with client certificates. Rejects with `openFailed` when it cannot be got. */
  header(): Promise<string | undefined>;
  /** The server has refused the last one: the next `header` reads it anew. Whether that may help. */
  renew(): boolean;
}

/** Tokens of service accounts are exchanged before they end; clients are asked to look at least once a minute. */
const freshForMs = 60_000;

/** Nothing, or always the same. */
export const fixedHeader = (header: string | undefined): Credentials => ({
  header: async () => header,
  renew: () => false,
});

/** A token in a file that somebody else keeps up to date. */
export function tokenFile(setting: string, path: string, clock: Clock): Credentials {
  let known: { readonly token: string; readonly readAt: number } | undefined;
  return {
    async header() {
      if (!known || clock.now() - known.readAt >= freshForMs) known = { token: await read(), readAt: clock.now() };
      return `Bearer ${known.token}`;
    },
    renew() {
      known = undefined;
      return true;
    },
  };

  async function read(): Promise<string> {
    let token: string;
    try {
      token = (await readFile(path, "utf8")).trim();
    } catch (error) {
      throw fail("openFailed", { why: `${setting}: the token cannot be read (${causeText(error)})` }, { cause: error });
    }
    if (token === "") throw fail("openFailed", { why: `${setting}: the token file ${path} is empty` });
    return token;
  }
}

/** What such a program prints. */
interface ExecCredential {
  readonly status?: { readonly token?: string; readonly expirationTimestamp?: string };
}

const runWithinMs = 60_000;

/** A program that gives tokens, as the tools of cloud providers do. */
export function execToken(setting: string, plugin: ExecPlugin, clock: Clock): Credentials {
  let known: Promise<{ readonly token: string; readonly endsAt: number }> | undefined;
  const run = async () => {
    const text = await runPlugin(setting, plugin);
    const { status } = JSON.parse(text) as ExecCredential;
    if (!status?.token) {
      throw fail("openFailed", {
        why: `${setting}: ${plugin.command} printed no status.token; other forms are not supported`,
      });
    }
    const end = status.expirationTimestamp ? Date.parse(status.expirationTimestamp) : Number.POSITIVE_INFINITY;
    return { token: status.token, endsAt: end };
  };
  const forget = () => {
    known = undefined;
  };
  return {
    async header() {
      if (known && (await known).endsAt <= clock.now()) forget();
      known ??= run().catch((error: unknown) => {
        forget();
        throw error;
      });
      return `Bearer ${(await known).token}`;
    },
    renew() {
      forget();
      return true;
    },
  };
}

function runPlugin(setting: string, { command, args, env, apiVersion }: ExecPlugin): Promise<string> {
  const info = { kind: "ExecCredential", apiVersion, spec: { interactive: false } };
  const environment = { ...process.env, ...env, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  return new Promise((resolve, reject) => {
    execFile(command, args, { env: environment, timeout: runWithinMs }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const words = stderr.trim().split("\n").at(-1) || causeText(error);
      // The error holds the command line, and the output may hold a token.
      reject(
        fail("openFailed", { why: `${setting}: ${command}, which gives tokens, failed (${words.slice(0, 300)})` }),
      );
    });
  });
}
