// Builds the two scripts of the pages, or with --test the tests, for node.
// The same sources give the same bytes on every machine.

import { build } from "esbuild";
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const LIMIT = 60 * 1024; // bytes of all script, gzip

const here = dirname(fileURLToPath(import.meta.url));
const common = { absWorkingDir: here, bundle: true, charset: "utf8", legalComments: "eof", logLevel: "warning" };

if (process.argv.includes("--test")) {
  rmSync(join(here, ".test"), { recursive: true, force: true });
  const tests = readdirSync(join(here, "test")).filter((name) => name.endsWith(".test.ts"));
  await build({
    ...common,
    entryPoints: tests.map((name) => join("test", name)),
    outdir: ".test",
    outExtension: { ".js": ".mjs" },
    platform: "node",
    format: "esm",
    target: "node20",
  });
} else {
  const assets = join("..", "internal", "site", "assets");
  await build({
    ...common,
    entryPoints: { check: "src/page.ts", "check-worker": "src/worker.ts" },
    outdir: assets,
    platform: "browser",
    format: "iife",
    target: ["es2022", "chrome94", "firefox94", "safari15.4"],
    minify: true,
  });
  let all = 0;
  for (const name of ["check.js", "check-worker.js"]) {
    const source = readFileSync(join(here, assets, name));
    const size = gzipSync(source, { level: 9 }).length;
    all += size;
    console.log(`${basename(name).padEnd(18)} ${source.length} bytes, ${size} gzip`);
  }
  console.log(`${"all script".padEnd(18)} ${all} gzip of at most ${LIMIT}`);
  if (all > LIMIT) throw new Error("the scripts are larger than they may be");
}
