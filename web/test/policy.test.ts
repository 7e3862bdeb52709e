import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLedgerKey } from "../src/note.ts";
import { statementPolicy, strength } from "../src/policy.ts";
import { openCheckpoint } from "../src/tlogproof.ts";
import { fails, vectors } from "./vectors.ts";

test("policy vectors", () => {
  const all = vectors("check/testdata/policy.json").vectors;
  assert.ok(all.length > 20);
  for (const v of all) {
    // A browser takes the keys of a ledger from elsewhere: a statement's policy names none.
    const lines: string[] = v.policy.split("\n");
    const keys = lines.filter((l) => l.startsWith("log ")).map((l) => parseLedgerKey(l.slice("log ".length)));
    const policy = statementPolicy(lines.filter((l) => !l.startsWith("log ")).join("\n"));
    assert.equal(strength(policy.quorum), v.strength, v.name);
    const open = () => openCheckpoint(v.checkpoint, { keys, policy });
    if (v.error) {
      fails(v.error, open, v.name);
      continue;
    }
    const checkpoint = open();
    assert.deepEqual([checkpoint.size, checkpoint.origin, checkpoint.witnesses], [7, "ledger.example.org/check", v.witnesses], v.name);
    assert.equal(v.checkpoint.includes(checkpoint.key.name), true);
  }
});
