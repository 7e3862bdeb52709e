package monitor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/hint"
)

// Identity is somebody who agreed to be looked up, or an account that an auditor
// planted in an organisation's export.
type Identity struct {
	identity.Identity
	Line   int      // in the file, by which it is spoken of
	Expect []string // incidents that it was planted in
}

// Limits of a list of identities.
const (
	MaxIdentities    = 1 << 20 // bytes
	maxIdentityCount = 1000
)

// ParseIdentities reads a list of identities: CSV with a first row of names.
// kind (email, phone or account) and value are needed; organisation is an
// account's; expect holds the ids of the incidents that it was planted in,
// separated by spaces. Errors are ErrIdentities, and name the line and not the
// value.
func ParseIdentities(data []byte) ([]Identity, error) {
	if len(data) > MaxIdentities {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrIdentities, MaxIdentities)
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment = '#'
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: the first row names no columns, such as kind,value", ErrIdentities)
	}
	column := map[string]int{}
	for i, name := range head {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
		if !slices.Contains([]string{"kind", "value", "organisation", "expect"}, name) {
			return nil, hint.Add(fmt.Errorf("%w: there is no column %q", ErrIdentities, name), "the columns are kind, value, organisation, expect")
		}
		column[name] = i + 1
	}
	if column["kind"] == 0 || column["value"] == 0 {
		return nil, hint.Add(fmt.Errorf("%w: kind and value are needed", ErrIdentities), "begin with a row such as kind,value,expect")
	}
	var out []Identity
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		line, _ := r.FieldPos(0)
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%w: line %d: %w", ErrIdentities, syntax.Line, syntax.Err)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrIdentities, err)
		}
		field := func(name string) string {
			if i := column[name]; i > 0 && i <= len(row) {
				return strings.TrimSpace(row[i-1])
			}
			return ""
		}
		id, err := parseIdentity(field("kind"), field("value"), field("organisation"))
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrIdentities, line, err)
		}
		one := Identity{Identity: id, Line: line, Expect: strings.Fields(field("expect"))}
		for _, incident := range one.Expect {
			if !check.ValidIncident(incident) {
				return nil, fmt.Errorf("%w: line %d: expect: not an incident's id", ErrIdentities, line)
			}
		}
		if len(out) == maxIdentityCount {
			return nil, fmt.Errorf("%w: more than %d", ErrIdentities, maxIdentityCount)
		}
		out = append(out, one)
	}
}

// parseIdentity reads one; an error does not quote it.
func parseIdentity(kind, value, organisation string) (identity.Identity, error) {
	switch identity.Kind(kind) {
	case identity.KindEmail:
		return identity.ParseEmail(value)
	case identity.KindPhone:
		return identity.ParsePhone(value, "")
	case identity.KindAccount:
		return identity.NewAccount(organisation, value)
	}
	return identity.Identity{}, errors.New("kind is email, phone or account")
}

// name is by what an identity is kept in the state: not by what it is.
func (i Identity) name() string {
	sum := sha256.Sum256(append([]byte("shirase/v1 monitor\x00"), i.Input()...))
	return hex.EncodeToString(sum[:16])
}

// planted looks every identity up where a revision has come since the last
// time, and again where an answer did not cover all that it should: what could
// not be looked up was not looked up. again says that the ledger has grown
// meanwhile.
func (m *Monitor) planted(ctx context.Context) (again bool, err error) {
	if len(m.Identities) == 0 {
		return false, nil
	}
	st, err := m.newestStatement(ctx)
	if err != nil || st == nil {
		return false, err
	}
	at := m.asked(st)
	if at == m.state.LookedAt {
		return false, nil
	}
	var wrong []func()
	client := &check.Client{Server: m.Server, Policy: m.keys, HTTP: m.HTTP, Now: m.Now, Audit: true} // a fold is not taken at its word
	for _, id := range m.Identities {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		a, err := client.Check(ctx, id.Identity)
		if err != nil {
			if check.Code(err) == "network" {
				return false, fmt.Errorf("look up line %d of the identities: %w", id.Line, err)
			}
			m.wrong("check", "the identity of line %d could not be checked: %v (%s)", id.Line, err, check.Code(err))
			at = "" // and is looked up again
			continue
		}
		if check.StatementHash(a.Statement) != m.state.Last.Hash {
			wrong = append(wrong, func() {
				m.wrong("shown", "the identity of line %d was answered from another statement than the newest", id.Line)
			})
			at = ""
			continue
		}
		covered, err := m.judge(id, st, a)
		if err != nil {
			return false, err
		}
		if !covered {
			at = ""
		}
	}
	m.state.LookedAt = at
	if err := m.save(); err != nil {
		return false, err
	}
	return m.unlessGrown(ctx, wrong)
}

// asked names what a lookup is of: the revisions that are answered from, and the identities.
func (m *Monitor) asked(st *check.Statement) string {
	h := sha256.New()
	for _, in := range st.Incidents {
		fmt.Fprintf(h, "%s %s %s\n", in.ID, in.Revision, in.State)
	}
	for _, id := range m.Identities {
		fmt.Fprintf(h, "%s %s\n", id.name(), strings.Join(id.Expect, " "))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// judge compares an answer with where the identity was planted, and with what
// was answered before. covered is false where a layer was not given to it.
func (m *Monitor) judge(id Identity, st *check.Statement, a *check.Answer) (covered bool, err error) {
	v := &a.Verdict
	looked := m.state.Looked[id.name()]
	if looked == nil {
		looked = map[string]string{}
		m.state.Looked[id.name()] = looked
	}
	covered = true
	for i := range st.Incidents {
		in := &st.Incidents[i]
		if slices.ContainsFunc(v.Incidents, func(f check.Finding) bool { return f.ID == in.ID }) {
			looked[in.ID] = in.Revision
			continue
		}
		was := looked[in.ID]
		if at := slices.IndexFunc(v.Dropped, func(d check.DroppedFinding) bool { return d.ID == in.ID }); at >= 0 {
			was = v.Dropped[at].Revision
		}
		expected, why := slices.Contains(id.Expect, in.ID), ""
		if at := slices.IndexFunc(v.NotCovered, func(n check.NotCovered) bool { return n.ID == in.ID }); at >= 0 {
			why = v.NotCovered[at].Why
		}
		var f Finding
		switch {
		case why == check.WhyLayerMissing: // it could be in it, and has to be looked up again
			m.wrong("check", "the identity of line %d could not be looked up in %s: a layer was not given", id.Line, in.ID)
			covered = false
			continue
		case was != "" && in.State.Sealed():
			f = Finding{What: fmt.Sprintf("the identity of line %d was in revision %s of %s, and is not in revision %s", id.Line, was, in.ID, in.Revision), Rule: "dropped"}
		case expected && why == "":
			f = Finding{What: fmt.Sprintf("the identity of line %d was planted in %s, and revision %s says that it is not in it", id.Line, in.ID, in.Revision), Rule: "planted"}
		case expected && in.State != check.Investigating && in.State != check.Reopened:
			f = Finding{What: fmt.Sprintf("the identity of line %d was planted in %s, which nobody can find it in (%s)", id.Line, in.ID, why), Rule: "planted"}
		default:
			continue
		}
		b, err := a.Encode()
		if err != nil {
			return false, err
		}
		f.Seq, f.Index = st.Seq, -1
		f.File = fmt.Sprintf("evidence/answer-%d-%s-%s.json", id.Line, in.ID, in.Revision)
		f.Evidence = m.where(f.File)
		if err := m.dir.Put(f.File, b); err != nil {
			return false, err
		}
		m.lasting(f)
	}
	return covered, nil
}
