package response

import (
	"strings"

	"shirase/internal/law"
)

// An Origin is what a clock was started by.
type Origin struct {
	Kind  string // declared, report, started, done; fact, notice and promise of promises
	About string // the report's number, the fact's key, the notice's id
	Entry int64  // of the case's record; 0: it is none of its entries
}

// Origin says what a clock was started by; false where it has not begun.
func (k *Case) Origin(c law.Clock) (Origin, bool) {
	if p := c.Promise; p != nil {
		if n, ok := strings.CutPrefix(p.ID, "case-"); ok {
			return Origin{Kind: "promise", About: n}, true
		}
		if strings.HasPrefix(p.ID, "next-update-v") {
			return Origin{Kind: "notice", About: p.Where}, true
		}
		return Origin{Kind: "fact", About: p.Where}, true
	}
	if c.Start.IsZero() {
		return Origin{}, false
	}
	if after, ok := strings.CutPrefix(c.Rule.Start, "after "); ok {
		return Origin{Kind: "done", About: after, Entry: k.Stated("clock " + c.Regime.ID + "-" + after).Version}, true
	}
	if _, ok := k.started[c.Rule.Start]; ok {
		return Origin{Kind: "started", Entry: k.Stated("started " + c.Rule.Start).Version}, true
	}
	if t, told := k.DiscoveredBy(); told && k.Knowledge() != k.Known {
		return Origin{Kind: "report", About: itoa(t.ID), Entry: t.ID}, true
	}
	return Origin{Kind: "declared", Entry: 1}, true
}

// Marking is the last that somebody said of a clock: that it was done, by which document, or why it waits or runs again. false where
// nobody has said anything.
func (k *Case) Marking(clock string) (Marked, Recorded, bool) {
	m, ok := k.marked[clock]
	return m, k.Stated("clock " + clock), ok
}
