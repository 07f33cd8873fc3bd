import type { SQSClientConfig } from "@aws-sdk/client-sqs";
import { fail } from "../../specs/errors.ts";
import type { Call, Clock, OpenContext } from "../contract/driver.ts";
import { type Asked, type Fixes, openFailure, translate, withoutRequest } from "./failures.ts";
import type { AwsSettings } from "./settings.ts";

/** What the clients of all services take. */
export type ClientOptions = Pick<
  SQSClientConfig,
  "region" | "endpoint" | "credentials" | "maxAttempts" | "retryMode" | "requestHandler"
>;

/** What the clients of all services have. */
export interface ServiceClient {
  readonly config: { region(): Promise<string>; credentials(): Promise<unknown> };
  destroy(): void;
}

export interface Opening {
  /** Name of the service, for texts of errors: `SQS`. */
  readonly service: string;
  /** Speak without TLS where the endpoint does not say. */
  readonly plain?: boolean;
  /** Take any certificate. */
  readonly insecure?: boolean;
}

const connectWithinMs = 5000;
const closeWithinMs = 2000;
/** Longer than the longest wait for messages, 20 s. */
const silentMs = 30_000;
const attempts = 3;
const sockets = 100;

/**
 * Makes the client of a service and sees to it that there are a region and credentials; asks nothing of the service.
 * Rejects with `openFailed`.
 */
export async function openClient<C extends ServiceClient>(
  make: (options: ClientOptions) => C,
  opening: Opening,
  settings: AwsSettings,
  context: OpenContext,
): Promise<Client<C>> {
  const options = await readOptions(opening, settings, context);
  const client = make(options);
  try {
    const region = await client.config.region().catch((error: unknown) => {
      throw fail("openFailed", { why: "region: none is given; set it, or AWS_REGION" }, { cause: error });
    });
    const address = settings.endpoint || `${opening.service} in ${region}`;
    const opened = new Client(client, region, { name: context.name, address }, context.clock);
    await untilAborted(client.config.credentials(), context.signal).catch((error: unknown) => {
      throw openFailure(withoutRequest(error), opened.asked);
    });
    return opened;
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** One component's way to a service. */
export class Client<C extends ServiceClient> {
  readonly #client: C;
  readonly #active = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  readonly region: string;
  readonly asked: Asked;
  readonly #clock: Clock;
  #closed: Promise<void> | undefined;

  constructor(client: C, region: string, asked: Asked, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.region = region;
    this.asked = asked;
  }

  /** Asks the service; tries again what may be, until the call's signal aborts. Rejects with reasons. */
  async run<T>(
    use: (client: C, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
    call: Call,
    fixes?: Fixes,
  ): Promise<T> {
    try {
      return await this.ask(use, call);
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      throw translate(error, this.asked, fixes);
    }
  }

  /** The same, and rejects with what the library says. */
  async ask<T>(use: (client: C, options: { readonly abortSignal: AbortSignal }) => Promise<T>, call: Call): Promise<T> {
    this.#closing.signal.throwIfAborted();
    call.signal?.throwIfAborted();
    const abortSignal = call.signal ? AbortSignal.any([call.signal, this.#closing.signal]) : this.#closing.signal;
    // The library waits between attempts without looking at the signal.
    const asking = untilAborted(use(this.#client, { abortSignal }), abortSignal);
    this.#active.add(asking);
    try {
      return await asking;
    } catch (error) {
      throw withoutRequest(error);
    } finally {
      this.#active.delete(asking);
    }
  }

  /** Lets go of what is under way when it has not ended within two seconds. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const ended = Promise.allSettled([...this.#active]);
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#clock.after(closeWithinMs, resolve);
    });
    await Promise.race([ended, late]);
    cancel();
    this.#closing.abort(fail("backendUnavailable", { name: this.asked.name, cause: "the component is closed" }));
    this.#client.destroy();
  }
}

/** Settles as the work does, or with the reason of a signal that aborts before. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  signal.throwIfAborted();
  let leave = () => {};
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
  });
  try {
    return await Promise.race([work, left]);
  } finally {
    signal.removeEventListener("abort", leave);
    work.catch(() => {});
  }
}

async function readOptions(opening: Opening, settings: AwsSettings, { log }: OpenContext): Promise<ClientOptions> {
  const { region, endpoint } = settings;
  const credentials = await readCredentials(settings);
  const quiet = (text: unknown) => log.debug(String(text));
  const { NodeHttpHandler } = await import("@smithy/node-http-handler");
  return {
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint: readEndpoint(endpoint, opening) } : {}),
    ...(credentials ? { credentials } : {}),
    maxAttempts: attempts,
    retryMode: "standard",
    // The client of Kinesis would speak HTTP/2, for which its endpoints need TLS.
    requestHandler: new NodeHttpHandler({
      connectionTimeout: connectWithinMs,
      socketTimeout: silentMs,
      httpAgent: { keepAlive: true, maxSockets: sockets },
      httpsAgent: { keepAlive: true, maxSockets: sockets, ...(opening.insecure ? { rejectUnauthorized: false } : {}) },
      logger: { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet },
    }),
  };
}

function readEndpoint(endpoint: string, { plain }: Opening): string {
  const written = /^[a-z]+:\/\//i.test(endpoint) ? endpoint : `${plain ? "http" : "https"}://${endpoint}`;
  const url = URL.parse(written);
  if (url && (url.protocol === "http:" || url.protocol === "https:")) return written;
  throw fail("openFailed", { why: "endpoint: must be an address such as https://sqs.eu-west-1.amazonaws.com" });
}

async function readCredentials(settings: AwsSettings): Promise<ClientOptions["credentials"]> {
  const { region, endpoint, accessKey, secretKey, sessionToken, assumeRoleArn, sessionName } = settings;
  const wrong = (why: string) => fail("openFailed", { why });
  if (settings.trustAnchorArn || settings.trustProfileArn) {
    throw wrong(
      "trustAnchorArn, trustProfileArn: IAM Roles Anywhere needs a certificate of the sidecar, which has none; take them out and let AWS_PROFILE name a profile whose credential_process is aws_signing_helper",
    );
  }
  if (Boolean(accessKey) !== Boolean(secretKey)) {
    throw wrong("accessKey, secretKey: give both, or neither to use what the environment offers");
  }
  if (sessionToken && !accessKey) throw wrong("sessionToken: it belongs to an accessKey; give that too");
  const own =
    accessKey && secretKey
      ? { accessKeyId: accessKey, secretAccessKey: secretKey, ...(sessionToken ? { sessionToken } : {}) }
      : undefined;
  if (!assumeRoleArn) return own;
  const { fromTemporaryCredentials } = await import("@aws-sdk/credential-providers");
  return fromTemporaryCredentials({
    ...(own ? { masterCredentials: own } : {}),
    params: { RoleArn: assumeRoleArn, RoleSessionName: sessionName },
    clientConfig: {
      ...(region ? { region } : {}),
      ...(endpoint ? { endpoint: readEndpoint(endpoint, { service: "STS" }) } : {}),
    },
  });
}
