// A browser that visits servers of which each reply is in a vector.

import assert from "node:assert/strict";
import { fromBase64url } from "../src/encoding.ts";
import { Failure } from "../src/failure.ts";
import { type Options, Server, type Surroundings } from "../src/fetching.ts";
import { parsePins } from "../src/pins.ts";
import { Ledger } from "../src/trust.ts";

export const UNTOLD: Options = { tell: () => {}, signal: new AbortController().signal, audit: false };

export interface Visit {
  now: string;
  statement: string;
  proof: string;
  key: string;
  keys?: object;
  tiles?: Record<string, string>;
  asked: string[];
  error?: string;
  rule?: string;
  pinned?: string[];
}

export interface Visits {
  name: string;
  server: string;
  visits: Visit[];
}

/** What a browser keeps. */
export class Kept {
  stored: string | null = null;

  /** What surrounds a client of a server, whose replies are the visit's. */
  around(server: string, visit: Visit, asked: string[], other?: (path: string, init?: RequestInit) => Response | undefined): Surroundings {
    const reply = (path: string, init?: RequestInit): Response => {
      const tile = visit.tiles?.[path];
      if (path === "check/v1/statement") return Response.json({ statement: visit.statement, proof: visit.proof });
      if (path === "ledger/v1/keys" && visit.keys) return Response.json(visit.keys);
      if (tile !== undefined) return new Response(fromBase64url(tile));
      return other?.(path, init) ?? new Response("", { status: 404 });
    };
    return {
      base: `${server}/`,
      pageKeys: [visit.key],
      now: () => Date.parse(visit.now),
      sleep: async () => {},
      fetch: (async (target: URL | RequestInfo, init?: RequestInit) => {
        const { pathname, search } = new URL(String(target));
        asked.push(pathname.slice(1) + search);
        return reply(pathname.slice(1) + search, init);
      }) as typeof fetch,
      keep: async (before, after) => {
        if (this.stored !== before) return { now: this.stored };
        this.stored = after;
        return undefined;
      },
    };
  }

  pins = (server: string) => parsePins(this.stored, new URL(server).host);
}

/** Makes the visits of a vector, and gives what the last one failed with. */
export async function visits(v: Visits, kept = new Kept()): Promise<Failure | undefined> {
  let failed: Failure | undefined;
  for (const [i, visit] of v.visits.entries()) {
    const what = `${v.name}, visit ${i + 1}`;
    const asked: string[] = [];
    const around = kept.around(v.server, visit, asked);
    const before = kept.stored;
    failed = await new Ledger(new Server(around), around, kept.pins(v.server)).statement(UNTOLD).then(() => undefined, (e) => {
      if (e instanceof Failure) return e;
      throw e;
    });
    assert.deepEqual([failed?.code, failed?.code === "chain" ? failed.reason : undefined], [visit.error, visit.rule], `${what}: ${failed}`);
    assert.deepEqual([...new Set(asked)].sort(), visit.asked, `${what}: asked`);
    const origin = visit.proof.split("\n\n")[1]!.split("\n")[0]!;
    const pin = kept.pins(v.server).ledgers.get(origin);
    if (visit.pinned) assert.deepEqual(pin?.keys.map((k) => k.vkey), visit.pinned, what);
    if (visit.error && before !== kept.stored) { // evidence, and nothing else
      assert.equal(visit.error, "fork", what);
      const forks = (stored: string | null) => parsePins(stored).ledgers.get(origin)!;
      assert.deepEqual({ ...forks(kept.stored), forks: [] }, { ...forks(before), forks: [] }, what);
    }
  }
  return failed;
}
