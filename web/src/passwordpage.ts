// Whether a password is in the corpus of breached ones. Its SHA-1 is computed
// here; five of its forty digits are sent, and the answer, which holds hundreds
// of others, is looked through here.

import { sha1 } from "@noble/hashes/legacy.js";
import { one } from "./desk.ts";
import { fromTemplate } from "./fill.ts";
import { toHex, utf8 } from "./encoding.ts";

const MAX_RANGE = 4 << 20; // characters

export function preparePassword(form: HTMLFormElement): void {
  const field = form.querySelector<HTMLInputElement>("[data-secret]")!;
  const show = form.querySelector<HTMLInputElement>("[data-show]")!;
  const place = one("[data-results]")!;
  const say = (what: string, count = 0) => {
    place.replaceChildren(fromTemplate(`[data-password-says="${what}"]`, { count }) ?? "");
    (place.firstElementChild as HTMLElement | null)?.setAttribute("data-shown", what);
  };
  show.addEventListener("change", () => (field.type = show.checked ? "text" : "password"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const secret = field.value;
    if (secret === "") return say("nothing");
    field.value = ""; // it is not needed any more
    void count(secret).then((n) => say(n > 0 ? "found" : "none", n), () => say("failed"));
  });
  form.querySelector<HTMLButtonElement>("[data-submit]")!.disabled = false;
}

/** Says how often a password was seen in leaks. */
async function count(secret: string): Promise<number> {
  const digest = toHex(sha1(utf8(secret))).toUpperCase();
  const response = await fetch(new URL(`/range/${digest.slice(0, 5)}`, location.origin), {
    headers: { "Add-Padding": "true" }, credentials: "omit", redirect: "error", referrerPolicy: "no-referrer",
  });
  if (!response.ok) throw new Error(String(response.status));
  const text = await response.text();
  if (text.length > MAX_RANGE) throw new Error("too long");
  const line = text.split(/\r?\n/).find((l) => l.startsWith(`${digest.slice(5)}:`));
  return line === undefined ? 0 : Number(line.slice(36)) || 0;
}
