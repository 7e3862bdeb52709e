package check

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// contradiction is an error by which a server is seen to contradict what it has
// signed before, with what shows it.
type contradiction struct {
	error
	evidence *Evidence
}

func (e *contradiction) Unwrap() error { return e.error }

// EvidenceOf returns what shows, as a file for others (docs/FORMAT.md section
// 8), that a server contradicted what it had signed before; nil where an error
// is of another kind.
func EvidenceOf(err error) *Evidence {
	var c *contradiction
	if errors.As(err, &c) {
		return c.evidence
	}
	return nil
}

// contradicted adds the evidence to an error that is a contradiction: what was
// remembered, and what is shown.
func (c *Client) contradicted(err error, base *url.URL, statement []byte, proof string) error {
	if err == nil || c.Pins == nil || !slices.Contains([]string{"fork", "rollback", "chain", "policy-weaker"}, Code(err)) {
		return err
	}
	origin, perr := ProofOrigin(proof)
	seen := c.Pins.data.Ledgers[origin].checkpoint()
	_, shown, ok := strings.Cut(proof, "\n\n")
	if perr != nil || seen == nil || !ok {
		return err
	}
	e := &Evidence{Rule: Rule(err), What: err.Error(), Found: At(c.now()), Server: base.String(), Checkpoints: []string{seen.Note},
		Entries: []Entered{{Kind: KindStatement, SHA256: StatementHash(statement), Bytes: statement, Proof: proof}}}
	var fork *treeFork
	switch {
	case errors.As(err, &fork): // of a key that led on, perhaps, and not of the newest
		e.Checkpoints, e.Consistency = []string{fork.before, fork.now}, fork.consistency
	case shown != seen.Note:
		e.Checkpoints = append(e.Checkpoints, shown)
	}
	return &contradiction{err, e}
}
