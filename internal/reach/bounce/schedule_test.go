package bounce

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestSchedule holds the schedule to what receivers and RFC 5321 expect, and to what is published of it.
func TestSchedule(t *testing.T) {
	var all time.Duration
	for i, p := range Pauses {
		if got, ok := Again(i+1, SystemError); !ok || got != p {
			t.Errorf("try %d: %s, %v", i+1, got, ok)
		}
		all += p
	}
	if all < 4*day || all > 6*day || Pauses[0]+Pauses[1] > time.Hour {
		t.Errorf("%s in all", all)
	}
	if _, ok := Again(len(Pauses)+1, SystemError); ok {
		t.Error("it is never given up")
	}
	if _, ok := Again(0, SystemError); ok {
		t.Error("before the first deferral")
	}
	slowly, ok := Again(1, MailboxFull)
	if !ok || slowly != 12*time.Hour {
		t.Errorf("a full mailbox is tried again after %s", slowly)
	}
	tries := 0
	for ; ; tries++ {
		if _, ok := Again(tries+1, MailboxFull); !ok {
			break
		}
	}
	if tries != 8 {
		t.Errorf("a full mailbox is tried again %d times", tries)
	}
	b, err := os.ReadFile("../../../docs/handbook/bounces.md")
	if err != nil {
		t.Fatal(err)
	}
	if line := "10 min, 30 min, 1 h, 2 h, 4 h, 8 h, then every 12 h, eight times"; !strings.Contains(string(b), line) {
		t.Errorf("docs/handbook/bounces.md does not say %q", line)
	}
	for r, w := range worths { // the table of suppressions
		if w.suppress == 0 {
			continue
		}
		days := map[time.Duration]string{365 * day: "365 days", 30 * day: "30 days", 7 * day: "7 days"}[w.suppress]
		if row := "| `" + string(r) + "` | " + days + " |"; !strings.Contains(string(b), row) {
			t.Errorf("docs/handbook/bounces.md does not have %q", row)
		}
	}
}
