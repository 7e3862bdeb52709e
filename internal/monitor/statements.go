package monitor

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"filippo.io/torchwood"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/check"
	"shirase/internal/incident"
)

// clockSkew is tolerated before a statement is from the future.
const clockSkew = 10 * time.Minute

// statement holds the next statement of the ledger to those before.
func (m *Monitor) statement(ctx context.Context, now *check.Checkpoint, index int64, hash check.Hash, data []byte) error {
	m.state.Statements++
	st, err := check.ParseStatement(data)
	if err != nil {
		m.state.Missed++
		return m.broken(ctx, now, index, hash, data, nil, err)
	}
	b, missed := m.state.Bindings, m.state.Missed
	m.state.Missed = 0
	switch {
	case b == nil && (st.Seq < 1 || st.Seq > 1+missed):
		m.lasting(Finding{What: fmt.Sprintf("the ledger's first statement has the number %d", st.Seq), Rule: "number", Seq: st.Seq, Index: index})
	case b != nil && st.Seq > b.Seq+1+missed:
		m.lasting(Finding{What: fmt.Sprintf("after statement %d comes number %d", b.Seq, st.Seq), Rule: "number", Seq: st.Seq, Index: index})
	}
	if b == nil {
		m.state.Bindings, m.before = check.Bind(st, hash), st
	} else if next, err := b.Next(st, hash); err != nil {
		if err := m.broken(ctx, now, index, hash, data, st, err); err != nil {
			return err
		}
		// What was bound goes on to count, and this statement for nothing but its number: what follows it is held to what
		// was true before.
		again := *b
		again.Seq, again.Hash = st.Seq, hash
		m.state.Bindings = &again
	} else {
		m.state.Bindings = next
		if err := m.changed(ctx, index, st); err != nil {
			return err
		}
		m.before = st
	}
	for _, d := range st.KindsDropped() {
		m.lasting(Finding{What: fmt.Sprintf("revision %s of %s could be asked by %s, and its current one cannot", d.Revision, d.Incident, d.Kind),
			Rule: "kind-dropped", Seq: st.Seq, Index: index})
	}
	m.state.Last = &entry{index, hash}
	m.named(st)
	return nil
}

// changed tells what a statement changes of the one before and no rule forbids.
// It is told once: it may be honest, and nothing that comes later undoes it.
func (m *Monitor) changed(ctx context.Context, index int64, st *check.Statement) error {
	before := m.before
	if before == nil { // the program was started after it
		var err error
		if before, err = m.newestStatement(ctx); before == nil {
			return err
		}
	}
	for _, c := range check.Changed(before, st) {
		m.add(Finding{What: c.What, Rule: c.Rule, Seq: st.Seq, Index: index, Key: fmt.Sprintf("%s %d %s", c.Rule, st.Seq, c.What)})
	}
	return nil
}

// broken reports a statement that breaks a rule, with what shows it.
func (m *Monitor) broken(ctx context.Context, now *check.Checkpoint, index int64, hash check.Hash, data []byte, st *check.Statement, why error) error {
	f := Finding{What: fmt.Sprintf("entry %d: %v", index, why), Rule: check.Rule(why), Index: index}
	if st != nil {
		f.Seq = st.Seq
	}
	// One contradiction is told once, and not with each statement that repeats it.
	var chain *check.ChainError
	if errors.As(why, &chain) {
		f.Key = "chain " + chain.Rule + " " + chain.What
	} else if errors.Is(why, check.ErrPolicyWeaker) {
		f.Key = f.Rule
	}
	if m.seen[f.key()] {
		return nil
	}
	proof, err := m.prove(now, index)
	if err != nil {
		return m.damaged(err)
	}
	e := &check.Evidence{Rule: f.Rule, What: f.What, Entries: []check.Entered{{Kind: check.KindStatement, SHA256: hash, Bytes: data, Proof: proof}}}
	if st != nil {
		before, err := m.contradicted(ctx, now, index, hash, st, f.Rule)
		if err != nil {
			return err
		}
		if before != nil {
			e.Entries = []check.Entered{*before, e.Entries[0]}
		}
	}
	if f.File, f.Evidence, err = m.evidence(e, fmt.Sprintf("%s-%d", f.Rule, index)); err != nil {
		return err
	}
	m.lasting(f)
	return nil
}

func (f Finding) key() string {
	if f.Key != "" {
		return f.Key
	}
	return f.Rule + " " + f.What
}

// contradicted looks back for the statement that a statement contradicts by
// itself: the one before, or the one that bound what it breaks. nil where there
// is no single one.
func (m *Monitor) contradicted(ctx context.Context, now *check.Checkpoint, index int64, hash check.Hash, st *check.Statement, rule string) (*check.Entered, error) {
	for n := (index - 1) / torchwood.TileWidth; n >= 0 && index > 0; n-- {
		start := n * torchwood.TileWidth
		width := min(torchwood.TileWidth, now.Size-start)
		entries, err := m.entries(ctx, n, int(width))
		if err != nil {
			return nil, err
		}
		for i := min(int64(len(entries)), index-start) - 1; i >= 0; i-- {
			kind, h, err := check.ParseLeaf(entries[i])
			if err != nil || kind != check.KindStatement {
				continue
			}
			data, err := m.get.get(ctx, m.get.at("ledger/v1/data/"+check.Hash(h).String()), "application/json", maxData)
			if refused(err) || errors.Is(err, check.ErrServer) {
				continue
			}
			if err != nil {
				return nil, err
			}
			earlier, err := check.ParseStatement(data)
			if err != nil || check.StatementHash(data) != h {
				continue
			}
			if _, err := check.Bind(earlier, h).Next(st, hash); err == nil || check.Rule(err) != rule {
				continue
			}
			proof, err := m.prove(now, start+i)
			if err != nil {
				return nil, m.damaged(err)
			}
			return &check.Entered{Kind: kind, SHA256: h, Bytes: data, Proof: proof}, nil
		}
	}
	return nil, nil
}

// newest gives the newest statement; nil where there is none.
func (m *Monitor) newestStatement(ctx context.Context) (*check.Statement, error) {
	if m.state.Last == nil {
		return nil, nil
	}
	data, err := m.get.get(ctx, m.get.at("ledger/v1/data/"+m.state.Last.Hash.String()), "application/json", maxData)
	if refused(err) {
		return nil, nil // reported when it was met, or by what is shown
	}
	if err != nil {
		return nil, err
	}
	st, err := check.ParseStatement(data)
	if err != nil || check.StatementHash(data) != m.state.Last.Hash {
		return nil, nil
	}
	return st, nil
}

// judgeNewest holds the checkpoint to the policy that is bound now, and the
// newest statement to the clock.
func (m *Monitor) judgeNewest(now *check.Checkpoint) error {
	b := m.state.Bindings
	if b == nil {
		return nil
	}
	if b.Time.After(m.Now().Add(clockSkew)) {
		m.add(Finding{What: "the newest statement is from the future, by this machine's clock", Rule: "not-yet", Seq: b.Seq, Index: -1})
	}
	if b.Ledger == nil || b.Ledger.Policy == "" || m.Policy != nil && m.Policy.Strength() > 0 {
		return nil
	}
	text := ""
	for _, vkey := range m.state.Keys {
		text += "log " + vkey + "\n"
	}
	p, err := check.ParsePolicy([]byte(text + b.Ledger.Policy))
	if err != nil {
		return nil // a statement that says so is reported as invalid
	}
	if _, err := p.Open(now.Note); err != nil {
		m.add(Finding{What: "the checkpoint is not cosigned as the ledger's own statements say it has to be", Rule: "unwitnessed", Seq: b.Seq, Index: -1})
	}
	return nil
}

// notice holds the next notice of an incident to the one before.
func (m *Monitor) notice(index int64, hash check.Hash, data []byte) {
	m.state.NoticeN++
	n, err := incident.ParseNotice(data)
	if err != nil {
		m.lastingAt(index, "notice", fmt.Sprintf("entry %d is not a valid notice: %v", index, err))
		return
	}
	before := m.state.Notices[n.Incident]
	want := int64(1)
	if before != nil {
		want = before.Version + 1
	}
	if n.Version != want {
		m.lastingAt(index, "notice", fmt.Sprintf("entry %d is version %d of the notice of %s, and version %d is due", index, n.Version, n.Incident, want))
	}
	m.state.Notices[n.Incident] = &noticed{n.Version, index, hash}
}

// release is a record of the page's scripts (docs/FORMAT.md section 3).
type release struct {
	V       int               `json:"v"`
	Time    check.Time        `json:"time"`
	Scripts map[string]string `json:"scripts"` // hex SHA-256 by file name
}

// parseRelease reads one, in its canonical form.
func parseRelease(data []byte) (*release, error) {
	var r release
	if err := json.Unmarshal(data, &r, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	again, err := json.Marshal(r)
	if err == nil {
		err = (*jsontext.Value)(&again).Canonicalize()
	}
	if err != nil || !bytes.Equal(again, data) || r.V != 1 {
		return nil, errors.New("it is not in its canonical form")
	}
	for _, sum := range r.Scripts {
		if b, err := hex.DecodeString(sum); err != nil || len(b) != 32 {
			return nil, errors.New("it has something that is no hash")
		}
	}
	return &r, nil
}

func (m *Monitor) pageRecord(index int64, hash check.Hash, data []byte) {
	if _, err := parseRelease(data); err != nil {
		m.lastingAt(index, "page", fmt.Sprintf("entry %d is not a valid record of the page's scripts: %v", index, err))
		return
	}
	m.state.Page = &entry{index, hash}
}

// casesHead takes in a day's head over all cases. What it commits to, only who has a case's record can say; but one a day, of
// one size, and never of a day that was over, everybody can see.
func (m *Monitor) casesHead(index int64, data []byte) {
	h, err := check.ParseCasesHead(data)
	switch {
	case err != nil:
		m.lastingAt(index, "cases", fmt.Sprintf("entry %d is not a valid head over all cases: %v", index, err))
	case h.Day <= m.state.CasesDay:
		m.lastingAt(index, "cases", fmt.Sprintf("entry %d is a head over all cases of %s, and there was one of %s before", index, h.Day, m.state.CasesDay))
	default:
		m.state.CasesDay = h.Day
	}
}
