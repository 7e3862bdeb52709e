package incident

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/language"
	"shirase/internal/store"
)

// Audit is what a ledger holds of notices, to be compared with the database: give it every notice of the ledger in
// order, and then to VerifyPublished. Its zero value has heard nothing.
type Audit struct {
	notices  []heard
	versions map[string]int64 // the newest of each incident
	problems []Problem
}

// heard is a notice as the ledger has it.
type heard struct {
	Notice
	sum [sha256.Size]byte
}

// Problem is one thing in the database that is not as it was published.
type Problem struct {
	Where string // table and row
	Index int64  // the ledger's entry; -1 where it is none in particular
	What  string
}

// Next takes the notice at an index of the ledger. What is wrong with it is kept for VerifyPublished.
func (a *Audit) Next(index int64, data []byte) {
	if a.versions == nil {
		a.versions = map[string]int64{}
	}
	n, err := ParseNotice(data)
	if err != nil {
		a.problems = append(a.problems, Problem{"ledger", index, err.Error()})
		return
	}
	n.LedgerIndex = index
	if before := a.versions[n.Incident]; n.Version != before+1 {
		a.problems = append(a.problems, Problem{"ledger", index, fmt.Sprintf("%s follows version %d", n.ID, before)})
	}
	a.versions[n.Incident] = n.Version
	h := heard{n, n.SHA256()}
	h.Data = nil
	a.notices = append(a.notices, h)
}

// VerifyPublished compares every notice of the ledger with its row, and every fact that a notice froze with the facts
// that are recorded: published, and later altered or removed in the database, it is found and named. A fact that was
// only added since is nobody's edit, and neither is a notice that is committed and on its way: one whose entry is beyond
// published, the number of entries that the ledger's files have, and below committed, that of its database.
func (s *Incidents) VerifyPublished(ctx context.Context, a *Audit, published, committed int64) ([]Problem, error) {
	out := slices.Clone(a.problems)
	rows, err := s.noticeRows(ctx, a, published, committed)
	if err != nil {
		return nil, fmt.Errorf("verify the notices: %w", err)
	}
	out = append(out, rows...)
	byIncident := map[string][]heard{}
	var order []string
	for _, n := range a.notices {
		if byIncident[n.Incident] == nil {
			order = append(order, n.Incident)
		}
		byIncident[n.Incident] = append(byIncident[n.Incident], n)
	}
	for _, id := range order {
		facts, err := s.factRows(ctx, id, byIncident[id])
		if err != nil {
			return nil, fmt.Errorf("verify the facts of %s: %w", id, err)
		}
		out = append(out, facts...)
	}
	states, err := s.stateRows(ctx, byIncident, published, committed)
	if err != nil {
		return nil, fmt.Errorf("verify what is public of the incidents: %w", err)
	}
	return append(out, states...), nil
}

// stateRows replays the notices of each incident and compares what the public is told after each with what it should be.
func (s *Incidents) stateRows(ctx context.Context, notices map[string][]heard, published, committed int64) ([]Problem, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT incident, `+shownColumns+` FROM incident_public ORDER BY incident, version`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	stored := map[string][]storedState{}
	for id := range notices {
		stored[id] = nil
	}
	for rows.Next() {
		var id string
		var st storedState
		if err := rows.Scan(&id, &st.version, &st.ledgerIndex, &st.baseline, &st.text); err != nil {
			return nil, err
		}
		stored[id] = append(stored[id], st)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	var out []Problem
	for _, id := range slices.Sorted(maps.Keys(stored)) {
		found, err := s.replay(ctx, id, stored[id], notices[id], published, committed)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// storedState is a row of incident_public.
type storedState struct {
	version, ledgerIndex, baseline int64
	text                           string
}

// replay compares the stored states of one incident with those that its notices leave.
func (s *Incidents) replay(ctx context.Context, id string, stored []storedState, notices []heard, published, committed int64) ([]Problem, error) {
	var out []Problem
	bad := func(version, index int64, what string) {
		out = append(out, Problem{fmt.Sprintf("incident_public %s %d", id, version), index, what})
	}
	var st state
	next := int64(1)
	if len(stored) > 0 && (stored[0].baseline > 0 || stored[0].version == 0) {
		first := stored[0]
		stored = stored[1:]
		index := int64(-1)
		if first.version > 0 && first.version <= int64(len(notices)) {
			index = notices[first.version-1].LedgerIndex
		}
		var last int64
		if err := s.db.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM incident_fact WHERE incident = $1`, id).Scan(&last); err != nil {
			return nil, err
		}
		told, err := factsUpTo(ctx, s.db, id, first.baseline)
		if err != nil {
			bad(first.version, -1, "the facts that it begins with cannot be read")
			return out, nil
		}
		before := make([]Notice, 0, len(notices))
		for _, n := range notices[:min(max(first.version, 0), int64(len(notices)))] {
			before = append(before, n.Notice)
		}
		st = baselineOf(before, told)
		if text, err := st.encode(); err != nil || text != first.text || first.ledgerIndex != index || first.baseline < 1 || first.baseline > last {
			bad(first.version, index, "it is not what was shown before facts had to be signed")
		}
		next = first.version + 1
	}
	for _, n := range notices {
		if n.Version < next {
			continue
		}
		st = st.after(n.Notice)
		at := slices.IndexFunc(stored, func(s storedState) bool { return s.version == n.Version })
		if at < 0 {
			bad(n.Version, n.LedgerIndex, "missing")
			continue
		}
		row := stored[at]
		stored = slices.Delete(stored, at, at+1)
		if text, err := st.encode(); err != nil || text != row.text || row.ledgerIndex != n.LedgerIndex || row.baseline != 0 {
			bad(n.Version, n.LedgerIndex, "what the public is shown is not what the notices say")
		}
	}
	for _, row := range stored {
		if row.ledgerIndex < published || row.ledgerIndex >= committed {
			bad(row.version, -1, "it follows from no notice of the ledger")
		}
	}
	return out, nil
}

// noticeRows compares the table of notices with the ledger.
func (s *Incidents) noticeRows(ctx context.Context, a *Audit, published, committed int64) ([]Problem, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT incident, version, kind, published_at, sha256, ledger_index, data
		FROM incident_notice ORDER BY incident, version`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	want := map[string]heard{}
	for _, n := range a.notices {
		want[n.ID] = n
	}
	var out []Problem
	for rows.Next() {
		var id, kind, sum string
		var version, at, index int64
		var data []byte
		if err := rows.Scan(&id, &version, &kind, &at, &sum, &index, &data); err != nil {
			return nil, err
		}
		name := NoticeID(id, version)
		where := "incident_notice " + name
		n, ok := want[name]
		if !ok && index >= published && index < committed {
			continue
		}
		if !ok {
			out = append(out, Problem{where, -1, "a notice that the ledger does not have"})
			continue
		}
		delete(want, name)
		for _, c := range []struct {
			ok   bool
			what string
		}{
			{sha256.Sum256(data) == n.sum, "its bytes are not those that were published"},
			{sum == hex.EncodeToString(n.sum[:]), "its sha256 is not that of the published bytes"},
			{kind == n.Kind, "its kind is not the published one, " + n.Kind},
			{at == store.Micros(n.Time), "its time is not the published one, " + n.Time.Format(noticeTime)},
			{index == n.LedgerIndex, fmt.Sprintf("its ledger_index is %d", index)},
		} {
			if !c.ok {
				out = append(out, Problem{where, n.LedgerIndex, c.what})
			}
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, n := range a.notices {
		if _, missing := want[n.ID]; missing {
			out = append(out, Problem{"incident_notice " + n.ID, n.LedgerIndex, "missing"})
		}
	}
	return out, nil
}

// factRows looks for every frozen fact among those that are recorded.
func (s *Incidents) factRows(ctx context.Context, id string, notices []heard) ([]Problem, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT f.seq, f.as_of, f.happened_at, f.amount, `+factColumns+`
		FROM incident_fact f WHERE f.incident = $1 ORDER BY f.seq`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	recorded := map[string]bool{}
	var out []Problem
	for rows.Next() {
		var seq, asOf int64
		var happened, amount sql.NullInt64
		f, err := scanFact(rows, &seq, &asOf, &happened, &amount)
		where := fmt.Sprintf("incident_fact %s %d (%s)", id, seq, name(f))
		if errors.Is(err, errUnreadable) {
			out = append(out, Problem{where, -1, strings.ReplaceAll(err.Error(), "\n", " ")})
			continue
		}
		if err != nil {
			return nil, err
		}
		if asOf != store.Micros(f.AsOf.Time) || happened != micros(f.Value.Time) || amount != number(f.Value.Number) {
			out = append(out, Problem{where, -1, "what it is sorted by is not what its value says"})
		}
		recorded[key(f)] = true
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	told := map[string]bool{}
	for _, n := range notices {
		for _, f := range slices.Concat(n.Facts, n.Was) {
			k := key(f)
			if recorded[k] || told[k] {
				continue
			}
			told[k] = true
			out = append(out, Problem{"incident_fact " + id, n.LedgerIndex, fmt.Sprintf("the fact %s, published in %s as “%s” (as of %s), was altered or removed",
				name(f), n.ID, f.In(language.EN), f.AsOf)})
		}
	}
	return out, nil
}

// name names what a fact is about.
func name(f Fact) string { return strings.TrimSpace(f.Key + " " + f.Item) }

// key is the form of a fact by which two are the same: one that was recorded, and the one that a notice froze of it.
func key(f Fact) string {
	f.Recorded, f.Author, f.Source = time.Time{}, "", PublicSource(f.Source)
	b, err := json.Marshal(f, json.Deterministic(true))
	if err != nil { // text that is no UTF-8 was never frozen
		return "unreadable"
	}
	return string(b)
}

// micros and number give the columns that stand beside a value, as addFacts fills them.
func micros(m Moment) sql.NullInt64 {
	if m.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: store.Micros(m.Time), Valid: true}
}

func number(n *int64) sql.NullInt64 {
	if n == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: *n, Valid: true}
}
