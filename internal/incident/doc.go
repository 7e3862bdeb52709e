// Package incident keeps what is publicly known about a breach: its facts, the notices that told them, and
// what of both is public.
//
// A fact is one value: what (key), how sure (certainty), who says so (source) and as of when. Facts are only ever
// added. A single-valued key (discovered, affected.count) shows its newest as-of; a listed key (service, action,
// addendum) holds items by id, each showing its own newest as-of, and an item goes by a fact that retracts it. What
// was recorded before stays, so that it can be said what was known when.
//
// A notice is a document of an incident: its text in both languages together with the facts it was rendered from,
// frozen, as canonical bytes that go into the public ledger.
//
// What the public sees of all this is a [View]. Whoever keeps something that is made from it is told of every change in the
// transaction that makes it public ([Changed]).
package incident
