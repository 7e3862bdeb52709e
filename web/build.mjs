// Builds the scripts of the pages, or with --test the tests, for node.
// The same sources give the same bytes on every machine.

import { build } from "esbuild";
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const LIMIT = 60 * 1024; // bytes of all script of the check, gzip
const PEOPLE_LIMIT = 40 * 1024; // of what looks up services and passwords on the device
const CONSOLE_LIMIT = 8 * 1024; // of the console's

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
  const browser = { ...common, platform: "browser", format: "iife", target: ["es2022", "chrome94", "firefox94", "safari15.4"], minify: true };
  const sized = (assets, names, limit) => {
    let all = 0;
    for (const name of names) {
      const source = readFileSync(join(here, assets, name));
      const size = gzipSync(source, { level: 9 }).length;
      all += size;
      console.log(`${basename(name).padEnd(18)} ${source.length} bytes, ${size} gzip`);
    }
    console.log(`${"all script".padEnd(18)} ${all} gzip of at most ${limit}`);
    if (all > limit) throw new Error("the scripts are larger than they may be");
  };
  const assets = join("..", "internal", "site", "assets");
  await build({ ...browser, entryPoints: { check: "src/page.ts", "check-worker": "src/worker.ts" }, outdir: assets });
  sized(assets, ["check.js", "check-worker.js"], LIMIT);
  await build({ ...browser, entryPoints: { people: "src/people.ts" }, outdir: assets });
  sized(assets, ["people.js"], PEOPLE_LIMIT);
  const desk = join("..", "internal", "console", "assets");
  await build({ ...browser, entryPoints: { console: "src/console.ts" }, outdir: desk });
  sized(desk, ["console.js"], CONSOLE_LIMIT);
}
