// Asks a range API, by changing a URL, as published clients do; prints what they say as JSON.
import { createRequire } from 'node:module';
import { pwnedPassword, pwnedPasswordRange } from 'hibp';
// matcher-pwned's ES module calls require, which there is none of: its CommonJS build is the one that runs in node.
const require = createRequire(import.meta.url);
const { zxcvbnAsync, zxcvbnOptions } = require('@zxcvbn-ts/core');
const { matcherPwnedFactory } = require('@zxcvbn-ts/matcher-pwned');

const baseUrl = process.argv[2];
const out = {};
out.seen = await pwnedPassword('P@ssw0rd', { baseUrl });
out.padded = await pwnedPassword('P@ssw0rd', { baseUrl, addPadding: true });
out.unseen = await pwnedPassword('kx7-Trombone-Lagoon', { baseUrl });
const range = await pwnedPasswordRange('21BD1', { baseUrl });
out.range = Object.keys(range).length;
out.suffix = range[Object.keys(range).sort()[0]] > 0;
out.ntlm = await pwnedPasswordRange('8846f', { baseUrl, mode: 'ntlm' });
out.paddedRange = Object.values(await pwnedPasswordRange('21BD1', { baseUrl, addPadding: true })).filter((n) => n > 0).length;
try {
  await pwnedPasswordRange('21BDG', { baseUrl });
} catch (e) {
  out.digits = e.message;
}
try {
  await pwnedPasswordRange('21BD', { baseUrl });
} catch (e) {
  out.format = e.message;
}

const pwned = matcherPwnedFactory(fetch, zxcvbnOptions, { url: `${baseUrl}/range/` });
zxcvbnOptions.addMatcher('pwned', pwned);
out.matched = (await zxcvbnAsync('P@ssw0rd')).sequence.map((m) => [m.pattern, m.pwnedAmount]);
out.unmatched = (await zxcvbnAsync('kx7-Trombone-Lagoon')).sequence.some((m) => m.pattern === 'pwned');
console.log(JSON.stringify(out));
