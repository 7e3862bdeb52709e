package main

import (
	"io"
	"path/filepath"
	"testing"

	"shirase/internal/incident"
	"shirase/internal/incident/lint"
)

// TestLintModelCase: what the program itself says of the model case, in both languages and in all of its notices, breaks no
// rule against the facts.
func TestLintModelCase(t *testing.T) {
	a := appAt(filepath.Join(t.TempDir(), "data"), io.Discard, io.Discard)
	in, err := a.demoInstance(t.Context(), 0.00001, true)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	if err := a.demoPublish(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	notices, err := in.incidents.Notices(t.Context(), "naver-2013")
	if err != nil || len(notices) < 6 {
		t.Fatalf("%d notices, %v", len(notices), err)
	}
	for i, n := range notices {
		inc := incident.Incident{ID: "naver-2013", Facts: incident.Published(notices[:i+1])}
		var recorded []incident.Fact
		for _, m := range notices[:i+1] {
			recorded = append(recorded, m.Facts...)
		}
		for _, text := range []string{n.Text.JA, n.Text.EN} {
			found, err := lint.Text([]byte(text), lint.Known{Incident: inc, Recorded: recorded})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				t.Errorf("%s:%d: %s: %s: %q", n.ID, f.Line, f.Rule, f.What.EN, text[max(0, f.From-200):f.To])
			}
		}
	}
}
