// Asks a server, and believes nothing it says that is not proven. It mirrors
// check/client.go: the same requests, checks and names of failures.

import { sha256 } from "@noble/hashes/sha2.js";
import { type Answer, conclude, type Evaluation } from "./answer.ts";
import { type Bucket, bucketBits, bucketName, MAX_PAD, parseBucket } from "./bucket.ts";
import { type Bytes, compare, concat, equal, fromBase64url, fromHash, fromUTF8, toBase64url, toHex } from "./encoding.ts";
import { bucketOf, ENTRY_SIZE } from "./entry.ts";
import { Failure, named } from "./failure.ts";
import { type Identity, input } from "./identity.ts";
import { type JSONValue, list, members, parseJSON, text } from "./json.ts";
import { NO_WITNESSES } from "./policy.ts";
import { type Pins, seen, trusted } from "./pins.ts";
import { type Hash, type Key, type Layer, milliseconds, parseStatement, type Statement, type Time } from "./statement.ts";
import { type Inclusion, proofOrigin, verifyInclusion } from "./tlogproof.ts";
import { blind, finalize } from "./voprf.ts";

const CLOCK_SKEW = 10 * 60_000; // milliseconds, tolerated before "not-yet"
const MAX_WAITS = 5; // 429 answers waited out for one request
const MAX_WAIT = 120; // seconds
const MAX_REPLY = 64 << 10; // bytes of an evaluation
const MAX_STATEMENT_REPLY = 8 << 20; // bytes
const TIMEOUT = 60_000; // milliseconds for one request
const FRESH = 5 * 60_000; // milliseconds that a statement fetched ahead is used
const AT_ONCE = 4; // buckets fetched side by side

/** What is being done, told as it begins; or that the server asked to wait. */
export type Step = "statement" | "sealing" | "evaluating" | "proving" | "fetching" | "comparing";
export type Progress = { step: Step } | { waiting: number /* seconds; 0: over */ };

/** What surrounds a client: the page's, or a test's. */
export interface Surroundings {
  base: string; // URL of the server, with a slash at its end
  pageKeys: string[]; // ledger keys the page names
  fetch: typeof fetch;
  now: () => number;
  sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** A verified statement. */
export interface Known {
  statement: Statement;
  bytes: Bytes;
  proof: string;
  inclusion: Inclusion;
  at: number; // when it was fetched
}

export interface Options {
  tell: (progress: Progress) => void;
  signal: AbortSignal;
  audit: boolean; // also compare with the source layers
}

/** Nobody watches: nothing is told, and a server that asks to wait is not waited for. */
const UNWATCHED: Options = { tell: () => {}, signal: new AbortController().signal, audit: false };

export class Client {
  private known: Known | undefined;
  private ahead: Promise<unknown> | undefined;

  constructor(private readonly around: Surroundings, public pins: Pins) {}

  /** Fetches a statement before it is asked for. If that fails, the check will tell. */
  async prefetch(): Promise<void> {
    this.ahead ??= this.fetchStatement(UNWATCHED).catch(() => {}).finally(() => (this.ahead = undefined));
    await this.ahead;
  }

  /** Gives a statement that is minutes old at most. */
  async statement(options: Options): Promise<Known> {
    await this.ahead;
    const now = this.around.now();
    const { known } = this;
    if (known && known.at <= now && now - known.at < FRESH && now < milliseconds(known.statement.expires)) return known;
    return this.fetchStatement(options);
  }

  /**
   * Asks whether an identity is in the published index and gives the proven
   * answer. No request made after the result is known depends on it, and a
   * verification that fails is a Failure, never a "no".
   */
  async check(id: Identity, options: Options): Promise<{ answer: Answer; known: Known }> {
    const began = this.around.now();
    options.tell({ step: "statement" });
    const known = await this.statement(options);
    const { statement: s } = known;
    const keys = s.keys.filter((k) => s.layers.some((l) => l.key === k.id));
    const evaluations = await Promise.all(keys.map((key) => this.evaluate(key, id, options)));
    const outputs = new Map(evaluations.map((e) => [e.key, e.output]));
    options.tell({ step: "fetching" });
    const buckets = await this.buckets(s, outputs, options);
    if (buckets.size < s.layers.length && known.at < began) {
      // The statement was fetched ahead, and its layers may have been replaced since.
      this.known = undefined;
      return this.check(id, options);
    }
    options.tell({ step: "comparing" });
    const answer: Answer = {
      claimed: toTime(this.around.now()),
      identity: id,
      verdict: conclude(s, id.kind, outputs, buckets),
      statement: known.bytes,
      proof: known.proof,
      evaluations: evaluations.map(({ output: _, ...evaluation }) => evaluation),
      buckets: s.layers.flatMap((l) => {
        const bucket = buckets.get(l.id);
        return bucket ? [{ layer: l.id, bytes: bucket.bytes }] : [];
      }),
    };
    return { answer, known };
  }

  private async fetchStatement(options: Options): Promise<Known> {
    const reply = await this.json("check/v1/statement", undefined, MAX_STATEMENT_REPLY, options);
    const { bytes, proof } = named("server", () => {
      const m = members(reply, "statement", "proof");
      return { bytes: fromBase64url(text(m.statement)), proof: text(m.proof) };
    });
    const origin = proofOrigin(proof);
    const keys = trusted(this.pins, this.around.pageKeys, origin);
    if (keys.length === 0) throw new Failure("checkpoint", "a ledger whose key is not known");
    const inclusion = verifyInclusion("statement", bytes, proof, { keys, policy: NO_WITNESSES });
    const statement = parseStatement(bytes);
    const now = this.around.now();
    if (now >= milliseconds(statement.expires)) throw new Failure("expired", `expired at ${statement.expires}`);
    if (milliseconds(statement.time) > now + CLOCK_SKEW) throw new Failure("not-yet", `from ${statement.time}`);
    const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(this.around.base).hostname);
    seen(this.pins, origin, this.around.pageKeys, statement, toHex(sha256(bytes)), toTime(now), loopback);
    return (this.known = { statement, bytes, proof, inclusion, at: now });
  }

  private async evaluate(key: Key, id: Identity, options: Options): Promise<Evaluation & { output: Bytes }> {
    options.tell({ step: "sealing" });
    const blinded = blind(input(id));
    options.tell({ step: "evaluating" });
    const request = JSON.stringify({ key: key.id, blinded: [toBase64url(blinded.element)] });
    const reply = await this.json("check/v1/evaluate", request, MAX_REPLY, options);
    const { evaluated, proof } = named("server", () => {
      const m = members(reply, "evaluated", "proof");
      return { evaluated: list(m.evaluated, (v) => fromBase64url(text(v))), proof: fromBase64url(text(m.proof)) };
    });
    if (evaluated.length !== 1) throw new Failure("server", `${evaluated.length} elements for one`);
    options.tell({ step: "proving" });
    const output = finalize(key.public, [blinded], evaluated, proof)[0]!;
    return { key: key.id, blind: blinded.blind, evaluated: evaluated[0]!, proof, output };
  }

  /** Fetches one bucket of every layer. A layer that the server says it cannot give has none. */
  private async buckets(s: Statement, outputs: Map<string, Bytes>, options: Options): Promise<Map<Hash, Bucket>> {
    const got = new Map<Hash, Bucket>();
    const left = [...s.layers];
    const work = async () => {
      for (let layer = left.shift(); layer; layer = left.shift()) {
        const output = outputs.get(layer.key)!;
        const bucket = await this.bucket(layer.root, output, layer.bits, layer.pad, options);
        if (bucket === undefined) continue;
        if (options.audit) await this.audit(s, layer, output, bucket, options);
        got.set(layer.id, bucket);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return got;
  }

  private async bucket(root: Hash, output: Bytes, bits: number, pad: number, options: Options): Promise<Bucket | undefined> {
    const number = bucketOf(output, bits);
    const path = `check/v1/layers/${root}/buckets/${bucketName(number, bits)}`;
    const body = await this.request(path, undefined, "application/octet-stream", pad || MAX_PAD, options);
    if (body instanceof Refusal) {
      if (body.missing) return undefined;
      throw body;
    }
    return parseBucket(body, number, fromHash(root), bits, pad);
  }

  /** Compares a served bucket with the same prefix of each source layer. It reveals nothing more: that prefix was shown already. */
  private async audit(s: Statement, layer: Layer, output: Bytes, served: Bucket, options: Options): Promise<void> {
    const { locatorBits } = s.keys.find((k) => k.id === layer.key)!;
    const all: Uint8Array[] = [];
    for (const source of layer.sources) {
      const bucket = await this.bucket(source.root, output, bucketBits(source.n, locatorBits), 0, options);
      if (bucket === undefined) throw new Failure("audit", `the source layer of ${source.incident} is not served`);
      for (let i = 0; i < bucket.entries.length; i += ENTRY_SIZE) {
        const entry = bucket.entries.subarray(i, i + ENTRY_SIZE);
        if (bucketOf(entry, layer.bits) === bucketOf(output, layer.bits)) all.push(entry);
      }
    }
    all.sort((a, b) => compare(a, b, ENTRY_SIZE));
    if (!equal(concat(...all), served.entries)) throw new Failure("audit", `a bucket of layer ${layer.id}`);
  }

  private async json(path: string, body: string | undefined, limit: number, options: Options): Promise<JSONValue> {
    const reply = await this.request(path, body, "application/json", limit, options);
    if (reply instanceof Refusal) throw reply;
    return named("server", () => parseJSON(fromUTF8(reply)));
  }

  /** Makes one request, waiting out 429 as often and as long as is bearable. */
  private async request(path: string, body: string | undefined, accept: string, limit: number, options: Options): Promise<Bytes | Refusal> {
    for (let waits = 0; ; waits++) {
      const reply = await this.once(path, body, accept, limit, options.signal);
      if (!(reply instanceof Refusal) || reply.status !== 429) return reply;
      if (waits === MAX_WAITS || reply.retryAfter > MAX_WAIT || options === UNWATCHED) throw new Failure("busy", `asked to wait ${reply.retryAfter} s`);
      options.tell({ waiting: reply.retryAfter });
      await this.around.sleep(reply.retryAfter * 1000, options.signal);
      options.tell({ waiting: 0 });
    }
  }

  private async once(path: string, body: string | undefined, accept: string, limit: number, signal: AbortSignal): Promise<Bytes | Refusal> {
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
        cache: "no-store", // a bucket's number is nobody's business who reads this disk later
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: timed.signal,
      });
      if (response.status !== 200) {
        void response.body?.cancel();
        return new Refusal(response);
      }
      return await readAll(response, limit);
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
class Refusal extends Failure {
  readonly status: number;
  readonly retryAfter: number; // seconds

  constructor(response: Response) {
    super("network", `the server answered ${response.status}`);
    this.status = response.status;
    const seconds = response.headers.get("Retry-After") ?? "";
    this.retryAfter = /^[0-9]{1,6}$/.test(seconds) ? Math.max(1, Number(seconds)) : 1;
  }

  /** Whether the server said that it does not have, or cannot give, something. */
  get missing(): boolean {
    return this.status === 404 || this.status === 410 || this.status >= 500;
  }
}

async function readAll(response: Response, limit: number): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader!.read()) {
    size += part.value.length;
    if (size > limit) {
      void reader!.cancel();
      throw new Failure("server", `more than ${limit} bytes`);
    }
    parts.push(part.value);
  }
  return concat(...parts);
}

/** Gives a time of whole seconds. */
export const toTime = (milliseconds: number): Time => new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, "Z");
