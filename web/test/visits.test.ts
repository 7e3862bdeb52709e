import assert from "node:assert/strict";
import { test } from "node:test";
import { type Visits, visits } from "./visits.ts";
import { vectors } from "./vectors.ts";

for (const [what, all] of Object.entries({
  "first use": vectors("check/testdata/first-use.json").vectors,
  "keys that follow one another": vectors("check/testdata/succession.json").vectors,
}) as [string, Visits[]][]) {
  test(`vectors: ${what}`, async (t) => {
    assert.ok(all.length > 20);
    for (const v of all) await t.test(v.name, async () => void (await visits(v)));
  });
}
