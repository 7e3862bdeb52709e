// The script of every page: what needs it is shown, times get the reader's
// zone beside them, and the check and the verification come to life.

import { prepareCheck } from "./asking.ts";
import { all, show } from "./desk.ts";
import { lang } from "./fill.ts";
import { time } from "./format.ts";
import { Office } from "./office.ts";
import { prepareVerification } from "./verifying.ts";

/** Adds the reader's own time to those the page gives in another zone. */
function localTimes(): void {
  for (const e of all("time[data-local]")) {
    const text = e.getAttribute("datetime") ?? "";
    const at = new Date(text);
    const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(text.replace("Z", "+00:00")) ?? [];
    if (Number.isNaN(at.getTime()) || sign === undefined) continue;
    if (Number(`${sign}${Number(hours) * 60 + Number(minutes)}`) === -at.getTimezoneOffset()) continue;
    const local = document.createElement("span");
    local.className = "local";
    local.textContent = ` / ${time(lang(), at)}`;
    e.after(local);
  }
}

show("[data-script]", true);
show("[data-no-script]", false);
localTimes();

const office = new Office();
const check = document.querySelector<HTMLFormElement>("form[data-check]");
const verification = document.querySelector<HTMLFormElement>("form[data-verify]");
if (check) prepareCheck(check, office);
if (verification) prepareVerification(verification, office);
