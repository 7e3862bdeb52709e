package law

import (
	"strconv"
	"strings"
	"time"

	"shirase/internal/incident"
)

// A Keeping is a record that a rule has kept, and until when.
type Keeping struct {
	Regime *Regime
	Rule   *Rule
	From   incident.Moment // what starts the rule; zero: it has not happened, and the span has not begun
	Until  time.Time       // the first day on which it need not be kept any more; zero: no end follows
	Open   bool            // the law names no end
}

// Keepings are the records that a regime's rules have kept in a situation, in the order of the rules: of those that apply, or may.
func (b *Book) Keepings(r *Regime, s Situation, now time.Time) []Keeping {
	var out []Keeping
	for _, c := range b.Clocks(r, s, now) {
		if c.Rule.Keep == "" || c.State == NotApplicable {
			continue
		}
		k := Keeping{Regime: r, Rule: c.Rule, From: c.Start, Open: c.Rule.Keep == "open"}
		if k.From.IsZero() {
			k.From = s.At[c.Rule.Start]
		}
		if !k.Open && !k.From.IsZero() {
			k.Until = c.Rule.keepUntil(k.From, r.Zone)
		}
		out = append(out, k)
	}
	return out
}

// keepUntil counts whole years or months from the day on which something happened, in the regime's zone; a day that a month does not
// have is the first of the next, so that nothing is let go early.
func (r *Rule) keepUntil(from incident.Moment, zone *time.Location) time.Time {
	at := from.Time
	if zone != nil && from.Exact() {
		at = at.In(zone)
	}
	y, m, d := at.Date()
	if text, ok := strings.CutSuffix(r.Keep, "y"); ok {
		n, _ := strconv.Atoi(text)
		y += n
	} else {
		n, _ := strconv.Atoi(strings.TrimSuffix(r.Keep, "mo"))
		m += time.Month(n)
	}
	return time.Date(y, m, d+1, 0, 0, 0, 0, at.Location()) // the last day itself is kept
}
