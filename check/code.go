package check

import (
	"errors"

	"shirase/identity"
)

// codes are the names of failures, the same in every implementation and in
// the vectors. The first that fits counts.
var codes = []struct {
	err  error
	name string
}{
	{identity.ErrInvalid, "identity"},
	{ErrOrigin, "origin"},
	{ErrCheckpoint, "checkpoint"},
	{ErrUnwitnessed, "unwitnessed"},
	{ErrInclusion, "inclusion"},
	{ErrExercise, "exercise"},
	{ErrNotPinned, "not-pinned"},
	{ErrLedgerChanged, "ledger-changed"},
	{ErrStatement, "statement"},
	{ErrClock, "clock"},
	{ErrExpired, "expired"},
	{ErrNotYet, "not-yet"},
	{ErrRollback, "rollback"},
	{ErrFork, "fork"},
	{ErrChain, "chain"},
	{ErrPolicyWeaker, "policy-weaker"},
	{ErrConsistency, "consistency"},
	{ErrProof, "proof"},
	{ErrElement, "element"},
	{ErrScalar, "scalar"},
	{ErrAudit, "audit"},
	{ErrBucket, "bucket"},
	{ErrTooCoarse, "too-coarse"},
	{ErrEntry, "entry"},
	{ErrLayer, "layer"},
	{ErrAnswer, "answer"},
	{ErrEvidence, "evidence"},
	{ErrBusy, "busy"},
	{ErrInsecure, "insecure"},
	{ErrBatch, "batch"},
	{ErrServer, "server"},
}

// Code returns the name of a failure: what a program shows beside the sentence,
// and what the vectors expect. An error of another origin is "network".
func Code(err error) string {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return "network"
}

// hints say what a person can do about a failure.
var hints = map[string]string{
	"checkpoint":     "the ledger's key is not the one you trust: get it from the operator by another way, then --ledger-key VKEY",
	"unwitnessed":    "try again later; if it stays so, ask the operator and the witnesses by another way",
	"exercise":       "it is a rehearsal, and says nothing of anybody: look the operator's real address up yourself",
	"not-pinned":     "give the ledger's key with --ledger-key VKEY; the operator publishes it, and `shirase check` pins it on first use",
	"ledger-changed": "if the operator announced a new ledger, give its key with --ledger-key VKEY; otherwise do not trust this server",
	"origin":         "a server shows its own ledger under its own name: give the ledger's key with --ledger-key VKEY if you know it by another way",
	"consistency":    "do not trust this answer; try again later, and if it stays so, tell the operator",
	"clock":          "set this machine's clock",
	"expired":        "check this machine's clock; if it is right, the operator has to reissue the statement",
	"not-yet":        "check this machine's clock",
	"rollback":       "do not trust this answer: tell the operator, and try again later",
	"fork":           "do not trust this answer: the ledger has two histories; keep both and tell others",
	"chain":          "do not trust this answer: keep it, tell the operator and others, and name the rule",
	"policy-weaker":  "do not trust this answer: the operator has to say why fewer witness it now; --policy FILE states your own",
	"proof":          "do not trust this server: it answered with another key than the published one",
	"bucket":         "do not trust this answer: the index is not the published one; tell the operator",
	"entry":          "do not trust this answer: the index is damaged; tell the operator",
	"layer":          "`shirase index fold` writes a served layer anew, `shirase publish ID` an incident's own",
	"evidence":       "the file was damaged or made up: ask whoever found it for another copy",
	"audit":          "do not trust this answer: the served index is not made of its published sources",
	"too-coarse":     "do not trust this statement: it claims more entries than an index has; tell the operator",
	"busy":           "try again in a few minutes",
	"insecure":       "use the server's https:// address",
}

// Hint returns the remedy for a failure, or "".
func Hint(err error) string { return hints[Code(err)] }
