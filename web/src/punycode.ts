// Punycode, RFC 3492, with the parameters of IDNA (section 5).

const BASE = 36;
const T_MIN = 1;
const T_MAX = 26;
const SKEW = 38;
const DAMP = 700;
const INITIAL_BIAS = 72;
const INITIAL_N = 0x80;
const MAX = 0x7fffffff;
const DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** Decodes the part of a label after "xn--" (section 6.2), lower case only, to code points; undefined where it cannot. */
export function decode(label: string): number[] | undefined {
  const delimiter = Math.max(0, label.lastIndexOf("-")); // one at 0 has nothing before it
  const out = Array.from(label.slice(0, delimiter), (c) => c.codePointAt(0)!);
  if (out.some((c) => c >= INITIAL_N)) return undefined;
  let n = INITIAL_N;
  let bias = INITIAL_BIAS;
  for (let at = delimiter > 0 ? delimiter + 1 : 0, i = 0; at < label.length; i++) {
    const before = i;
    for (let weight = 1, k = BASE; ; k += BASE) {
      const digit = DIGITS.indexOf(label[at++] ?? " ");
      if (digit < 0 || digit > (MAX - i) / weight) return undefined;
      i += digit * weight;
      const t = threshold(k, bias);
      if (digit < t) break;
      if (weight > MAX / (BASE - t)) return undefined;
      weight *= BASE - t;
    }
    const size = out.length + 1;
    bias = adapt(i - before, size, before === 0);
    n += Math.floor(i / size);
    if (n > 0x10ffff || (0xd800 <= n && n <= 0xdfff)) return undefined;
    i %= size;
    out.splice(i, 0, n);
  }
  return out;
}

/** Encodes a label's code points, without "xn--" (section 6.3). They are few: nothing can overflow. */
export function encode(label: number[]): string {
  let out = String.fromCodePoint(...label.filter((c) => c < INITIAL_N));
  const basic = out.length;
  if (basic > 0) out += "-";
  let n = INITIAL_N;
  let delta = 0;
  let bias = INITIAL_BIAS;
  for (let done = basic; done < label.length; delta++, n++) {
    const next = Math.min(...label.filter((c) => c >= n));
    delta += (next - n) * (done + 1);
    n = next;
    for (const c of label) {
      if (c < n) delta++;
      if (c !== n) continue;
      let q = delta;
      for (let k = BASE; ; k += BASE) {
        const t = threshold(k, bias);
        if (q < t) break;
        out += DIGITS[t + ((q - t) % (BASE - t))];
        q = Math.floor((q - t) / (BASE - t));
      }
      out += DIGITS[q];
      bias = adapt(delta, done + 1, done === basic);
      delta = 0;
      done++;
    }
  }
  return out;
}

const threshold = (k: number, bias: number): number => Math.min(Math.max(k - bias, T_MIN), T_MAX);

/** Section 6.1. */
function adapt(delta: number, size: number, first: boolean): number {
  delta = Math.floor(delta / (first ? DAMP : 2));
  delta += Math.floor(delta / size);
  let k = 0;
  for (; delta > ((BASE - T_MIN) * T_MAX) / 2; k += BASE) delta = Math.floor(delta / (BASE - T_MIN));
  return k + Math.floor(((BASE - T_MIN + 1) * delta) / (delta + SKEW));
}
