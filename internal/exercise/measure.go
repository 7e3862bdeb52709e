package exercise

import (
	"fmt"
	"slices"
	"time"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/response"
)

// Record is what a team's answer is measured by: what the program holds of the case anyway.
type Record struct {
	Case     *response.Case // nil: nothing was declared, or it is gone
	Gone     bool           // the case was shredded: what is of it only is not known any more
	Clocks   *response.Clocks
	Incident incident.Incident
	Notices  []incident.Notice        // published, of every incident of the folder, in the order in which they came into the ledger
	Against  []incident.Contradiction // in what the public sees
	// Medians of an archive, of all its incidents but this one.
	Contain, Disclose archive.Distribution
}

// Unit is what a measure counts.
type Unit string

// The units.
const (
	Minutes Unit = "minutes"
	Count   Unit = "count"
)

// Measure is one figure of a team beside those of others. A pointer that is nil is not known, and is never a nought.
type Measure struct {
	ID     string        `json:"id"`
	Label  language.Text `json:"label"`
	Unit   Unit          `json:"unit"`
	Own    *int64        `json:"own"`
	Real   *int64        `json:"real"`
	Median *int64        `json:"median"`
	Of     int           `json:"medianOf"` // how many incidents of the archive have such a figure
	// ToTheDay says that the median is known to the day only: 0 is the same day.
	ToTheDay bool `json:"medianToTheDay,omitzero"`
	median   archive.Span
	// Why says what stands in the place of a median.
	Why   language.Text   `json:"why,omitzero"`
	Notes []language.Text `json:"notes"` // which they were
}

// Measures gives every measure of an exercise, as it stands at its time. How the real case went is among them once nothing more comes:
// before, it would answer the questions.
func (p *Play) Measures(r Record) []Measure {
	var real Real
	if p.Real != nil && p.Over() {
		real = *p.Real
	}
	contained := p.contained(r)
	told, dated := p.told(r)
	silence, notes := p.silence(r)
	deadlines := p.deadlines(r)
	against := p.against(r)
	out := []Measure{
		span("contained", "発見から遮断まで", "From detection to containment", contained, real.Contained, &r.Contain),
		span("told", "発見から最初の公表まで", "From detection to the first notice", told, real.Told, &r.Disclose),
		span("silence", "公表の最も長い沈黙", "Longest silence in public", silence, real.Silence, nil),
		count("met", "守れた法定期限", "Legal deadlines met", deadlines.met, real.Met),
		count("missed", "守れなかった法定期限", "Legal deadlines missed", deadlines.missed, real.Missed),
		count("open", "まだ来ていない法定期限", "Legal deadlines still to come", deadlines.open, nil),
		count("kept", "守れた約束", "Promises kept", deadlines.kept, real.Kept),
		count("slipped", "守れなかった約束", "Promises that slipped", deadlines.slipped, real.Slipped),
		count("contradictions", "公表内容の食い違い", "Contradictions published", against, real.Contradictory),
		count("unanswered", "答えていない質問", "Questions left unanswered", p.unanswered(r.Case), nil),
	}
	out[1].Notes, out[2].Notes = append(out[1].Notes, dated...), notes
	if f, ok := r.Incident.Fact("contained"); ok && contained != nil {
		if note, later := p.statedLater(f.Value.Time.Time, f.Recorded); later {
			out[0].Notes = append(out[0].Notes, note)
		}
	}
	if r.Clocks != nil {
		for _, proposed := range r.Clocks.Proposed {
			out[4].Notes = append(out[4].Notes, language.Text{JA: "適用するかどうかを決めていない制度：" + proposed.Regime.Name.JA, EN: "Nobody has said whether it applies: " + proposed.Regime.Name.EN})
		}
	}
	if r.Gone {
		for i, m := range out {
			if slices.Contains(ofCase, m.ID) {
				out[i].Own, out[i].Notes = nil, []language.Text{language.Both("事案の記録は、鍵とともに壊されました。", "The case was shredded: its record is gone.")}
			}
		}
	}
	return out
}

// ofCase are the measures that only the case's own record gives.
var ofCase = []string{"met", "missed", "open", "kept", "slipped", "unanswered"}

func span(id, ja, en string, own *time.Duration, real Offset, d *archive.Distribution) Measure {
	m := Measure{ID: id, Label: language.Both(ja, en), Unit: Minutes, Notes: []language.Text{}}
	if own != nil {
		m.Own = number(int64(*own / time.Minute))
	}
	if real > 0 {
		m.Real = number(int64(real.Span() / time.Minute))
	}
	switch {
	case d == nil:
		m.Why = language.Both("アーカイブには、この項目の記録がありません。", "The archive does not record it.")
	case len(d.Spans) == 0:
		m.Why = language.Both("このフォルダのアーカイブには、比べられる事案がありません。", "The archive of this folder has no incident to compare with.")
	case len(d.Spans) < archive.Fewest:
		m.Of = len(d.Spans)
		m.Why = language.Both(fmt.Sprintf("比べられる事案が%d件しかないため、中央値は示しません。", m.Of), fmt.Sprintf("Of %d incidents only no median is given.", m.Of))
	default:
		m.Of, m.Median, m.median, m.ToTheDay = len(d.Spans), number(d.Median.Minutes), d.Median, d.Median.Precision >= incident.Day
	}
	return m
}

func count(id, ja, en string, own []language.Text, real *int) Measure {
	m := Measure{ID: id, Label: language.Both(ja, en), Unit: Count, Own: number(int64(len(own))), Notes: own,
		Why: language.Both("アーカイブには、この項目の記録がありません。", "The archive does not record it.")}
	if m.Notes == nil {
		m.Notes = []language.Text{}
	}
	if real != nil {
		m.Real = number(int64(*real))
	}
	return m
}

func number(n int64) *int64 { return &n }

// contained is from the first event, which is when the incident was noticed, to when the case says that it was cut off.
func (p *Play) contained(r Record) *time.Duration {
	f, ok := r.Incident.Fact("contained")
	if !ok || f.Certainty == incident.Planned || f.Certainty == incident.Unknown || f.Value.Time.IsZero() || f.Value.Time.Time.After(p.Now) {
		return nil
	}
	d := max(f.Value.Time.Time.Sub(p.State.Start), 0)
	return &d
}

// statedLater says that a time was recorded long after it: what is measured by it is what the team has said since.
func (p *Play) statedLater(stated, recorded time.Time) (language.Text, bool) {
	if recorded.Sub(stated) < toRecord {
		return language.Text{}, false
	}
	return language.Both(p.minute(stated).In(language.JA)+"のこととして、"+p.minute(recorded).In(language.JA)+"に記録されました。", "Stated as of "+p.minute(stated).In(language.EN)+", and recorded at "+p.minute(recorded).In(language.EN)+"."), true
}

// minute is a time as it is told, by the scenario's zone.
func (p *Play) minute(t time.Time) incident.Moment {
	return incident.Moment{Time: t.In(p.State.Start.Location()).Truncate(time.Minute), Precision: incident.Minute}
}

// toRecord is how long after something it may be recorded without a word of that.
const toRecord = time.Hour

// told is from the first event to when the first notice came into the ledger. Its own time is of when it was proposed.
func (p *Play) told(r Record) (*time.Duration, []language.Text) {
	if len(r.Notices) == 0 {
		return nil, nil
	}
	first := r.Notices[0]
	d := max(first.Told().Sub(p.State.Start), 0)
	return &d, p.datedEarlier(first)
}

// datedEarlier says of notices that they came into the ledger an hour or more after the time that they say themselves: what is measured is when the
// public could read them.
func (p *Play) datedEarlier(notices ...incident.Notice) []language.Text {
	out := []language.Text{}
	for _, n := range notices {
		if n.Told().Sub(n.Time) < toRecord {
			continue
		}
		out = append(out, language.Both(n.ID+"は"+p.minute(n.Time).In(language.JA)+"の日付で、"+p.minute(n.Told()).In(language.JA)+"に公表されました。",
			n.ID+" is dated "+p.minute(n.Time).In(language.EN)+", and was published at "+p.minute(n.Told()).In(language.EN)+"."))
	}
	return out
}

// silence is the longest time in which the public heard nothing: before the first notice, between two, or after the last.
func (p *Play) silence(r Record) (*time.Duration, []language.Text) {
	last, longest := p.State.Start, time.Duration(-1)
	var from, to time.Time
	look := func(t time.Time) {
		if d := t.Sub(last); d > longest {
			longest, from, to = d, last, t
		}
		last = t
	}
	for _, n := range r.Notices {
		look(n.Told())
	}
	look(p.Now)
	longest = max(longest, 0)
	return &longest, append([]language.Text{language.Both(p.minute(from).In(language.JA)+"から"+p.minute(to).In(language.JA)+"まで", "from "+p.minute(from).In(language.EN)+" to "+p.minute(to).In(language.EN))}, p.datedEarlier(r.Notices...)...)
}

// fates are what became of deadlines and promises, each by its name.
type fates struct{ met, missed, open, kept, slipped []language.Text }

func (p *Play) deadlines(r Record) fates {
	var out fates
	if r.Clocks == nil {
		return out
	}
	for _, c := range r.Clocks.Clocks {
		name := c.Rule.Name
		if c.Promise != nil {
			switch c.Promise.Fate(p.Now) {
			case law.Kept:
				out.kept = append(out.kept, name)
			case law.Slipped, law.Unsaid: // a promise of which nobody says what became of it was not kept
				out.slipped = append(out.slipped, name)
			}
			continue
		}
		if c.Soft() {
			name = language.Text{JA: name.JA + "（目安）", EN: name.EN + " (a guideline)"}
		}
		switch {
		case c.Due.IsZero():
		case c.State == law.Done && r.late(c):
			out.missed = append(out.missed, language.Text{JA: name.JA + "：期限のあと", EN: name.EN + ": done late"})
		case c.State == law.Done:
			if recorded, ok := r.Case.DoneRecorded(c.ID); ok && !recorded.Before(c.End()) {
				if at, ok := r.Case.DoneAt(c.ID); ok {
					note, _ := p.statedLater(at.Time, recorded)
					name = language.Text{JA: name.JA + "：" + note.JA, EN: name.EN + ". " + note.EN}
				}
			}
			out.met = append(out.met, name)
		case c.State == law.Overdue:
			out.missed = append(out.missed, name)
		case c.State == law.Running:
			out.open = append(out.open, name)
		}
	}
	return out
}

// late reports whether a clock was done after it was due.
func (r Record) late(c law.Clock) bool {
	at, ok := r.Case.DoneAt(c.ID)
	return ok && !at.Time.Before(c.End())
}

// against are the contradictions that were published: each figure that the public was told and that is not what the scenario has made
// known by now, once, and what the program itself finds to contradict itself in what is published.
func (p *Play) against(r Record) []language.Text {
	known := map[string]incident.Fact{}
	for _, e := range p.Told() {
		if e.Known == "" {
			continue
		}
		file, err := p.facts(e, p.State.Start)
		if err != nil {
			continue // what was checked when the scenario was read
		}
		for _, f := range file.Facts {
			if f.Item == "" && !f.Retracted {
				known[f.Key] = f
			}
		}
	}
	out, seen := []language.Text{}, map[string]bool{}
	for _, n := range r.Notices {
		for _, f := range n.Facts {
			is, ok := known[f.Key]
			if !ok || f.Item != "" || f.Retracted || agrees(f, is) {
				continue
			}
			id := f.Key + "\x00" + f.In(language.EN)
			if seen[id] {
				continue
			}
			seen[id] = true
			whose := ""
			if n.Incident != r.Incident.ID {
				whose = " (" + n.Incident + ")"
			}
			out = append(out, language.Both(
				fmt.Sprintf("お知らせ第%d版%sは%sを「%s」としましたが、「%s」でした。", n.Version, whose, incident.KeyLabel(language.JA, f.Key), f.In(language.JA), is.In(language.JA)),
				fmt.Sprintf("Version %d of the notice%s gave “%s” for “%s”, and it was “%s”.", n.Version, whose, f.In(language.EN), incident.KeyLabel(language.EN, f.Key), is.In(language.EN))))
		}
	}
	for _, c := range r.Against {
		if !c.Open {
			out = append(out, c.Text)
		}
	}
	return out
}

// agrees reports whether a fact that was told is one that is so. A round figure is one within a tenth.
func agrees(said, is incident.Fact) bool {
	if said.Certainty == incident.Unknown || said.Certainty == incident.Planned {
		return true
	}
	a, b := said.Value, is.Value
	switch {
	case a.Number != nil && b.Number != nil:
		if a.Unit != b.Unit {
			return false
		}
		if a.Qualifier == "about" || a.Qualifier == "at-most" {
			return max(*a.Number-*b.Number, *b.Number-*a.Number) <= *b.Number/10
		}
		return *a.Number == *b.Number
	case !a.Time.IsZero() && !b.Time.IsZero(): // no more exactly than it was said
		return !b.Time.Time.Before(a.Time.Time) && b.Time.Time.Before(a.Time.End()) || a.Time.Time.Equal(b.Time.Time)
	}
	return a.Word == b.Word && (a.Text == b.Text || a.Word != "")
}

func (p *Play) unanswered(k *response.Case) []language.Text {
	var out []language.Text
	for _, e := range p.Open(k) {
		out = append(out, e.Question.Text())
	}
	return out
}

// MedianText writes the median no more exactly than it is known; "" where there is none.
func (m Measure) MedianText(lang language.Lang) string {
	if m.Median == nil {
		return ""
	}
	return archive.SpanText(lang, m.median)
}

// Find gives one of the measures.
func Find(list []Measure, id string) Measure {
	if i := slices.IndexFunc(list, func(m Measure) bool { return m.ID == id }); i >= 0 {
		return list[i]
	}
	return Measure{}
}

// Text writes a figure as people read it; "" where it is not known.
func (m Measure) Text(lang language.Lang, n *int64) string {
	switch {
	case n == nil:
		return ""
	case m.Unit == Minutes:
		return language.Duration(lang, time.Duration(*n)*time.Minute)
	}
	return language.Number(lang, *n)
}
