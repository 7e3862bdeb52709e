// Steps that are done, and on which day. What somebody ticked stays on the
// device; it says what was done, and not because of what.

const DONE = "shirase.done";

function done(): Record<string, string> {
  try {
    const v: unknown = JSON.parse(localStorage.getItem(DONE) ?? "{}");
    return typeof v === "object" && v !== null ? Object.fromEntries(Object.entries(v).filter(([, day]) => typeof day === "string" && /^\d{4}-\d\d-\d\d$/.test(day))) : {};
  } catch {
    return {};
  }
}

/** Brings the boxes of steps to life. */
export function ticks(within: ParentNode): void {
  for (const box of within.querySelectorAll<HTMLInputElement>("input[data-done]")) {
    const id = box.dataset.done!;
    const label = box.closest("label")!;
    const on = label.querySelector<HTMLTimeElement>("time")!;
    const say = () => {
      const day = done()[id];
      box.checked = day !== undefined || box.checked && on.textContent === "";
      on.dateTime = on.textContent = day ?? "";
    };
    label.hidden = false;
    say();
    box.addEventListener("change", () => {
      const { [id]: _, ...others } = done();
      const now = new Date();
      const day = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
      try {
        localStorage.setItem(DONE, JSON.stringify(box.checked ? { ...others, [id]: day } : others));
      } catch {
        return; // it stays ticked as long as the page is open
      }
      say();
    });
  }
}
