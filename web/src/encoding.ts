// Bytes and their text forms.

export type Bytes = Uint8Array<ArrayBuffer>;

const STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE = STANDARD.slice(0, 62) + "-_";

/**
 * Reads base64url (RFC 4648 section 5) without padding, of n bytes where n is
 * given. Strict: no other characters, and no set bits behind the last byte, so
 * that bytes have one text only. atob() would let both pass.
 */
export function fromBase64url(text: string, n?: number): Bytes {
  const [bytes, stray] = decode(text, URL_SAFE);
  if (stray !== 0) throw new Error("base64url with stray bits");
  if (n !== undefined && bytes.length !== n) throw new Error(`${bytes.length} bytes where ${n} belong`);
  return bytes;
}

export function toBase64url(bytes: Uint8Array): string {
  const digits = utf8(URL_SAFE);
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3));
  for (let i = 0, n = 0; i < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (let shift = 18; shift >= 0 && n < text.length; shift -= 6) text[n++] = digits[(group >> shift) & 63]!;
  }
  return fromUTF8(text);
}

/** Reads padded base64, as signed notes are written; where it is strict, without set bits behind the last byte. */
export function fromBase64(text: string, strict = false): Bytes {
  const digits = text.replace(/={1,2}$/, "");
  if (text.length % 4 !== 0) throw new Error("base64 without its padding");
  const [bytes, stray] = decode(digits, STANDARD);
  if (strict && stray !== 0) throw new Error("base64 with stray bits");
  return bytes;
}

function decode(text: string, alphabet: string): [Bytes, number] {
  if (text.length % 4 === 1) throw new Error("not base64");
  const value = new Int8Array(128).fill(-1);
  for (let i = 0; i < 64; i++) value[alphabet.charCodeAt(i)] = i;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let held = 0;
  for (let i = 0, n = 0; i < text.length; i++) {
    const digit = value[text.charCodeAt(i)] ?? -1;
    if (digit < 0) throw new Error("not base64");
    bits = ((bits << 6) | digit) & 0xfff;
    held += 6;
    if (held >= 8) bytes[n++] = bits >> (held -= 8);
  }
  return [bytes, bits & ((1 << held) - 1)];
}

/** Reads 64 lower-case hex digits, the one text of a SHA-256 hash. */
export function fromHash(hex: string): Bytes {
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new Error("not 64 lower-case hex digits");
  return Uint8Array.from({ length: 32 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

/** Reads UTF-8 strictly: nothing is replaced, and a byte order mark is a character. */
export const fromUTF8 = (bytes: Uint8Array): string =>
  new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);

export function concat(...parts: Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

export const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && compare(a, b, a.length) === 0;

/** Compares the first n bytes of two texts of bytes: below, at or above zero. */
export function compare(a: Uint8Array, b: Uint8Array, n: number): number {
  for (let i = 0; i < n; i++) {
    const d = a[i]! - b[i]!;
    if (d !== 0) return d;
  }
  return 0;
}
