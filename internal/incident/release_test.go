package incident

import (
	"database/sql"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/language"
)

// release publishes what is recorded of incidents, as the ledger would: a notice of each, and all of them served.
func release(t *testing.T, s *Incidents, ids ...string) {
	t.Helper()
	for _, id := range ids {
		inc, err := s.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		n, err := next(t, s, inc)
		if err != nil {
			t.Fatal(err)
		}
		serve(t, s, n)
	}
}

// next is the whole notice that follows, with a text that nobody reads.
func next(t *testing.T, s *Incidents, inc Incident) (Notice, error) {
	t.Helper()
	before, err := s.Notices(t.Context(), inc.ID)
	if err != nil {
		t.Fatal(err)
	}
	n := Notice{Incident: inc.ID, Version: int64(len(before)) + 1, Kind: KindFirst, Time: s.now(), Facts: inc.Facts, Text: language.Both("本文", "text")}
	if n.Version > 1 {
		n.Kind = KindRevision
	}
	return NewNotice(n)
}

// serve records notices as the ledger's next entries, and makes them public.
func serve(t *testing.T, s *Incidents, notices ...Notice) {
	t.Helper()
	err := s.db.Update(t.Context(), func(tx *sql.Tx) error {
		var next int64
		if err := tx.QueryRowContext(t.Context(), `SELECT coalesce(max(ledger_index), -1) + 1 FROM incident_notice`).Scan(&next); err != nil {
			return err
		}
		for _, n := range notices {
			if err := s.RecordNotice(t.Context(), tx, n, next); err != nil {
				return err
			}
			next++
		}
		return s.Serve(t.Context(), tx, next)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// by is who acts in tests.
var by = actor.Operator()

// everything lists what is recorded, drafts and all.
func everything(t *testing.T, s *Incidents) []Incident {
	t.Helper()
	var out []Incident
	if err := s.Preview(nil).Each(t.Context(), nil, func(i Incident, _ *Provenance) error {
		out = append(out, i)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}
