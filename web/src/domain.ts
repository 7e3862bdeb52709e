// The domain of an e-mail address: steps 8 to 13 of ParseEmail in
// identity/email.go, which is the specification. It is UTS 46 ToASCII
// (non-transitional, STD3 rules) by pinned tables, and never the URL parser:
// browsers differ there.

import { decode, encode } from "./punycode.ts";
import { Unicode } from "./unicode.ts";

const MAX_DOMAIN = 253;
const MAX_LABEL = 63;
const MAX_MARKS = 8;
const ZWNJ = 0x200c;
const ZWJ = 0x200d;

/** Why a text is no identity: the codes of identity/reason.go. */
export class Refused extends Error {
  constructor(readonly reason: string) {
    super(reason);
  }
}

export const codePoints = (s: string): number[] => Array.from(s, (c) => c.codePointAt(0)!);

const notASCII = (c: number): boolean => c >= 0x80;

/**
 * Refuses more than 8 combining marks in a row. The halfwidth sound marks count,
 * because NFKC makes marks of them. Without the bound, normalisers differ.
 */
export function refuseMarkRun(label: number[], reason = "too-many-marks"): void {
  let n = 0;
  for (const c of label) {
    n = notASCII(c) && (c === 0xff9e || c === 0xff9f || Unicode.get().mark(c)) ? n + 1 : 0;
    if (n > MAX_MARKS) throw new Refused(reason);
  }
}

/** Gives a domain in its canonical form. s is NFKC of assigned code points, and not empty. */
export function domainToASCII(s: string): string {
  const mapped = mapDomain(s);
  if (mapped === "") throw new Refused("domain-empty");
  const names = mapped.replace(/\.$/, "").split(".");
  const labels = names.map((name) => {
    const label = decodeLabel(name);
    checkLabel(label);
    return label;
  });
  if (labels.some((l) => l.some((c) => /[RA]/.test(bidi(c)))) && !labels.every(bidiRule)) throw new Refused("domain-bidi");
  const ascii = labels.map((l, i) => (l.some(notASCII) ? "xn--" + encode(l) : names[i]!));
  if (ascii.some((name) => name.length > MAX_LABEL)) throw new Refused("domain-label-too-long");
  const domain = ascii.join(".");
  if (domain.length > MAX_DOMAIN) throw new Refused("domain-too-long");
  if (ascii.length === 1) throw new Refused("domain-no-dot");
  if (/^([0-9]*|0x[0-9a-f]*)$/.test(ascii.at(-1)!)) throw new Refused("domain-numeric");
  return domain;
}

const bidi = (c: number): string => Unicode.get().bidi(c);

/** Step 8. */
function mapDomain(s: string): string {
  let out = "";
  for (const c of codePoints(s)) {
    const to = Unicode.get().inDomain(c);
    if (to === undefined) throw new Refused("domain-character");
    out += to;
  }
  refuseMarkRun(codePoints(out));
  return out.normalize("NFC");
}

/** Step 10: a label's code points, those of an xn-- label decoded. */
function decodeLabel(name: string): number[] {
  if (name === "") throw new Refused("domain-empty-label");
  if (!name.startsWith("xn--")) return codePoints(name);
  const ace = name.slice("xn--".length);
  const label = decode(ace);
  if (
    label === undefined || !label.some(notASCII) || encode(label) !== ace ||
    label.some((c) => !Unicode.get().valid(c) || c === 0x2e)
  ) {
    throw new Refused("domain-punycode");
  }
  refuseMarkRun(label, "domain-punycode");
  const decoded = String.fromCodePoint(...label);
  if (decoded.normalize("NFC") !== decoded) throw new Refused("domain-punycode");
  return label;
}

/** Step 11: UTS 46 section 4.1, criteria 2, 3, 5 and 7. */
function checkLabel(label: number[]): void {
  const hyphen = (i: number) => label.at(i) === 0x2d;
  if (hyphen(0) || hyphen(-1) || (label.length >= 4 && hyphen(2) && hyphen(3))) throw new Refused("domain-hyphen");
  if (Unicode.get().mark(label[0]!)) throw new Refused("domain-mark");
  label.forEach((c, i) => {
    if ((c === ZWNJ && !nonJoinerAllowed(label, i)) || (c === ZWJ && !afterVirama(label, i))) {
      throw new Refused("domain-joiner");
    }
  });
}

/** RFC 5892 appendix A.2. */
const afterVirama = (label: number[], i: number): boolean => i > 0 && Unicode.get().virama(label[i - 1]!);

/** RFC 5892 appendix A.1: after a virama, or (L|D) T* ZWNJ T* (R|D) by joining types. */
function nonJoinerAllowed(label: number[], i: number): boolean {
  const types = (part: number[]) => part.map((c) => Unicode.get().joining(c)).join("");
  return afterVirama(label, i) || (/[LD]T*$/.test(types(label.slice(0, i))) && /^T*[RD]/.test(types(label.slice(i + 1))));
}

/** RFC 5893 section 2, over the classes of one label. */
function bidiRule(label: number[]): boolean {
  const classes = label.map(bidi).join("");
  return (
    (/^R[RAEON]*$/.test(classes) && /[RAE]N*$/.test(classes) && !/E.*A|A.*E/.test(classes)) || // conditions 1 to 4
    (/^L[LEON]*$/.test(classes) && /[LE]N*$/.test(classes)) // conditions 1, 5, 6
  );
}
