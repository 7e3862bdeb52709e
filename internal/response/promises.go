package response

import (
	"slices"
	"strconv"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
)

// promised are the promises that an incident's facts and its published notices make: when the next notice comes, and each action
// that was planned for a time. Those that were kept, and those that came late, stay: what was promised in public is not unsaid.
func promised(inc incident.Incident, notices []incident.Notice) []law.Promise {
	out := nextUpdates(inc, notices)
	for _, f := range inc.Listed("action") {
		v := f.Value
		due := v.Promised
		if due.IsZero() && v.Status == "planned" {
			due = v.Time
		}
		if due.IsZero() || v.Status == "lifted" {
			continue
		}
		p := law.Promise{ID: f.Item, What: v.Text, Where: "action/" + f.Item, Made: f.AsOf, Due: due, About: v.Qualifier == "about"}
		switch v.Status {
		case "taken", "kept", "slipped":
			// One that slipped and has no time of its own was not done at all: it is told so, and a new promise may stand beside it.
			if p.Kept = v.Time; p.Kept.IsZero() && v.Status == "slipped" {
				p.Broke = true
			} else if p.Kept.IsZero() {
				p.Kept = due
			}
		}
		if !p.Kept.IsZero() {
			p.Made = incident.Moment{} // the newest as-of is that of its end
		}
		out = append(out, p)
	}
	return out
}

// nextUpdates are the promises of a next notice: what each published notice said, kept by the next one that followed, and last
// what is recorded and in no notice yet.
func nextUpdates(inc incident.Incident, notices []incident.Notice) []law.Promise {
	var out []law.Promise
	said := func(facts []incident.Fact) (incident.Fact, bool) {
		i := slices.IndexFunc(facts, func(f incident.Fact) bool { return f.Key == "next-update" && !f.Retracted })
		if i < 0 {
			return incident.Fact{}, false
		}
		return facts[i], facts[i].Value.Word != incident.NoNext
	}
	promise := func(f incident.Fact, id, where string, made incident.Moment) law.Promise {
		return law.Promise{ID: id, What: language.Text{JA: "次回のお知らせ", EN: "The next update"}, Where: where, Made: made, Due: f.Value.Time, About: f.Value.Qualifier == "about"}
	}
	minute := func(t time.Time) incident.Moment {
		return incident.Moment{Time: t.UTC().Truncate(time.Minute), Precision: incident.Minute}
	}
	var last incident.Fact
	for i, n := range notices {
		f, ok := said(n.Facts)
		if !ok {
			continue
		}
		last = f
		p := promise(f, "next-update-v"+strconv.FormatInt(n.Version, 10), n.ID, minute(n.Time))
		if i+1 < len(notices) {
			p.Kept = minute(notices[i+1].Time)
		}
		out = append(out, p)
	}
	if f, ok := inc.Fact("next-update"); ok && f.Value.Word != incident.NoNext && !f.Value.Time.Time.Equal(last.Value.Time.Time) {
		out = append(out, promise(f, "next-update", "next-update", f.AsOf))
	}
	return out
}

// promised are the promises that were made in the case.
func (k *Case) promised() []law.Promise {
	var out []law.Promise
	for _, p := range k.Promises {
		due, err := incident.ParseMoment(p.Due, nil)
		if err != nil || p.State == "withdrawn" {
			continue
		}
		m := law.Promise{ID: "case-" + itoa(p.ID), What: language.Same(p.Text), Where: "entry " + itoa(p.ID), Due: due,
			Made: incident.Moment{Time: p.Made.UTC().Truncate(time.Minute), Precision: incident.Minute}}
		if p.State == "kept" {
			if m.Kept, err = incident.ParseMoment(p.At, nil); err != nil {
				m.Kept = incident.Moment{Time: p.RecordedAt.UTC().Truncate(time.Minute), Precision: incident.Minute}
			}
		}
		out = append(out, m)
	}
	return out
}
