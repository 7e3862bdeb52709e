// A ledger as tests need one: a tree with its tiles, and whoever signs it.

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, toHex, utf8 } from "../src/encoding.ts";

const base64 = (b: Uint8Array) => Buffer.from(b).toString("base64");
const node = (l: Uint8Array, r: Uint8Array) => sha256(concat(Uint8Array.of(1), l, r)) as Bytes;

/** A key of a ledger (type 1) or of a witness (type 4). */
export class Signer {
  private readonly secret: Uint8Array;
  readonly key: Bytes;
  readonly vkey: string;

  constructor(readonly name: string, seed = name, private readonly type = 1) {
    this.secret = sha256(utf8(seed));
    this.key = concat(Uint8Array.of(type), ed25519.getPublicKey(this.secret));
    this.vkey = `${name}+${this.hash}+${base64(this.key)}`;
  }

  private get hash(): string {
    return toHex(sha256(concat(utf8(`${this.name}\n`), this.key)).subarray(0, 4));
  }

  /** Gives the signature line of a note's text. */
  sign(text: string, time = 1_795_305_600): string {
    const at = new Uint8Array(this.type === 4 ? 8 : 0);
    if (this.type === 4) new DataView(at.buffer).setBigUint64(0, BigInt(time));
    const message = this.type === 4 ? `cosignature/v1\ntime ${time}\n${text}` : text;
    const signature = concat(Uint8Array.from(Buffer.from(this.hash, "hex")), at, ed25519.sign(utf8(message), this.secret));
    return `— ${this.name} ${base64(signature)}\n`;
  }
}

export class Log {
  leaves: Bytes[] = []; // hashes
  pruned = false; // there are no partial tiles of what is full

  add(entry: Uint8Array): void {
    this.leaves.push(sha256(concat(Uint8Array.of(0), entry)) as Bytes);
  }

  /** RFC 6962 section 2.1, as it is written there. */
  private mth(from: number, to: number): Bytes {
    if (to - from === 1) return this.leaves[from]!;
    const k = split(to - from);
    return node(this.mth(from, from + k), this.mth(from + k, to));
  }

  root(size = this.leaves.length): Bytes {
    return this.mth(0, size);
  }

  /** RFC 6962 section 2.1.1. */
  path(index: number, from = 0, to = this.leaves.length): Bytes[] {
    if (to - from === 1) return [];
    const k = split(to - from);
    return index < k ?
      [...this.path(index, from, from + k), this.mth(from + k, to)] :
      [...this.path(index - k, from + k, to), this.mth(from, from + k)];
  }

  /** Gives a tile by its path, as an honest log does. */
  tile(path: string): Bytes | undefined {
    const [, level, number, width] = /^tile\/(\d)\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d+))?$/.exec(path) ?? [];
    if (level === undefined) return undefined;
    const n = Number(number!.replace(/[x/]/g, ""));
    const each = 256 ** Number(level);
    const has = Math.min(256, Math.floor(this.leaves.length / each) - n * 256);
    const w = width === undefined ? 256 : Number(width);
    if (w > has || (this.pruned && width !== undefined && has === 256)) return undefined;
    return concat(...Array.from({ length: w }, (_, i) => this.mth((n * 256 + i) * each, (n * 256 + i + 1) * each)));
  }

  /** Gives a signed checkpoint. */
  checkpoint(origin: string, signers: Signer[], size = this.leaves.length): string {
    const text = `${origin}\n${size}\n${base64(this.root(size))}\n`;
    return `${text}\n${signers.map((s) => s.sign(text)).join("")}`;
  }

  /** Gives a proof of the entry with that index. */
  proof(index: number, checkpoint: string): string {
    const lines = ["c2sp.org/tlog-proof@v1", `index ${index}`, ...this.path(index).map(base64)];
    return `${lines.join("\n")}\n\n${checkpoint}`;
  }
}

function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** An origin that carries the hash of the key made from a seed. */
export const carrying = (seed: string): string => `unnamed/${toHex(sha256(new Signer("x", seed).key.subarray(1)).subarray(0, 8))}`;
