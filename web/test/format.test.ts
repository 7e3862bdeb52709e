import assert from "node:assert/strict";
import { test } from "node:test";
import { digits, number, time, timeWithJapan } from "../src/format.ts";

test("numbers are written as internal/language writes them", () => {
  for (const [n, ja, en] of [
    [0, "0", "0"], [999, "999", "999"], [9999, "9,999", "9,999"], [11_049, "11,049", "11,049"], [99_999, "99,999", "99,999"], [100_000, "10万", "100,000"], [1_692_496, "169万2,496", "1,692,496"],
    [100_000_000, "1億", "100,000,000"], [75_450_000, "7,545万", "75,450,000"], [1_000_000_010_000, "1兆1万", "1,000,000,010,000"],
  ] as const) {
    assert.equal(number("ja", n), ja);
    assert.equal(number("en", n), en);
    assert.equal(digits(n), en);
  }
});

test("times are written as internal/language writes them, in the reader's zone", () => {
  const saved = process.env.TZ;
  const at = new Date("2013-07-18T20:05:00Z");
  const hour = new Date("2013-07-19T07:00:00Z");
  try {
    process.env.TZ = "Asia/Tokyo";
    assert.equal(time("ja", at), "2013年7月19日 5時05分（日本時間）");
    assert.equal(time("en", hour), "19 July 2013, 16:00 JST");
    assert.equal(timeWithJapan("ja", hour), "2013年7月19日 16時（日本時間）");
    process.env.TZ = "Europe/Berlin";
    assert.equal(timeWithJapan("ja", hour), "2013年7月19日 9時（UTC+02:00） / 16時（日本時間）");
    assert.equal(timeWithJapan("en", at), "18 July 2013, 22:05 UTC+02:00 / 19 July 2013, 05:05 JST");
    process.env.TZ = "America/St_Johns";
    assert.equal(time("en", at), "18 July 2013, 17:35 UTC-02:30");
    process.env.TZ = "UTC";
    assert.equal(time("ja", at), "2013年7月18日 20時05分（協定世界時）");
  } finally {
    if (saved === undefined) delete process.env.TZ;
    else process.env.TZ = saved;
  }
});
