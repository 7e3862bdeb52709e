// A small index with everything a server has: evaluator keys, layers, a ledger.
// The tests ask it as a page would, and make it lie.

import { ed25519, ristretto255_oprf } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bucketBits, bucketName, bucketSize } from "../src/bucket.ts";
import { type Bytes, concat, fromBase64url, toBase64url, toHex, utf8 } from "../src/encoding.ts";
import { bucketOf, ENTRY_SIZE, sealEntry } from "../src/entry.ts";
import { input, parseEmail } from "../src/identity.ts";
import { canonical, type JSONValue } from "../src/json.ts";
import { leaf } from "../src/tlogproof.ts";

/** RFC 9497 section 3.3.2; the library's types leave Evaluate out. */
const voprf = ristretto255_oprf.voprf as typeof ristretto255_oprf.voprf & { evaluate(secretKey: Uint8Array, input: Uint8Array): Bytes };
const base64 = (b: Uint8Array) => Buffer.from(b).toString("base64");

export class Layer {
  readonly bits: number;
  readonly pad: number;
  readonly root: string;
  readonly responses = new Map<string, Bytes>(); // by bucket name

  constructor(readonly entries: Bytes[], locatorBits: number) {
    const sorted = [...entries].sort((a, b) => Buffer.compare(a, b));
    this.bits = bucketBits(sorted.length, locatorBits);
    const buckets = Array.from({ length: 2 ** this.bits }, (_, n) => sorted.filter((e) => bucketOf(e, this.bits) === n));
    this.pad = Math.ceil(bucketSize(Math.max(...buckets.map((b) => b.length)), this.bits) / 1024) * 1024;
    const levels = [buckets.map((b) => sha256(concat(Uint8Array.of(0), ...b)))];
    while (levels.at(-1)!.length > 1) {
      const below = levels.at(-1)!;
      levels.push(below.filter((_, i) => i % 2 === 0).map((l, i) => sha256(concat(Uint8Array.of(1), l, below[2 * i + 1]!))));
    }
    this.root = toHex(levels.at(-1)![0]!);
    buckets.forEach((bucket, number) => {
      const body = new Uint8Array(this.pad);
      new DataView(body.buffer).setUint32(0, bucket.length);
      const path = levels.slice(0, -1).map((level, height) => level[(number >> height) ^ 1]!);
      body.set(concat(...bucket, ...path), 4);
      this.responses.set(bucketName(number, this.bits), body);
    });
  }

  /** The response to a group of buckets. */
  group(depth: number, number: number): Bytes {
    const n = 2 ** (this.bits - depth);
    return concat(...Array.from({ length: n }, (_, i) => this.responses.get(bucketName(number * n + i, this.bits))!));
  }
}

interface Source {
  incident: string;
  key: string;
  members: string[];
  fill: number; // entries of nobody
}

export class World {
  readonly keys = new Map(["k1", "k2"].map((id) => [id, voprf.generateKeyPair()]));
  readonly layers = new Map<string, Layer>(); // by root: sources and served ones
  readonly requests: string[] = [];
  now = Date.parse("2026-11-22T00:10:00Z");
  time = "2026-11-22T00:00:00Z";
  expires = "2026-11-24T00:00:00Z";
  seq = 1;
  prev = "0".repeat(64);
  private readonly secret = ed25519.utils.randomSecretKey();
  readonly origin = "ledger.example.org/test";
  /** Lies: what is done to a response before it is sent. */
  lie: (path: string, reply: Response) => Response | Promise<Response> = (_, reply) => reply;

  private readonly served: { key: string; sources: Source[] }[];

  constructor() {
    const member = "user1@example.com";
    this.served = [
      { key: "k1", sources: [{ incident: "a-2013", key: "k1", members: [member], fill: 3000 }, { incident: "b-2020", key: "k1", members: [], fill: 500 }] },
      { key: "k2", sources: [{ incident: "c-2024", key: "k2", members: [member, "user2@example.com"], fill: 10 }] },
    ];
    this.statement = this.makeStatement();
  }

  get vkey(): string {
    const key = concat(Uint8Array.of(1), ed25519.getPublicKey(this.secret));
    return `${this.origin}+${this.keyHash(key)}+${base64(key)}`;
  }

  private readonly keyHash = (key: Uint8Array) => toHex(sha256(concat(utf8(`${this.origin}\n`), key)).subarray(0, 4));

  statement: { [name: string]: JSONValue };

  private makeStatement(): { [name: string]: JSONValue } {
    const incidents: JSONValue[] = [
      this.incident("open-2026", "investigating", {}),
      this.incident("mail-2025", "by-mail", {}),
      this.incident("phone-2022", "retired", {}),
    ];
    const layers = this.served.map(({ key, sources }) => {
      const made = sources.map((s) => {
        const members = s.members.map((m) => sealEntry(voprf.evaluate(this.keys.get(key)!.secretKey, input(parseEmail(m))), 16, s.incident, "1", 1));
        const fill = Array.from({ length: s.fill }, (_, i) => {
          const e = sha256(utf8(`${s.incident} ${i}`)).slice(0, ENTRY_SIZE);
          e[2] = 0;
          return e as Bytes;
        });
        const layer = new Layer([...members, ...fill], 16);
        this.layers.set(layer.root, layer);
        incidents.push(this.incident(s.incident, "final", { email: layer.entries.length }));
        return { source: s, layer };
      });
      const fold = made.length === 1 ? made[0]!.layer : new Layer(made.flatMap((m) => m.layer.entries), 16);
      this.layers.set(fold.root, fold);
      return {
        id: fold.root, root: fold.root, key, n: fold.entries.length, bits: fold.bits, pad: fold.pad,
        sources: made.map((m) => ({ incident: m.source.incident, revision: "1", n: m.layer.entries.length, root: m.layer.root })),
      };
    });
    const byId = (a: any, b: any) => (a.id < b.id ? -1 : 1);
    return {
      v: 1, seq: this.seq, prev: this.prev, time: this.time, expires: this.expires, phoneRegion: "JP",
      keys: [...this.keys].map(([id, k]) => ({ id, locatorBits: 16, public: toBase64url(k.publicKey) })),
      layers: layers.sort(byId), incidents: incidents.sort(byId),
    };
  }

  private incident(id: string, state: string, counts: { [kind: string]: number }): JSONValue {
    return {
      id, state, counts, revision: state === "final" ? "1" : "0", organisation: "例示株式会社", asOf: this.time,
      title: { ja: `事案 ${id}`, en: `Incident ${id}` }, sets: state === "final" ? [["email"], ["email", "password:hashed"]] : [],
    };
  }

  bytes(): Bytes {
    const { seq, prev, time, expires } = this;
    return utf8(canonical({ ...this.statement, seq, prev, time, expires }));
  }

  /** Signs a ledger of five entries, of which the fourth is these bytes. */
  proof(bytes: Uint8Array): string {
    const leaves = [0, 1, 2, 3, 4].map((i) => sha256(concat(Uint8Array.of(0), i === 3 ? leaf("statement", bytes) : Uint8Array.of(i))));
    const node = (l: Uint8Array, r: Uint8Array) => sha256(concat(Uint8Array.of(1), l, r));
    const left = node(leaves[0]!, leaves[1]!);
    const root = node(node(left, node(leaves[2]!, leaves[3]!)), leaves[4]!);
    const text = `${this.origin}\n5\n${base64(root)}\n`;
    const key = concat(Uint8Array.of(1), ed25519.getPublicKey(this.secret));
    const signature = concat(Uint8Array.from(Buffer.from(this.keyHash(key), "hex")), ed25519.sign(utf8(text), this.secret));
    const path = [leaves[2]!, left, leaves[4]!].map(base64).join("\n");
    return `c2sp.org/tlog-proof@v1\nindex 3\n${path}\n\n${text}\n— ${this.origin} ${base64(signature)}\n`;
  }

  readonly fetch = async (target: URL | RequestInfo, init?: RequestInit): Promise<Response> => {
    const path = new URL(String(target)).pathname;
    this.requests.push(`${init?.method ?? "GET"} ${path}`);
    if (init?.signal?.aborted) throw new Error("aborted");
    return this.lie(path, await this.reply(path, init));
  };

  private async reply(path: string, init?: RequestInit): Promise<Response> {
    if (path === "/check/v1/statement") {
      const bytes = this.bytes();
      return Response.json({ statement: toBase64url(bytes), proof: this.proof(bytes) });
    }
    if (path === "/check/v1/evaluate") {
      const { key, blinded } = JSON.parse(String(init?.body));
      const pair = this.keys.get(key)!;
      const { evaluated, proof } = voprf.blindEvaluateBatch(pair.secretKey, pair.publicKey, blinded.map((b: string) => fromBase64url(b)));
      return Response.json({ evaluated: evaluated.map(toBase64url), proof: toBase64url(proof) });
    }
    const [, root, name] = /^\/check\/v1\/layers\/([0-9a-f]{64})\/buckets\/([0-9a-f]+)$/.exec(path) ?? [];
    const body = this.layers.get(root!)?.responses.get(name!);
    return body ? new Response(body) : new Response("", { status: 404 });
  }
}
