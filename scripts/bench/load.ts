import { Agent, request } from "node:http";
import autocannon from "autocannon";
import type { Running } from "./processes.ts";

/** What a load has measured. */
export interface Rate {
  readonly perSecond: number;
  /** Microseconds of the server's processor time per request. */
  readonly cpuUs: number;
}

const warmUpSeconds = 2;
const measureSeconds = 5;
const connections = 32;

/** Requests per second of one URL, as many as it takes, after a warm-up. */
export async function saturate(url: string, server: Running): Promise<Rate> {
  await autocannon({ url, connections, duration: warmUpSeconds });
  const before = server.cpuMs();
  const result = await autocannon({ url, connections, duration: measureSeconds });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} failed`);
  const total = result.requests.total;
  return { perSecond: total / result.duration, cpuUs: ((server.cpuMs() - before) * 1000) / total };
}

/** Requests of any kind for some seconds, without a warm-up. */
export async function saturateWith(
  options: {
    readonly url: string;
    readonly method: "POST";
    readonly body: string;
    readonly headers: Record<string, string>;
  },
  server: Running,
  seconds: number,
): Promise<Rate & { readonly total: number }> {
  const before = server.cpuMs();
  const result = await autocannon({ ...options, connections, duration: seconds });
  if (result.non2xx > 0) throw new Error(`${options.url}: ${result.non2xx} refused`);
  const total = result["2xx"];
  return { total, perSecond: total / result.duration, cpuUs: ((server.cpuMs() - before) * 1000) / total };
}

/** The same for any asynchronous call, `concurrency` at once. */
export async function saturateCalls(call: () => Promise<unknown>, server: Running, concurrency = 64): Promise<Rate> {
  const run = async (seconds: number): Promise<number> => {
    const end = performance.now() + seconds * 1000;
    let done = 0;
    const loop = async () => {
      while (performance.now() < end) {
        await call();
        done++;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, loop));
    return done;
  };
  await run(warmUpSeconds);
  const before = server.cpuMs();
  const started = performance.now();
  const total = await run(measureSeconds);
  const seconds = (performance.now() - started) / 1000;
  return { perSecond: total / seconds, cpuUs: ((server.cpuMs() - before) * 1000) / total };
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/**
 * Latency in ms of POSTs, or of GETs when there is no body, that are sent at a fixed rate, whether or not earlier ones have been answered. The server is
 * first warmed up by as many as it takes, since some thousand calls are run by V8's interpreter.
 */
export async function paced(
  url: string,
  body: Buffer | undefined,
  perSecond: number,
  seconds: number,
): Promise<Latency> {
  const agent = new Agent({ keepAlive: true, maxSockets: 128 });
  await autocannon({ url, ...(body ? { method: "POST", body } : {}), connections, duration: warmUpSeconds });
  await pacedRound(agent, url, body, perSecond, 1);
  const times = await pacedRound(agent, url, body, perSecond, seconds);
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] as number;
  return { p50: at(0.5), p99: at(0.99) };
}

async function pacedRound(
  agent: Agent,
  url: string,
  body: Buffer | undefined,
  perSecond: number,
  seconds: number,
): Promise<number[]> {
  const times: number[] = [];
  const open: Promise<void>[] = [];
  const started = performance.now();
  for (let sent = 0; sent < perSecond * seconds; ) {
    const due = Math.floor(((performance.now() - started) / 1000) * perSecond);
    for (; sent < due; sent++) open.push(send(agent, url, body).then((ms) => void times.push(ms)));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(open);
  return times;
}

function send(agent: Agent, url: string, body: Buffer | undefined): Promise<number> {
  const started = performance.now();
  const options = body
    ? { method: "POST", headers: { "content-type": "application/octet-stream", "content-length": body.length } }
    : { method: "GET" };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, ...options }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} answered ${response.statusCode}`));
      response.resume();
      response.once("end", () => resolve(performance.now() - started));
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}
