// The canonical form of what a person may be known by. identity/email.go is the
// specification, step by step; identity/testdata/vectors.json holds the traps.

import { codePoints, domainToASCII, Refused, refuseMarkRun } from "./domain.ts";
import { type Bytes, utf8 } from "./encoding.ts";
import { Failure } from "./failure.ts";
import type { Kind } from "./statement.ts";
import { Unicode } from "./unicode.ts";

/** A kind and its canonical value. It is personal data. */
export interface Identity {
  kind: Kind;
  value: string;
}

const MAX_INPUT = 1000; // bytes of UTF-8
const MAX_LOCAL = 64;
const MAX_ACCOUNT = 256; // bytes

/** What is trimmed: Unicode's white space, and the invisible characters that copying adds. No \s: it is another list. */
const SPACE = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000" +
  "\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060\\u2066-\\u2069\\ufeff";
const ENDS = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");
const SEPARATORS = new RegExp(`[${SPACE}()[\\]./\\-\\xad\\u2010-\\u2015\\u2212\\u30fc]`, "g");

const LOCAL = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]+$/;

/** Gives the bytes that are hashed for an identity. */
export const input = (id: Identity): Bytes => utf8(`shirase/v1\0${id.kind}\0${id.value}`);

export const parseEmail = (s: string): Identity => ({ kind: "email", value: refusing(() => email(s)) });

/**
 * Gives the E.164 form of a Japanese number. Go has the numbering plans of the
 * world at hand; a page has not, and without them a trunk prefix cannot be told
 * from a digit of the number. A wrong guess would tell a victim "no", so other
 * numbers are refused (phone-not-here). So are numbers of a length that Japan has
 * not (phone-invalid); that a number of a right length exists is not checked.
 */
export const parsePhone = (s: string, region: string): Identity => ({ kind: "phone", value: refusing(() => phone(s, region)) });

export const newAccount = (organisation: string, id: string): Identity =>
  ({ kind: "account", value: refusing(() => account(organisation, id)) });

/**
 * Takes the address or number out of what a person typed or pasted: mailto: and
 * tel: links, "Name <user@example.com>". identity/typed.go is the specification,
 * step by step.
 */
export function typed(kind: Kind, s: string): string {
  if (kind === "account" || utf8(s).length > MAX_INPUT || /[\ud800-\udfff]/u.test(s)) return s;
  const whole = trim(s);
  if (kind === "phone") return /^tel:/i.test(whole) ? whole.slice(4).split(";")[0]! : s;
  if (!/[>＞]$/.test(whole)) return withoutMailto(whole);
  const open = Math.max(whole.lastIndexOf("<"), whole.lastIndexOf("＜"));
  return open < 0 ? s : withoutMailto(trim(whole.slice(open + 1, -1)));
}

function withoutMailto(s: string): string {
  if (!/^mailto:/i.test(s)) return s;
  try {
    return decodeURIComponent(s.slice("mailto:".length).split("?")[0]!);
  } catch {
    return s;
  }
}

function refusing(parse: () => string): string {
  try {
    return parse();
  } catch (e) {
    if (e instanceof Refused) throw new Failure("identity", e.reason, e.reason);
    throw e;
  }
}

function email(s: string): string {
  const whole = trim(normalize(s));
  if (whole === "") throw new Refused("empty");
  const at = whole.lastIndexOf("@");
  if (at < 0) throw new Refused("no-at-sign");
  const local = localPart(whole.slice(0, at));
  const domain = whole.slice(at + 1);
  if (domain === "") throw new Refused("domain-empty");
  if (domain[0] === "[") throw new Refused("domain-literal");
  return `${local}@${domainToASCII(domain)}`;
}

/** Steps 1 to 5. */
function normalize(s: string): string {
  refuseLength(s, MAX_INPUT);
  refuseSurrogates(s);
  if (/^[\0-\x7f]*$/.test(s)) return s;
  refuseOldNormaliser();
  const all = codePoints(s);
  if (!all.every(Unicode.get().assigned)) throw new Refused("unassigned-character");
  refuseMarkRun(all);
  return s.normalize("NFKC");
}

function refuseLength(s: string, max: number): void {
  if (s.length > max || utf8(s).length > max) throw new Refused("too-long");
}

function refuseSurrogates(s: string): void {
  if (/[\ud800-\udfff]/u.test(s)) throw new Refused("not-utf8");
}

/** The normal forms of what is assigned never change, but this browser must know what is assigned in Unicode 15.0. */
function refuseOldNormaliser(): void {
  if ("\u{1e030}".normalize("NFKC") !== "\u0430") throw new Refused("old-normaliser");
}

const trim = (s: string): string => s.replace(ENDS, "");

/** Step 7. */
function localPart(s: string): string {
  if (s === "") throw new Refused("local-part-empty");
  if (!/^[\0-\x7f]*$/.test(s)) throw new Refused("local-part-not-ascii");
  let local = s;
  if (s[0] === '"') {
    local = s.slice(1, -1);
    if (s.length < 2 || !s.endsWith('"') || !LOCAL.test(local)) throw new Refused("local-part-quoted");
  }
  if (!LOCAL.test(local)) throw new Refused("local-part-character");
  if (local.length > MAX_LOCAL) throw new Refused("local-part-too-long");
  return local.replace(/[A-Z]/g, (c) => c.toLowerCase());
}

function phone(s: string, region: string): string {
  if (region !== "" && region !== "JP") throw new Refused("phone-not-here");
  const normal = normalize(s);
  if (trim(normal) === "") throw new Refused("empty");
  const digits = normal.replace(SEPARATORS, "");
  if (!/^\+?[0-9]+$/.test(digits)) throw new Refused("phone-character");
  if (digits[0] !== "+" && region === "") throw new Refused("phone-no-region");
  // Japan's prefix for calls abroad is 010. A leading 0 is the trunk prefix.
  const dialled = digits.replace(/^010(?=[1-9])/, "+").replace(/^(?!\+)/, "+81");
  if (!dialled.startsWith("+81")) throw new Refused("phone-not-here");
  const national = dialled.slice(3).replace(/^0/, "");
  // Ten digits with mobile, IP and pager prefixes and 0800, else nine.
  if (!/^([1-9][1-9][0-9]{7}|[25-9]0[0-9]{8})$/.test(national)) throw new Refused("phone-invalid");
  return `+81${national}`;
}

function account(organisation: string, id: string): string {
  if (!/^[a-z0-9-]{1,64}$/.test(organisation)) throw new Refused("organisation-invalid");
  refuseLength(id, MAX_INPUT);
  refuseSurrogates(id);
  const own = trim(id);
  if (own === "") throw new Refused("empty");
  refuseLength(own, MAX_ACCOUNT);
  if (/[\0-\x1f\x7f-\x9f]/.test(own)) throw new Refused("control-character");
  return `${organisation}\0${own}`;
}

const GMAIL = ["gmail.com", "googlemail.com"];

/**
 * Gives the other addresses under which the same person may be known: without
 * the tag, and at Gmail, where dots mean nothing, without them. They are other
 * identities: nothing but a person's wish may look them up.
 */
export function variants(id: Identity): Identity[] {
  const [local, domain] = id.value.split("@");
  if (id.kind !== "email" || local === undefined || domain === undefined) return [];
  const locals = [local];
  const plus = local.indexOf("+");
  if (plus > 0) locals.push(local.slice(0, plus));
  const domains = [domain];
  if (GMAIL.includes(domain)) {
    for (const l of [...locals]) {
      const dotless = l.replaceAll(".", "");
      if (dotless !== l && dotless !== "" && dotless[0] !== "+") locals.push(dotless);
    }
    domains.push(...GMAIL.filter((d) => d !== domain));
  }
  return domains
    .flatMap((d) => locals.map((l): Identity => ({ kind: "email", value: `${l}@${d}` })))
    .filter((v) => v.value !== id.value);
}
