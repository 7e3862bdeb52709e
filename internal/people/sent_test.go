package people

import "testing"

// TestSent: that somebody was answered is counted, also when the rows of it have gone.
func TestSent(t *testing.T) {
	eachWorld(t, func(w *world) {
		sent := func(want int64) {
			t.Helper()
			if n, err := Sent(w.t.Context(), w.DB, clinic); err != nil || n != want {
				w.t.Errorf("%d have left, and not %d, %v", n, want, err)
			}
		}
		sent(0)
		w.ask("one@example.com")
		w.ask("nobody@example.com")
		w.answers(2)
		sent(2)
		w.clock = w.clock.Add(2 * kept)
		w.answers(0)
		if states, _ := w.left(); len(states) > 0 {
			w.t.Fatal(states)
		}
		sent(1)
	})
}
