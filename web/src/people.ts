// The script of the pages that look something up on the device alone: services
// that somebody uses, and a password.

import { show } from "./desk.ts";
import { preparePassword } from "./passwordpage.ts";
import { prepareServices } from "./services/page.ts";

show("[data-script]", true);
show("[data-no-script]", false);

const services = document.querySelector<HTMLFormElement>("form[data-services]");
const password = document.querySelector<HTMLFormElement>("form[data-password]");
if (services) prepareServices(services);
if (password) preparePassword(password);
