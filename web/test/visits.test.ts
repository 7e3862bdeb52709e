import assert from "node:assert/strict";
import { test } from "node:test";
import { type Visits, visits } from "./visits.ts";
import { parseAnswer } from "../src/answer.ts";
import { utf8 } from "../src/encoding.ts";
import { fails, vectors } from "./vectors.ts";

for (const [what, all] of Object.entries({
  "first use": vectors("check/testdata/first-use.json").vectors,
  "keys that follow one another": vectors("check/testdata/succession.json").vectors,
}) as [string, Visits[]][]) {
  test(`vectors: ${what}`, async (t) => {
    assert.ok(all.length > 20);
    for (const v of all) await t.test(v.name, async () => void (await visits(v)));
  });
}

test("vectors: evidence that a browser gives", async (t) => {
  const { made, files } = vectors("check/testdata/evidence.json") as { made: (Visits & { evidence: object })[]; files: { name: string; file?: object }[] };
  assert.ok(made.length > 5);
  for (const v of made) {
    await t.test(v.name, async () => {
      const failed = await visits(v);
      const { what, server, ...evidence } = JSON.parse(failed!.evidence!);
      assert.ok(what !== "" && String(server).startsWith(v.server));
      assert.deepEqual(evidence, v.evidence);
    });
  }
  // Which shows it is for the program to say; a browser does not take it for an answer.
  for (const v of files.filter((f) => f.file !== undefined)) fails("answer", () => parseAnswer(utf8(JSON.stringify(v.file))), v.name);
});
