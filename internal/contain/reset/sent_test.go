package reset

import (
	"testing"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestSent: that the form was open is counted, each time; that it was announced is not.
func TestSent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 1, nil)
		for i, state := range []string{Announced, Opened, Closed, Reopened, Lifted} {
			if _, err := db.ExecContext(t.Context(), `INSERT INTO reset_hour (incident, n, state, at, promised, why, actor) VALUES ('other', $1, $2, 1, 0, '', '')`, i+1, state); err != nil {
				t.Fatal(err)
			}
		}
		for id, want := range map[string]int64{"other": 2, "none": 0} {
			if n, err := w.Sent(t.Context(), id); err != nil || n != want {
				t.Errorf("%s: %d, and not %d, %v", id, n, want, err)
			}
		}
	})
}
