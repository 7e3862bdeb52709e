package archive

import (
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Use is by what somebody knows that they use what an incident affected, and from when on it matters.
type Use struct {
	Names     []string        // other names of the organisation, and the services affected, as they are recorded
	Unrelated []string        // services of which it is said that they were not affected
	Domains   []string        // see [incident.Domain]; what is below one belongs to it
	Since     incident.Moment // when it began, as far as that is known; zero: it is not
	About     bool            // Since is only roughly known
	Over      time.Time       // a password that was chosen from then on was not among what was taken; zero: nothing tells
}

// useOf reads it from an incident's own facts. What an organisation's other incidents say of it is not this one's: it may have
// many services.
func useOf(i incident.Incident) Use {
	var u Use
	name := func(s string) {
		s = strings.TrimSpace(s)
		if d := incident.Domain(s); d != "" { // an organisation may be called by its domain, and data sets of others do
			u.domain(d)
			return
		}
		if s != "" && !slices.Contains(u.Names, s) {
			u.Names = append(u.Names, s)
		}
	}
	both := func(t language.Text) {
		name(t.JA)
		name(t.EN)
	}
	if f, ok := i.Fact("organisation"); ok {
		for _, s := range []string{f.Value.Text.JA, f.Value.Text.EN} {
			u.domain(incident.Domain(s)) // the name itself is the entry's
		}
	}
	for _, f := range i.Listed("alias") {
		both(f.Value.Text)
	}
	for _, f := range i.Listed("service") {
		if f.Value.Status != "unrelated" {
			both(f.Value.Text)
			continue
		}
		for _, s := range []string{f.Value.Text.JA, f.Value.Text.EN} {
			if s = strings.TrimSpace(s); s != "" && !slices.Contains(u.Unrelated, s) {
				u.Unrelated = append(u.Unrelated, s)
			}
		}
	}
	// An organisation may be called as its best-known service is: whoever uses that is not told that it was affected.
	u.Names = slices.DeleteFunc(u.Names, func(s string) bool {
		return slices.ContainsFunc(u.Unrelated, func(t string) bool { return foldName(s) == foldName(t) })
	})
	for _, f := range i.Listed("domain") {
		u.domain(incident.Domain(f.Value.Word))
	}
	if f, ok := i.Fact("window.start"); ok && !f.Value.Time.IsZero() {
		u.Since, u.About = f.Value.Time, f.Value.Qualifier == "about"
	}
	u.Over = over(i)
	return u
}

func (u *Use) domain(d string) {
	if d != "" && !slices.Contains(u.Domains, d) {
		u.Domains = append(u.Domains, d)
	}
}

// over is when what happened had certainly ended: the last of what ended it, else the last of what tells of it.
func over(i incident.Incident) time.Time {
	last := func(keys ...string) (t time.Time) {
		for _, key := range keys {
			if m, ok := moment(i, key); ok && m.End().After(t) {
				t = m.End()
			}
		}
		return t
	}
	if t := last("window.end", "contained"); !t.IsZero() {
		return t
	}
	return last("discovered", "regulator-notified", "persons-notified", "disclosed")
}
