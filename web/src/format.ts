// How the page's language writes numbers and times: as internal/language does, so
// that a page reads the same whoever wrote a line of it. Intl would take some fifty milliseconds to
// wake up, in which the page could not be scrolled.

/** Groups in threes: 1,692,496. */
export const digits = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

/** Writes a number as internal/language's Number does: 11,049 and 169万2,496 in Japanese, 1,692,496 in English. */
export function number(lang: string, n: number): string {
  if (lang !== "ja" || n < 100_000) return digits(n);
  let out = "";
  let rest = n;
  for (const unit of ["", "万", "億", "兆"]) {
    const part = rest % 10_000;
    if (part > 0) out = digits(part) + unit + out;
    rest = Math.floor(rest / 10_000);
  }
  return out;
}

const MONTHS = "January February March April May June July August September October November December".split(" ");
const JAPAN = 9 * 60; // minutes east of UTC

/** Writes an instant as internal/language's DateTime does, in the reader's zone. */
export const time = (lang: string, at: Date): string => {
  const offset = -at.getTimezoneOffset();
  return day(lang, at, offset) + clock(lang, at, offset);
};

/** Writes an instant in the reader's zone and, where that is another, in Japan's. */
export function timeWithJapan(lang: string, at: Date): string {
  const offset = -at.getTimezoneOffset();
  if (offset === JAPAN) return time(lang, at);
  const sameDay = day(lang, at, offset) === day(lang, at, JAPAN);
  return `${time(lang, at)} / ${sameDay ? "" : day(lang, at, JAPAN)}${clock(lang, at, JAPAN)}`;
}

function day(lang: string, at: Date, offset: number): string {
  const t = new Date(at.getTime() + offset * 60_000);
  const [y, m, d] = [t.getUTCFullYear(), t.getUTCMonth(), t.getUTCDate()];
  return lang === "ja" ? `${y}年${m + 1}月${d}日 ` : `${d} ${MONTHS[m]} ${y}, `;
}

function clock(lang: string, at: Date, offset: number): string {
  const t = new Date(at.getTime() + offset * 60_000);
  const [h, m] = [t.getUTCHours(), two(t.getUTCMinutes())];
  if (lang !== "ja") return `${two(h)}:${m} ${zone(lang, offset)}`;
  return `${h}時${m === "00" ? "" : `${m}分`}（${zone(lang, offset)}）`;
}

function zone(lang: string, offset: number): string {
  if (offset === JAPAN) return lang === "ja" ? "日本時間" : "JST";
  if (offset === 0) return lang === "ja" ? "協定世界時" : "UTC";
  const minutes = Math.abs(offset);
  return `UTC${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

const two = (n: number): string => String(n).padStart(2, "0");
