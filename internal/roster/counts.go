package roster

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/identity"
)

// Counts are the figures of a scope. Total = Invalid + all of Excluded +
// Duplicates + Affected: every row of the export is in one of them.
type Counts struct {
	Total      int64    `json:"total"`
	Excluded   Excluded `json:"excluded"`   // by the first rule that matches, in the rules' order
	Duplicates int64    `json:"duplicates"` // later rows of one account
	Invalid    int64    `json:"invalid"`    // rows of which nothing can be used: broken, without a set, or without an identity
	Affected   int64    `json:"affected"`   // accounts (rows, where the rules name no account column)

	// Identities are the distinct ones of each kind that the roster has: what
	// the index has entries for. Two accounts may share an address.
	Identities map[identity.Kind]int64 `json:"identities"`
	// WithoutEmail are affected accounts that no row gives an address for; they
	// cannot find themselves by one, also where that is because it cannot be
	// read. Zero where the rules name no e-mail column.
	WithoutEmail int64 `json:"withoutEmail"`
	// Without is the same of the other kinds that are indexed: affected accounts
	// that no row gives a readable identity of the kind for. Kinds of which there
	// are none are left out, and so it is of rosters of an earlier version.
	Without map[identity.Kind]int64 `json:"without,omitempty"`

	// Active are the affected accounts that are in use, by the rules' active; 0 too where the rules do not say.
	Active int64 `json:"active,omitzero"`

	// Unreadable are, by the kind of their column, the values that no rule
	// excludes and that are no identity of it. Who has one may be told no, though
	// affected: their row is in the scope by its other identities alone, or it has
	// none and is among Invalid. Each row's value counts, also of one account: that
	// another row has a good number does not say that this one was the same. Kinds
	// without such a value are left out, so that an older roster, which has nothing
	// of this and counts all such rows as Invalid, stays what it is, byte for byte.
	Unreadable map[identity.Kind]int64 `json:"unreadable,omitempty"`
}

// Unfound are the affected accounts that have no readable identity of a kind: a
// check by that kind does not find them. Of a roster that an earlier version made
// only those by e-mail are known, and for the others the values that could not be
// read.
func (c *Counts) Unfound(kind identity.Kind) int64 {
	if kind == identity.KindEmail {
		return c.WithoutEmail
	}
	if n, known := c.Without[kind]; known {
		return n
	}
	return c.Unreadable[kind]
}

// Excluded counts rows by exclude rule. Its JSON is an object in the rules' order.
type Excluded []RuleCount

// A RuleCount is how many rows an exclude rule took out.
type RuleCount struct {
	Rule string
	Rows int64
}

// Rows is the sum of all rules.
func (e Excluded) Rows() (n int64) {
	for _, c := range e {
		n += c.Rows
	}
	return n
}

func (e Excluded) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, c := range e {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = jsontext.AppendQuote(b, c.Rule); err != nil {
			return nil, err
		}
		b = fmt.Appendf(b, ":%d", c.Rows)
	}
	return append(b, '}'), nil
}

func (e *Excluded) UnmarshalJSON(src []byte) error {
	*e = Excluded{}
	dec := jsontext.NewDecoder(bytes.NewReader(src))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return fmt.Errorf("excluded is not an object: %w", err)
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		c := RuleCount{Rule: name.String()}
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := json.Unmarshal(v, &c.Rows); err != nil {
			return err
		}
		*e = append(*e, c)
	}
	return nil
}
