// The Unicode data of the canonical e-mail address: identity/unicode.json, whose
// format identity/unicode.go documents. Go reads the same file.

import data from "../../identity/unicode.json";

/** A partition of the code points, in order. */
class Runs {
  private readonly starts: number[] = [];
  private readonly classes: string[] = [];
  private readonly deltas: number[] = [];

  constructor(source: string) {
    let next = 0;
    for (const [, letter, count, delta] of source.matchAll(/([A-Z])([0-9a-z]*)([+-][0-9a-z]+)?/g)) {
      this.starts.push(next);
      this.classes.push(letter!);
      this.deltas.push(delta ? parseInt(delta, 36) : 0);
      next += count ? parseInt(count, 36) : 1;
    }
    if (next !== 0x110000) throw new Error(`unicode.json covers ${next} code points`);
  }

  at(c: number): { class: string; delta: number; offset: number } {
    let low = 0;
    for (let high = this.starts.length; high - low > 1; ) {
      const middle = (low + high) >>> 1;
      if (this.starts[middle]! <= c) low = middle;
      else high = middle;
    }
    return { class: this.classes[low]!, delta: this.deltas[low]!, offset: c - this.starts[low]! };
  }
}

/** The properties of code points of Unicode 15.0. */
export class Unicode {
  private readonly statuses = new Runs(data.status);
  private readonly marks = new Runs(data.mark);
  private readonly bidis = new Runs(data.bidi);
  private readonly joinings = new Runs(data.joining);
  private readonly viramas = new Runs(data.virama);
  private readonly mapped = new Map(Object.entries(data.mapped).map(([from, to]) => [from.codePointAt(0)!, to]));

  private static table: Unicode | undefined;

  /** Gives the table, read when it is asked for the first time: most addresses need none. */
  static get(): Unicode {
    return (this.table ??= new Unicode());
  }

  assigned = (c: number): boolean => this.statuses.at(c).class !== "U";
  valid = (c: number): boolean => this.inDomain(c) === String.fromCodePoint(c);
  mark = (c: number): boolean => this.marks.at(c).class === "Y";
  bidi = (c: number): string => this.bidis.at(c).class;
  joining = (c: number): string => this.joinings.at(c).class;
  virama = (c: number): boolean => this.viramas.at(c).class === "Y";

  /** Gives what becomes of a code point in a domain (UTS 46 section 4, step 1), undefined where it is disallowed. */
  inDomain(c: number): string | undefined {
    const run = this.statuses.at(c);
    switch (run.class) {
      case "V": return String.fromCodePoint(c);
      case "I": return "";
      case "M": return String.fromCodePoint(c + run.delta);
      case "P": return String.fromCodePoint(run.offset % 2 === 0 ? c + 1 : c);
      case "S": return this.mapped.get(c);
      default: return undefined;
    }
  }
}
