// Package check is the private check: the formats that are published, the
// client that asks, and the verifier that trusts neither of them.
//
// Two parties answer a check. The evaluator holds a key and no data; the index
// host holds data and no key. A client blinds what it asks about, has the
// evaluator apply its key, verifies that it was the published key, and fetches
// one bucket of each published layer. It then finds the entries of its own
// identity, and can find nobody else's. What was fetched is bound to a signed
// statement in a public transparency log, so an answer can be kept, and
// verified again by somebody who trusts neither the person nor the operator.
//
//   - voprf.go: RFC 9497, mode VOPRF, suite ristretto255-SHA512
//   - entry.go: the 13 bytes that stand for one identity in one incident
//   - layer.go, merge.go, group.go, fold.go: the sorted, bucketed, Merkle-hashed
//     files of entries, what is asked of them, and what they are folded from
//   - statement.go, validate.go, chain.go: the signed, numbered, expiring
//     description of it all, and what one binds the next to
//   - ledger.go, policy.go, history.go, succession.go: the log that statements are
//     in, whose signatures it needs, that it only grows, and that its keys follow
//     one another
//   - client.go, fetch.go, trust.go, pins.go: asking a server, what it is held to,
//     and what is remembered of its ledger
//   - verdict.go, answer.go, verify.go: what a check returns, and its verification
//
// docs/PROTOCOL.md and docs/FORMAT.md specify all of it; testdata/ holds
// vectors for other implementations. The package imports nothing internal.
package check
