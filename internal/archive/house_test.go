package archive

import (
	"database/sql"
	"io"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/store"
)

// house is both rooms on one database.
type house struct {
	*incident.Incidents
	archive *Archive
	db      *store.DB
}

// Public is what everybody sees.
func (h *house) Public() *View { return h.archive.Public() }

// room opens both rooms as the program does.
func room(t testing.TB, db *store.DB) *house {
	t.Helper()
	incidents, err := incident.New(t.Context(), db, Changed)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), db, incidents)
	if err != nil {
		t.Fatal(err)
	}
	return &house{incidents, a, db}
}

// by is who acts in tests.
var by = actor.Operator()

func parse(t testing.TB, src string) *incident.FactsFile {
	t.Helper()
	file, err := incident.ParseFactsFile("facts.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// fill publishes the model case, and then the incidents of files.
func fill(t testing.TB, s *house, files ...string) {
	t.Helper()
	for _, f := range append([]string{string(incident.ModelCase())}, files...) {
		inc, err := s.Create(t.Context(), by, parse(t, f))
		if err != nil {
			t.Fatal(err)
		}
		release(t, s, inc.ID)
	}
}

// release publishes what is recorded of an incident, as the ledger would: a notice of it, which is served.
func release(t testing.TB, s *house, id string) incident.Notice {
	t.Helper()
	inc, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	n, err := compose.Whole(t.Context(), s.Incidents, inc, compose.Figures{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.Update(t.Context(), func(tx *sql.Tx) error {
		var next int64
		if err := tx.QueryRowContext(t.Context(), `SELECT coalesce(max(ledger_index), -1) + 1 FROM incident_notice`).Scan(&next); err != nil {
			return err
		}
		if err := s.RecordNotice(t.Context(), tx, n, next); err != nil {
			return err
		}
		return s.Serve(t.Context(), tx, next+1)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// recordAll records incidents as what others disclosed, which is public at once.
func recordAll(t testing.TB, s *house, files ...*incident.FactsFile) {
	t.Helper()
	next := func() (incident.Record, error) {
		if len(files) == 0 {
			return incident.Record{}, io.EOF
		}
		f := files[0]
		files = files[1:]
		return incident.Record{Dataset: "press", ExternalID: f.ID, ID: f.ID, Facts: f.Facts,
			AsOf: incident.Moment{Time: time.Now().UTC().Truncate(time.Minute), Precision: incident.Minute}}, nil
	}
	if _, err := s.Import(t.Context(), by, next, incident.ImportOptions{Reject: func(row *incident.RowError) error { return row }}); err != nil {
		t.Fatal(err)
	}
}
