import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex, fromUTF8 } from "../src/encoding.ts";
import { Failure } from "../src/failure.ts";
import { type Identity, input, newAccount, parseEmail, parsePhone, typed, variants } from "../src/identity.ts";
import { Unicode } from "../src/unicode.ts";
import { hex, vectors } from "./vectors.ts";

interface Vector {
  in?: string;
  hex?: string; // not UTF-8: a page never meets it
  organisation?: string;
  region?: string;
  out?: string;
  error?: string;
  input?: string;
  variants?: string[];
  kind?: "email" | "phone" | "account"; // of a typed text
}

const { email, phone, account, variants: offered, typed: pasted } = vectors("identity/testdata/vectors.json") as Record<string, Vector[]>;

function outcome(parse: () => Identity): string {
  try {
    return parse().value;
  } catch (e) {
    if (e instanceof Failure && e.code === "identity") return `refused: ${e.reason}`;
    throw e;
  }
}

function compare(v: Vector, parse: () => Identity, expected = v.out ?? `refused: ${v.error}`): void {
  assert.equal(outcome(parse), expected, JSON.stringify(v));
  if (v.input && v.out === expected) assert.equal(toHex(input(parse())), v.input, JSON.stringify(v));
}

test("e-mail vectors", () => {
  assert.ok(email!.length > 200);
  for (const v of email!) if (v.in !== undefined) compare(v, () => parseEmail(v.in!));
});

test("bytes that are not UTF-8 never become a text", () => {
  const bytes = [email, phone, account].flatMap((list) => list!.filter((v) => v.hex !== undefined));
  assert.ok(bytes.length > 0);
  for (const v of bytes) assert.throws(() => fromUTF8(hex(v.hex!)));
});

test("a canonical address is its own canonical form", () => {
  for (const v of email!) if (v.out !== undefined) assert.equal(parseEmail(v.out).value, v.out);
});

// The difference from Go that parsePhone documents: only Japanese numbers.
test("phone vectors, as far as a page goes", () => {
  assert.ok(phone!.length > 50);
  for (const v of phone!) {
    if (v.in === undefined) continue;
    const region = v.region ?? "";
    const abroad = v.out !== undefined && !v.out.startsWith("+81");
    const unknownCountry = v.error === "phone-invalid" && v.in.startsWith("+");
    const here = (region === "" || region === "JP") && !abroad && !unknownCountry;
    compare(v, () => parsePhone(v.in!, region), here ? undefined : "refused: phone-not-here");
  }
});

test("account vectors", () => {
  assert.ok(account!.length > 20);
  for (const v of account!) if (v.in !== undefined) compare(v, () => newAccount(v.organisation ?? "", v.in!));
});

test("variants", () => {
  assert.ok(offered!.length > 5);
  for (const v of offered!) {
    assert.deepEqual(variants({ kind: "email", value: v.in! }).map((i) => i.value), v.variants, v.in);
  }
});

test("what is typed or pasted", () => {
  assert.ok(pasted!.length >= 30);
  for (const v of pasted!) assert.equal(typed(v.kind!, v.in!), v.out, JSON.stringify(v));
  const long = `mailto:${"a".repeat(1000)}`;
  assert.equal(typed("email", long), long);
});

test("a lone surrogate is refused", () => {
  assert.equal(outcome(() => parseEmail("user\ud800@example.com")), "refused: not-utf8");
});

test("the table agrees with this runtime's own normaliser where both know the character", () => {
  const table = Unicode.get();
  for (let c = 0; c < 0x110000; c++) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const s = String.fromCodePoint(c);
    const to = table.inDomain(c);
    if (to === s) assert.equal(s.normalize("NFKC"), s, `U+${c.toString(16)} is kept and is not NFKC`);
    if (table.mark(c) && table.assigned(c)) assert.match(s, /\p{M}/u, `U+${c.toString(16)}`);
  }
});
