// Requests to one server: each waits out 429 as often and as long as is
// bearable, has an end, and says by name what did not come.

import { type Bytes, concat, fromUTF8 } from "./encoding.ts";
import { type Code, Failure, named } from "./failure.ts";
import { type JSONValue, parseJSON } from "./json.ts";

const MAX_WAITS = 5; // 429 answers waited out for one request
const MAX_WAIT = 120; // seconds
const MAX_PROBLEM = 4 << 10; // bytes of a refusal's reason
const TIMEOUT = 60_000; // milliseconds for one request

/** What is being done, told as it begins; or that the server asked to wait. */
export type Step = "statement" | "sealing" | "evaluating" | "proving" | "fetching" | "comparing";
export type Progress = { step: Step } | { waiting: number /* seconds; 0: over */ };

export interface Options {
  tell: (progress: Progress) => void;
  signal: AbortSignal;
  audit: boolean; // compare with every source layer
}

/** Nobody watches: nothing is told, and a server that asks to wait is not waited for. */
export const UNWATCHED: Options = { tell: () => {}, signal: new AbortController().signal, audit: false };

/** What surrounds a client: the page's, or a test's. */
export interface Surroundings {
  base: string; // URL of the server, with a slash at its end
  pageKeys: string[]; // ledger keys the page names
  fetch: typeof fetch;
  now: () => number;
  sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /**
   * Keeps pins in the place of those before, and gives nothing; or gives what is
   * kept now, where that is something else: another tab has met more meanwhile.
   */
  keep?: (before: string | null, after: string) => Promise<{ now: string | null } | undefined>;
}

interface Wanted {
  body?: string; // posted; without it, the path is fetched
  accept: string;
  limit: number; // bytes
  tooLong?: Code; // what more than the limit is; "server" where it is not said
  keep?: boolean; // the browser may keep what comes
}

/** A server of version 1 knows no groups. */
export const NO_PATH = Symbol();

export class Server {
  constructor(private readonly around: Surroundings) {}

  async json(path: string, limit: number, options: Options, body?: string): Promise<JSONValue> {
    const reply = await this.request(path, { accept: "application/json", limit, ...(body !== undefined && { body }) }, options);
    if (reply instanceof Refusal) throw reply;
    return named("server", () => parseJSON(fromUTF8(reply)));
  }

  /**
   * Gets a part of a layer; undefined where the server says that it does not have
   * it, or cannot give it, and NO_PATH where it knows no such path.
   */
  async part(path: string, limit: number, options: Options): Promise<Bytes | typeof NO_PATH | undefined> {
    // A group's number is nobody's business who reads this disk later: it is not kept.
    const reply = await this.request(path, { accept: "application/octet-stream", limit, tooLong: "bucket" }, options);
    if (!(reply instanceof Refusal)) return reply;
    if (reply.status === 404 && ["", "unknown-path"].includes(reply.problem)) return NO_PATH;
    if (reply.gone || reply.status >= 500) return undefined;
    throw reply;
  }

  /** Gets a tile of the ledger; undefined where it is not there. */
  async tile(path: string, limit: number, options: Options): Promise<Bytes | undefined> {
    const reply = await this.request(path, { accept: "application/octet-stream", limit, keep: true }, options);
    if (!(reply instanceof Refusal)) return reply;
    if (reply.gone) return undefined;
    throw reply;
  }

  private async request(path: string, wanted: Wanted, options: Options): Promise<Bytes | Refusal> {
    for (let waits = 0; ; waits++) {
      const reply = await this.once(path, wanted, options.signal);
      if (!(reply instanceof Refusal) || reply.status !== 429) return reply;
      if (waits === MAX_WAITS || reply.retryAfter > MAX_WAIT || options === UNWATCHED) throw new Failure("busy", `asked to wait ${reply.retryAfter} s`);
      options.tell({ waiting: reply.retryAfter });
      await this.around.sleep(reply.retryAfter * 1000, options.signal);
      options.tell({ waiting: 0 });
    }
  }

  private async once(path: string, { body, accept, limit, tooLong, keep }: Wanted, signal: AbortSignal): Promise<Bytes | Refusal> {
    if (signal.aborted) throw new Failure("network", "stopped");
    const timed = new AbortController();
    const stop = () => timed.abort();
    const timer = setTimeout(stop, TIMEOUT);
    signal.addEventListener("abort", stop);
    try {
      const response = await this.around.fetch(new URL(path, this.around.base), {
        method: body === undefined ? "GET" : "POST",
        headers: body === undefined ? { Accept: accept } : { Accept: accept, "Content-Type": "application/json" },
        ...(body === undefined ? {} : { body }),
        cache: keep ? "default" : "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: timed.signal,
      });
      if (response.status === 200) return await readAll(response, limit, tooLong);
      const problem = await problemOf(response);
      if (problem === "unwitnessed") throw new Failure("unwitnessed", "the server says that its ledger is not witnessed");
      return new Refusal(response, problem);
    } catch (e) {
      if (e instanceof Failure) throw e;
      throw new Failure("network", signal.aborted ? "stopped" : timed.signal.aborted ? "timed out" : "no connection");
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }
}

/** A server's answer other than 200. */
export class Refusal extends Failure {
  readonly status: number;
  readonly retryAfter: number; // seconds

  constructor(response: Response, readonly problem: string) {
    super("server", `the server answered ${response.status}`);
    this.status = response.status;
    const seconds = response.headers.get("Retry-After") ?? "";
    this.retryAfter = /^[0-9]{1,6}$/.test(seconds) ? Math.max(1, Number(seconds)) : 1;
  }

  get gone(): boolean {
    return this.status === 404 || this.status === 410;
  }
}

/** Gives the name of a refusal (RFC 9457), such as "unknown-layer"; "" where the server does not say it. */
async function problemOf(response: Response): Promise<string> {
  if (!response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
    void response.body?.cancel();
    return "";
  }
  try {
    const { type } = JSON.parse(fromUTF8(await readAll(response, MAX_PROBLEM)));
    return /\/problems\/([a-z][a-z0-9-]*)$/.exec(String(type))?.[1] ?? "";
  } catch {
    return "";
  }
}

async function readAll(response: Response, limit: number, tooLong: Code = "server"): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader!.read()) {
    size += part.value.length;
    if (size > limit) {
      void reader!.cancel();
      throw new Failure(tooLong, `more than ${limit} bytes`);
    }
    parts.push(part.value);
  }
  return concat(...parts);
}
