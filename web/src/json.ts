// Strict JSON. JSON.parse alone is not: of two members of one name it takes the
// last, it rounds numbers, and it makes lone surrogates of escapes.

export type JSONValue = null | boolean | number | string | JSONValue[] | { [name: string]: JSONValue };

/** Reads JSON in which every number is an integer, every name is there once and every string is Unicode text. */
export function parseJSON(text: string): JSONValue {
  const value = JSON.parse(text) as JSONValue;
  const structure = withoutStrings(text);
  if (/\d[.eE]|-0/.test(structure)) throw new Error("a number is not an integer");
  if (structure.split(":").length - 1 !== countMembers(value)) throw new Error("a name is there twice");
  return value;
}

/** Gives the text of valid JSON without its strings. */
function withoutStrings(text: string): string {
  let out = "";
  for (let from = 0; ; ) {
    const open = text.indexOf('"', from);
    if (open < 0) return out + text.slice(from);
    out += text.slice(from, open);
    let close = open;
    do {
      close = text.indexOf('"', close + 1);
    } while (backslashes(text, close) % 2 === 1);
    from = close + 1;
  }
}

function backslashes(text: string, before: number): number {
  let n = 0;
  while (text[before - 1 - n] === "\\") n++;
  return n;
}

/** Counts the members of all objects, which is fewer than the colons where JSON.parse dropped one. */
function countMembers(value: JSONValue): number {
  switch (typeof value) {
    case "number":
      if (!Number.isSafeInteger(value)) throw new Error("a number beyond 2^53 - 1");
      return 0;
    case "string":
      if (/[\ud800-\udfff]/u.test(value)) throw new Error("a lone surrogate");
      return 0;
    case "object": {
      if (value === null) return 0;
      if (Array.isArray(value)) return value.reduce<number>((n, v) => n + countMembers(v), 0);
      return Object.entries(value).reduce((n, [name, v]) => n + 1 + countMembers(name) + countMembers(v), 0);
    }
    default:
      return 0;
  }
}

/** Writes canonical JSON (RFC 8785): names in the order of their UTF-16 code units, which is that of sort(). */
export function canonical(value: JSONValue): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((n) => `${JSON.stringify(n)}:${canonical(value[n]!)}`).join(",")}}`;
}

/** Gives an object's members, which must be exactly these. */
export function members<N extends string>(value: JSONValue, ...names: N[]): Record<N, JSONValue> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("not an object");
  for (const n of Object.keys(value)) if (!(names as string[]).includes(n)) throw new Error("a member is unknown");
  for (const n of names) if (!Object.hasOwn(value, n)) throw new Error(`member ${n} is missing`);
  return value as Record<N, JSONValue>;
}

export function entries(value: JSONValue): [string, JSONValue][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("not an object");
  return Object.entries(value);
}

export function list<T>(value: JSONValue, each: (v: JSONValue) => T): T[] {
  if (!Array.isArray(value)) throw new Error("not a list");
  return value.map(each);
}

export function text(value: JSONValue): string {
  if (typeof value !== "string") throw new Error("not a text");
  return value;
}

export function integer(value: JSONValue): number {
  if (typeof value !== "number") throw new Error("not a number");
  return value;
}
