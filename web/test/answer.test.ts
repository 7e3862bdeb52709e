import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeAnswer, parseAnswer } from "../src/answer.ts";
import { toBase64url, utf8 } from "../src/encoding.ts";
import type { Failure } from "../src/failure.ts";
import { parseLedgerKey } from "../src/note.ts";
import { NO_WITNESSES } from "../src/policy.ts";
import { proofOrigin, verifyInclusion } from "../src/tlogproof.ts";
import { fault, verifyAnswer, type Verified } from "../src/verify.ts";
import { fails, vectors } from "./vectors.ts";

interface Vector {
  name: string;
  file?: object;
  base?: string;
  op?: "set" | "remove" | "flip";
  path?: (string | number)[];
  value?: unknown;
  byte?: number;
  ledgerKeys?: string[];
  error?: string;
  fault?: string;
  verdict?: object;
}

interface Vectors {
  ledgerKey: string;
  vectors: Vector[];
}

const all = vectors("check/testdata/answer.json") as Vectors;
const all2 = vectors("check/testdata/answer2.json") as Vectors;

const verify = (file: object | string, vkeys: string[] = [all.ledgerKey]): Verified =>
  verifyAnswer(parseAnswer(utf8(typeof file === "string" ? file : JSON.stringify(file))), vkeys.map(parseLedgerKey));

function file(v: Vector, { vectors }: Vectors = all): object {
  if (v.base === undefined) return v.file!;
  const copy = structuredClone(file(vectors.find((b) => b.name === v.base)!, { ledgerKey: "", vectors }));
  if (v.op === undefined) return copy;
  const path = [...v.path!];
  const last = path.pop()!;
  const at = path.reduce((value: any, step) => value[step], copy);
  if (v.op === "remove" && Array.isArray(at)) at.splice(Number(last), 1);
  else if (v.op === "remove") delete at[last];
  else if (v.op === "set") at[last] = v.value;
  else {
    const bytes = Buffer.from(at[last], "base64url");
    bytes[v.byte ?? 0]! ^= 1;
    at[last] = toBase64url(bytes);
  }
  return copy;
}

/** Members that version 1 does not have, or that are not written where they are empty. */
const NEW = { dropped: [], unreadable: [], compromised: [], sampled: [], ended: [], unlisted: [] };

for (const [name, of] of [["answer.json", all], ["answer2.json", all2]] as const) {
  test(`vectors of ${name}`, () => {
    assert.ok(of.vectors.length > 40);
    for (const v of of.vectors) {
      const run = () => verify(file(v, of), v.ledgerKeys ?? [of.ledgerKey]);
      if (!v.error) {
        assert.deepEqual(run().answer.verdict, { ...NEW, ...v.verdict }, v.name);
        continue;
      }
      fails(v.error, run, v.name);
      if (v.fault) {
        try {
          run();
        } catch (e) {
          assert.equal(fault(e as Failure), v.fault, v.name);
        }
      }
    }
  });
}

test("an answer file is written as it is read", () => {
  // What was saved before there were words for something is written with them.
  for (const v of all2.vectors.filter((v) => !v.error && !v.ledgerKeys && !v.name.startsWith("saved-before"))) {
    const { answer } = verify(file(v, all2), [all2.ledgerKey]);
    assert.deepEqual(JSON.parse(encodeAnswer(answer)), file(v, all2), v.name);
  }
});

test("duplicate members are found anywhere in an answer file", () => {
  const text = JSON.stringify(file(all.vectors[0]!), null, 2);
  for (const name of ["v", "result", "kind", "layer", "blind", "classes", "why"]) {
    fails("answer", () => verify(text.replace(`"${name}"`, `"${name}": 0, "${name}"`)), name);
  }
  fails("answer", () => verify("\ufeff" + text));
  fails("answer", () => verify(text.slice(0, -3)));
});

test("every member is wanted", () => {
  const remove = (whole: object, value: any, path: string): void => {
    if (typeof value !== "object" || value === null) return;
    for (const name of Object.keys(value)) {
      const kept = value[name];
      if (!Array.isArray(value)) {
        delete value[name];
        fails("answer", () => verify(whole), `${path}.${name}`);
        value[name] = null;
        fails("answer", () => verify(whole), `${path}.${name} null`);
        value[name] = kept;
      }
      remove(whole, kept, `${path}.${name}`);
    }
  };
  for (const of of [all, all2]) {
    const whole = structuredClone(file(of.vectors[0]!, of));
    remove(whole, whole, "");
  }
});

test("a ledger key names itself", () => {
  const key = parseLedgerKey(all.ledgerKey);
  assert.equal(key.name, "ledger.example.org/check");
  for (const bad of ["", "a", "a+b", all.ledgerKey.replace("+de", "+df"), all.ledgerKey.slice(0, -4), all.ledgerKey.replace("ledger", "other")]) {
    assert.throws(() => parseLedgerKey(bad), Error, bad);
  }
});

test("a tlog proof is read strictly", () => {
  const { answer } = verify(file(all.vectors[0]!));
  const trust = { keys: [parseLedgerKey(all.ledgerKey)], policy: NO_WITNESSES };
  const check = (proof: string) => () => verifyInclusion("statement", answer.statement, proof, trust);
  check(answer.proof)();
  assert.equal(proofOrigin(answer.proof), "ledger.example.org/check");
  const lines = answer.proof.split("\n");
  const changed = (at: number, line?: string) => lines.flatMap((l, i) => (i === at ? (line === undefined ? [] : [line]) : [l])).join("\n");
  fails("inclusion", check(changed(0, "c2sp.org/tlog-proof@v2")));
  fails("inclusion", check(changed(1, "index 05")));
  fails("inclusion", check(changed(1, "index -1")));
  fails("inclusion", check(changed(1, "index 6")));
  fails("inclusion", check(changed(2)));
  fails("inclusion", check(changed(2, lines[2] + "\n" + lines[2])));
  fails("inclusion", check(answer.proof.slice(0, -1)));
  fails("inclusion", check(answer.proof.replace("— ", "- ")));
  fails("inclusion", check(answer.proof + "x".repeat(70000)));
  fails("checkpoint", check(answer.proof.replace("\n6\n", "\n7\n")));
  fails("inclusion", () => verifyInclusion("notice", answer.statement, answer.proof, trust));
  // What others signed beside the ledger is not looked at.
  check(answer.proof + "— witness.example.org+00 AAAAAAAA\n".replace("+00", ""))();
  fails("inclusion", check(answer.proof.replace(/\n— .*\n$/, "\n")));
  fails("checkpoint", check(answer.proof.replace(/\n— .*\n$/, "\n— witness.example.org AAAAAAAA\n")));
  const extra = answer.proof.replace("\nindex", "\nextra AAAA\nindex");
  check(extra)();
  for (const bad of ["", "\n\n", "a\n\nb"]) fails("inclusion", () => proofOrigin(bad));
});
