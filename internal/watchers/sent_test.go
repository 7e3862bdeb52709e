package watchers

import "testing"

// TestSent: what has left is counted of the incident that it was of, and what was not told is not.
func TestSent(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.watch("one@example.com", "", now)
		w.watch("two@example.com", "", now)
		w.publish("club", "final", 0, false, "one@example.com")
		w.publish("bank", "final", 0, false, "one@example.com", "two@example.com")
		w.turn()
		for id, want := range map[string]int64{"club": 1, "bank": 2, "none": 0} {
			if n, err := Sent(w.t.Context(), w.DB, id); err != nil || n != want {
				w.t.Errorf("%s: %d have left, and not %d, %v", id, n, want, err)
			}
		}
		if _, err := w.DB.ExecContext(w.t.Context(), `UPDATE watchers_mail SET state = 'dropped' WHERE incident = 'club'`); err != nil {
			w.t.Fatal(err)
		}
		if n, err := Sent(w.t.Context(), w.DB, "club"); err != nil || n != 0 {
			w.t.Errorf("%d, %v", n, err)
		}
	})
}
