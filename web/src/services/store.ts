// What stays on the device, and only there. A browser may forbid it: then
// nothing is remembered.

const LIST = "shirase.services.list"; // the list of everybody's services, and its place in the ledger
const OWN = "shirase.services.own"; // what its owner wanted to be kept

/** What its owner wanted to be kept: lines as they were typed, and the incidents that were shown for them. */
export interface Own {
  lines: string[];
  seen: string[];
}

function read(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

function write(key: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // It is fetched, or typed, again next time.
  }
}

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.filter((v) => typeof v === "string") : []);

export function readList(): { index: number; text: string } | undefined {
  const v = read(LIST) as { index?: unknown; text?: unknown } | null;
  return typeof v?.index === "number" && typeof v.text === "string" ? { index: v.index, text: v.text } : undefined;
}

export const keepList = (list: { index: number; text: string }): void => write(LIST, list);

export function readOwn(): Own | undefined {
  const v = read(OWN) as { lines?: unknown; seen?: unknown } | null;
  return v && Array.isArray(v.lines) ? { lines: strings(v.lines), seen: strings(v.seen) } : undefined;
}

export const keepOwn = (own: Own | undefined): void => write(OWN, own);
