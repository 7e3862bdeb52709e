package law

import (
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// promises is the regime of what an organisation promised in public: no law, and yet what it is judged by. Its clocks follow
// from its notices and facts.
var promises = Regime{ID: "promise", Name: language.Text{JA: "公表した約束", EN: "Promises made in public"}, Zone: incident.Japan}

// A Promise is that something happens by a time.
type Promise struct {
	ID    string // within the case: next-update, reset
	What  language.Text
	Where string          // the notice or fact that made it
	Made  incident.Moment // zero: not known
	Due   incident.Moment
	About bool            // "about 21:00": an hour more
	Kept  incident.Moment // when it happened; zero: it has not, or nobody has said
	Broke bool            // it is recorded that it was not kept
	// Untold says that it was made in public, and that what became of it is recorded, and was not told there: it stands. Kept and Broke are as recorded.
	Untold bool
}

// Fate says what became of a promise.
type Fate string

const (
	Pending Fate = "open"    // its time has not come
	Kept    Fate = "kept"    // it was kept
	Slipped Fate = "slipped" // it came late, or was not kept
	Unsaid  Fate = "unsaid"  // its time is over, and nothing says what became of it
)

// late is from when on the promise is not kept in time.
func (p Promise) late() time.Time {
	late := end(p.Due)
	if p.About {
		late = late.Add(time.Hour)
	}
	return late
}

// InTime reports that what was promised is recorded to have happened in time.
func (p Promise) InTime() bool { return !p.Kept.IsZero() && p.Kept.Time.Before(p.late()) }

// Fate says how the promise stands at now: one that was made in public goes by what was told there.
func (p Promise) Fate(now time.Time) Fate {
	late := p.late()
	switch {
	case p.Untold && now.Before(late):
		return Pending
	case p.Untold:
		return Unsaid
	case p.Broke, !p.Kept.IsZero() && !p.InTime():
		return Slipped
	case !p.Kept.IsZero():
		return Kept
	case !now.Before(late):
		return Unsaid
	}
	return Pending
}

// Clock gives a promise's clock as it stands at now. One that was kept is done, and so is one that came late; Why says which.
func (p Promise) Clock(now time.Time) Clock {
	regime := promises
	rule := &Rule{ID: p.ID, Name: p.What, Citation: p.Where, Status: Voluntary, Read: Primary, Start: "knowledge"}
	c := Clock{ID: "promise-" + p.ID, Regime: &regime, Rule: rule, Start: p.Made, Due: p.Due, State: Running, Promise: &p}
	switch p.Fate(now) {
	case Slipped:
		c.State, c.Why = Done, language.Text{JA: "守られなかったことを記録済み", EN: "slipped, as is recorded"}
		if !p.Kept.IsZero() {
			c.Why = language.Text{JA: "遅れて実施（" + p.Kept.String() + "）", EN: "slipped: done at " + p.Kept.String()}
		}
	case Kept:
		c.State, c.Why = Done, language.Text{JA: "予定どおり（" + p.Kept.String() + "）", EN: "kept: done at " + p.Kept.String()}
	case Unsaid:
		c.State, c.Why = Overdue, language.Text{JA: "約束した時刻を過ぎました。どうなったかを記録し、追記してください", EN: "the promised time has passed: record what became of it, and publish an addendum"}
	}
	if p.Untold {
		c.Why = language.Text{JA: "どうなったかは記録済みで、まだ公表していません。追記してください", EN: "what became of it is recorded, and was not told in public: publish an addendum"}
	}
	return c
}
