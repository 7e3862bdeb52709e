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
//   - layer.go: the sorted, bucketed, Merkle-hashed files of entries
//   - statement.go: the signed, numbered, expiring description of it all
//   - ledger.go: the entries of the log that it is in, and proofs of that
//   - answer.go: what a check returns, and its verification
//   - client.go, pins.go: asking a server, and remembering its ledger
//
// docs/PROTOCOL.md and docs/FORMAT.md specify all of it; testdata/ holds
// vectors for other implementations. The package imports nothing internal.
package check
