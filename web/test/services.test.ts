import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { test } from "node:test";
import { csv, ExportError, readExport } from "../src/services/exports.ts";
import { applyChange, hashOf, type Item, parseList } from "../src/services/list.ts";
import { chosenAfter, fold, type Grade, hostOf, mainLabel, Matcher, typed } from "../src/services/match.ts";
import { fails, vectors } from "./vectors.ts";

test("vectors of lists and changes", () => {
  const { lists, changes } = vectors("internal/services/testdata/services.json");
  assert.ok(lists.length > 15 && changes.length > 5);
  for (const v of lists) {
    if (!v.hash) {
      fails("server", () => parseList(v.list), v.name);
      continue;
    }
    const items = parseList(v.list).map((it) => ({
      ID: it.id, Names: it.names, Domains: it.domains, Unrelated: it.unrelated, Organisation: it.organisation, Since: it.since, Disclosed: it.disclosed, Over: it.over, Classes: it.classes.join(" "),
    }));
    assert.deepEqual(items, v.items ?? [], v.name);
    assert.equal(hashOf(v.list), v.hash, v.name);
  }
  for (const v of changes) {
    const to = /"to":"([0-9a-f]{64})"/.exec(v.change)?.[1] ?? hashOf("");
    if (v.to === undefined) fails("server", () => applyChange(v.from, v.change, to), v.name);
    else assert.equal(applyChange(v.from, v.change, to), v.to, v.name);
  }
});

const item = (id: string, names: string[], domains: string[] = [], more: Partial<Item> = {}): Item =>
  ({ id, names, domains, unrelated: [], organisation: "", since: "", disclosed: "", over: 0, classes: ["email", "password:hashed"], ...more });

const grades = (items: Item[], line: string): Record<string, Grade> => Object.fromEntries(new Matcher(items).match([typed(line)]).map((m) => [m.item.id, m.grade]));

test("what concerns a service that is used", () => {
  const naver = item("naver", ["LINE株式会社", "LINE Corporation", "ネイバー", "NAVERまとめ"], ["naver.jp"], { unrelated: ["LINE", "livedoor"], organisation: "line" });
  const others = [item("line-2", ["LINE株式会社"], [], { organisation: "line" }), item("line-3", ["LINE株式会社"], ["line.me"], { organisation: "line" }), item("shop", ["例示商店", "Example Shop"], ["shop.example"])];
  const all = [naver, ...others];
  for (const [line, want] of [
    ["https://matome.naver.jp/odai/1", { naver: "service", "line-2": "organisation" }],
    ["naver.jp", { naver: "service", "line-2": "organisation" }],
    ["notnaver.jp", {}],
    ["naver.jp.evil.example", {}],
    ["ＮＡＶＥＲまとめ", { naver: "service", "line-2": "organisation" }],
    ["ねいばー", { naver: "service", "line-2": "organisation" }],
    ["LINE", { naver: "unrelated", "line-2": "service", "line-3": "service" }],
    ["livedoor", { naver: "unrelated" }],
    ["https://line.me/", { "line-3": "service", "line-2": "perhaps", naver: "unrelated" }],
    ["例示", { shop: "perhaps" }],
    ["Example Shop Inc.", { shop: "service" }],
    ["Example", { shop: "perhaps" }],
    ["shop.example.com", {}],
    ["銀行", {}], ["a", {}], ["", {}], ["!!!", {}],
  ] as [string, Record<string, string>][]) {
    const got = grades(all, line);
    if (line === "https://line.me/") delete want["line-2"], delete got["line-2"]; // by its organisation, or by its name
    assert.deepEqual(got, want, line);
  }
});

test("a name alone does not do where the entry has another site", () => {
  const all = [item("bank", ["みどり銀行"], ["midori-bank.example"])];
  const logins = (host: string) => new Matcher(all).match([{ label: "", name: "みどり銀行", hosts: host === "" ? [] : [host] }]).map((m) => m.grade);
  assert.deepEqual([logins(""), logins("midori-bank.example"), logins("other.example")], [["service"], ["service"], ["perhaps"]]);
});

test("names and hosts", () => {
  for (const [a, b] of [["株式会社ＡＢＣ", "abc"], ["Example, Inc.", "example"], ["楽天ｶｰﾄﾞ", "楽天カード"], ["らくてん", "ラクテン"], ["株式会社", "株式会社"], ["E*TRADE", "etrade"]] as const) assert.equal(fold(a), b, a);
  for (const [site, host] of [
    ["https://www.example.co.jp/login?x=1", "example.co.jp"], ["http://u:p@host.example:8080/", "host.example"], ["example.com", "example.com"], ["example.com/path", "example.com"],
    ["android://abc==@com.example.app/", "app.example.com"], ["androidapp://jp.co.example", "example.co.jp"], ["https://例え.jp/", "xn--r8jz45g.jp"], ["http://192.168.0.1/", ""],
    ["http://localhost/", ""], ["NAVERまとめ", ""], ["mailto:a@example.com", ""], ["a@example.com", ""], ["", ""], ["http://", ""], ["javascript:alert(1)", ""],
  ] as const) assert.equal(hostOf(site), host, site);
  assert.deepEqual(["a.example.co.jp", "example.com", "x.y.example.org", "example"].map(mainLabel), ["example", "example", "example", ""]);
});

test("whether a password was chosen after it was over", () => {
  const over = Date.parse("2013-07-18T01:58:00Z");
  const it = item("a", ["A"], [], { since: "2013-07-17T20:51+09:00", over: over / 1000 });
  const vague = item("b", ["B"], [], { since: "~2013-07Z" });
  const say = (i: Item, changed?: number, atMost = false) => chosenAfter(i, { label: "", name: "", hosts: [], changed, atMost });
  assert.deepEqual([say(it), say(it, over - 1), say(it, over), say(it, over - 1, true), say(it, over, true)], ["unknown", "no", "yes", "no", "maybe"]);
  assert.deepEqual([say(vague, Date.parse("2013-06-30T23:00:00Z")), say(vague, over), say(item("c", ["C"]), over)], ["no", "maybe", "unknown"]);
  // Of several entries the worst counts.
  const [m] = new Matcher([it]).match([{ label: "1", name: "A", hosts: [], changed: over }, { label: "2", name: "A", hosts: [], changed: over - 1 }]);
  assert.deepEqual([m?.since, m?.logins.length], ["no", 2]);
});

const SECRET = "correct horse, \"battery\" staple";

test("exports of password managers", () => {
  const q = `"${SECRET.replaceAll('"', '""')}"`;
  const at = Date.parse("2013-08-01T00:00:00Z");
  for (const [name, text, want] of [
    ["Chrome", `name,url,username,password,note\nexample.com,https://example.com/login,me,${q},"a\nb"\n`, [["example.com", "", undefined, true]]],
    ["Firefox", `"url","username","password","httpRealm","formActionOrigin","guid","timeCreated","timeLastUsed","timePasswordChanged"\r\n"https://example.com","me",${q},"","https://example.com","{1}","${at - 5}","${at}","${at}"\r\n"https://b.example","me","x","","","{2}","${at}","${at}","${at}"\r\n`,
      [["example.com", "", at, false], ["b.example", "", at, true]]],
    ["Safari", `Title,URL,Username,Password,Notes,OTPAuth\nExample (me),https://example.com/,me,${q},,\n`, [["example.com", "Example (me)", undefined, true]]],
    ["Bitwarden CSV", `folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n,,login,Example,,,0,"https://example.com,https://b.example/x",me,${q},\n,,note,Diary,secret,,0,,,,\n`, [["example.com b.example", "Example", undefined, true]]],
    ["KeePassXC", `"Group","Title","Username","Password","URL","Notes","TOTP","Icon","Last Modified","Created"\n"Root","Example","me",${q},"https://example.com","","","0","2013-08-01T00:00:00Z","2012-01-01T00:00:00Z"\n`, [["example.com", "Example", at, true]]],
    ["KeePass 1", `"Account","Login Name","Password","Web Site","Comments"\n"Example","me",${q},"example.com",""\n`, [["example.com", "Example", undefined, true]]],
    ["1Password", `Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes\nExample,https://example.com,me,${q},,false,false,,\n`, [["example.com", "Example", undefined, true]]],
    ["Bitwarden JSON", JSON.stringify({ encrypted: false, items: [
      { type: 1, name: "Example", creationDate: "2012-01-01T00:00:00Z", login: { uris: [{ match: null, uri: "https://example.com" }], username: "me", password: SECRET, passwordRevisionDate: "2013-08-01T00:00:00Z" } },
      { type: 1, name: "Old", creationDate: "2013-08-01T00:00:00Z", login: { uris: null, password: SECRET, passwordRevisionDate: null } }, { type: 2, name: "Note" }, null] }),
      [["example.com", "Example", at, false], ["", "Old", at, true]]],
  ] as [string, string, unknown[]][]) {
    const logins = readExport(text);
    assert.deepEqual(logins.map((l) => [l.hosts.join(" "), l.name, l.changed, l.atMost]), want, name);
    assert.ok(!JSON.stringify(logins).includes("horse"), `${name}: a password was read`);
    assert.deepEqual(readExport("\ufeff" + text.replaceAll("\n", "\r\n").replaceAll("\r\r", "\r")).length, logins.length, name);
  }
  const refused = (text: string) => {
    try {
      readExport(text);
    } catch (e) {
      return e instanceof ExportError ? e.reason : e;
    }
    return "read";
  };
  assert.deepEqual(
    ["", "hello", "{", '{"encrypted":true}', '{"items":7}', '{"items":[]}', "name,url,username,password\n", "a,b\nc,d\n"].map(refused),
    ["unknown-form", "unknown-form", "unknown-form", "encrypted", "unknown-form", "empty", "empty", "unknown-form"]);
  assert.deepEqual(csv('a,"b""c\nd",\r\n\n"x'), [["a", 'b"c\nd', ""], ["x"]]);
});

test("hostile files end, and soon", () => {
  let seed = 7;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  const parts = ['"', ",", "\n", "\r", "name,url,username,password\n", "https://", "a", "例", "{", "}", '"items":[', "\u0000", "\ufeff", "login_uri", "www.", ".", "://", "=", "android://"];
  for (let i = 0; i < 3000; i++) {
    const text = Array.from({ length: random(40) }, () => parts[random(parts.length)]).join("");
    try {
      for (const l of readExport("name,url,username,password\n" + text)) assert.ok(l.label.length < 700);
    } catch (e) {
      assert.ok(e instanceof ExportError, String(e));
    }
    typed(text);
    fails("server", () => parseList(text), text);
  }
  for (const long of ['"'.repeat(1 << 20), ",".repeat(1 << 20), "株式会社".repeat(1 << 16), ` inc co`.repeat(1 << 12)]) {
    assert.throws(() => readExport(long), ExportError);
    fold(long.slice(0, 200));
  }
});

/** Services and what people use of them, labelled by hand. */
function labelled(): { items: Item[]; uses: { line: string; of: string }[] } {
  const lines = readFileSync(new URL("../test/labelled.txt", import.meta.url), "utf8").split("\n").filter((l) => l !== "" && !l.startsWith("#"));
  const uses: { line: string; of: string }[] = [];
  const items: Item[] = [];
  lines.forEach((line, i) => {
    const [names, domains, used] = line.split("|").map((part) => part.split(";"));
    const id = `s${String(i).padStart(3, "0")}`;
    if (names![0] !== "-") items.push(item(id, names!, domains!));
    for (const u of used!) uses.push({ line: u, of: names![0] === "-" ? "" : id });
  });
  return { items, uses };
}

test("precision and recall on services labelled by hand", () => {
  const { items, uses } = labelled();
  assert.ok(items.length >= 100 && uses.length > 220, `${items.length} services, ${uses.length} uses`);
  let matcher = new Matcher(items);
  const missed: string[] = [];
  const figures = (grades: Grade[]) => {
    let [right, wrong, lost] = [0, 0, 0];
    for (const { line, of } of uses) {
      const found = matcher.match([typed(line)]).filter((m) => grades.includes(m.grade)).map((m) => m.item.id);
      wrong += found.filter((id) => id !== of).length;
      if (of !== "") found.includes(of) ? right++ : lost++;
      if (of !== "" && !found.includes(of) || found.some((id) => id !== of)) missed.push(`${grades.join("+")}: ${line}: ${found.map((id) => items.find((it) => it.id === id)!.names[0])}`);
    }
    return { precision: right / (right + wrong), recall: right / (right + lost) };
  };
  const [sure, all] = [figures(["service"]), figures(["service", "perhaps"])];
  console.log(`# sure: precision ${sure.precision.toFixed(3)}, recall ${sure.recall.toFixed(3)}; with what is alike: precision ${all.precision.toFixed(3)}, recall ${all.recall.toFixed(3)}`);
  matcher = new Matcher(items.map((it) => ({ ...it, domains: [] }))); // as where an archive knows names alone
  const bare = figures(["service", "perhaps"]);
  console.log(`# by names alone, with what is alike: precision ${bare.precision.toFixed(3)}, recall ${bare.recall.toFixed(3)}`);
  console.log(missed.slice(0, 20).map((m) => `#   ${m}`).join("\n"));
  assert.ok(sure.precision >= 0.99 && sure.recall >= 0.9, JSON.stringify(sure));
  assert.ok(all.precision >= 0.9 && all.recall >= 0.97, JSON.stringify(all));
});
