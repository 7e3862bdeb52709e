package law

import (
	"testing"
	"time"
)

func TestShipped(t *testing.T) {
	b, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range b.Regimes() {
		for _, row := range r.tests {
			n += len(row.due)
			t.Logf("%s, line %d\n%s", r.ID, row.line, b.Table(r, row.situation, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
	}
	t.Logf("%d due times", n)
}
