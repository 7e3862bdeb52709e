package incident

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/language"
)

// Contradiction is a place where the facts of one incident cannot all be so, or where they leave a question open.
type Contradiction struct {
	Code  string
	Open  bool // a question that the facts leave open, and no contradiction: it may be shown to anybody
	Facts []Fact
	Text  language.Text // one sentence that names them
}

// Contradictions returns what is contradictory in an incident, and then what is open. Errors: ErrNotFound.
func (s *Incidents) Contradictions(ctx context.Context, id string) ([]Contradiction, error) {
	inc, known, err := s.getAsOf(ctx, id, time.Time{})
	if err != nil {
		return nil, err
	}
	return contradictions(inc, known, s.now()), nil
}

// contradictions looks at the facts that hold and, for what was said twice at once, at all that were recorded.
func contradictions(i Incident, known []Fact, now time.Time) []Contradiction {
	c := &critic{Incident: i, now: now}
	c.order()
	c.foreseen()
	c.counts()
	c.twice(known)
	c.promises()
	c.doubles()
	c.unknown()
	slices.SortStableFunc(c.found, func(a, b Contradiction) int {
		switch {
		case a.Open == b.Open:
			return 0
		case b.Open:
			return -1
		}
		return 1
	})
	return c.found
}

// critic gathers what is wrong with an incident.
type critic struct {
	Incident
	now   time.Time
	found []Contradiction
}

func (c *critic) add(code string, ja, en string, facts ...Fact) {
	c.found = append(c.found, Contradiction{Code: code, Facts: facts, Text: language.Both(ja, en)})
}

func (c *critic) ask(code string, ja, en string, facts ...Fact) {
	c.found = append(c.found, Contradiction{Code: code, Open: true, Facts: facts, Text: language.Both(ja, en)})
}

// end is the End of m; a time known only roughly is given an hour more.
func end(m Moment, roughly bool) time.Time {
	if roughly {
		return m.End().Add(time.Hour)
	}
	return m.End()
}

// after reports whether a was certainly after b.
func after(a, b Value) bool {
	if a.Time.IsZero() || b.Time.IsZero() {
		return false
	}
	from := a.Time.Time
	if a.Qualifier == "about" {
		from = from.Add(-time.Hour)
	}
	return !from.Before(end(b.Time, b.Qualifier == "about")) && a.Time.String() != b.Time.String()
}

// named writes a fact with its key: 発見「2013年7月18日」, “Discovered” (18 July 2013).
func named(lang language.Lang, f Fact) string {
	return lang.Pick("", "“") + KeyLabel(lang, f.Key) + lang.Pick("「", "” (") + f.In(lang) + lang.Pick("」", ")")
}

// order holds the milestones to the only order in which they can happen.
func (c *critic) order() {
	for _, pair := range []struct{ first, then, code string }{
		{"window.start", "window.end", "window-reversed"},
		{"window.end", "contained", "window-after-containment"},
		{"window.start", "discovered", "discovered-before-window"},
		{"discovered", "contained", "contained-before-discovered"},
		{"discovered", "disclosed", "disclosed-before-discovered"},
		{"discovered", "regulator-notified", "notified-before-discovered"},
		{"discovered", "persons-notified", "notified-before-discovered"},
		{"discovered", "login-blocked", "blocked-before-discovered"},
		{"disclosed", "closed", "closed-before-disclosed"},
		{"contained", "closed", "closed-before-contained"},
	} {
		a, okA := c.Fact(pair.first)
		b, okB := c.Fact(pair.then)
		if okA && okB && after(a.Value, b.Value) {
			c.add(pair.code, named(language.JA, a)+"が、"+named(language.JA, b)+"よりあとになっています。",
				named(language.EN, a)+" is later than "+named(language.EN, b)+".", a, b)
		}
	}
	if disclosed, ok := c.Fact("disclosed"); ok {
		for _, f := range c.Listed("addendum") {
			if after(disclosed.Value, f.Value) {
				c.add("addendum-before-disclosure", named(language.JA, f)+"が、"+named(language.JA, disclosed)+"より前になっています。",
					named(language.EN, f)+" is earlier than "+named(language.EN, disclosed)+".", f, disclosed)
			}
		}
	}
}

// foreseen finds what is said to have happened as of a time before it did.
func (c *critic) foreseen() {
	for _, f := range c.Facts {
		kind := keyForms[f.Key].form
		done := kind == formTime || kind == formAddendum || kind == formAction && slices.Contains([]string{"taken", "kept", "lifted"}, f.Value.Status) ||
			kind == formService && f.Value.Status != "affected"
		if done && (f.Certainty == Confirmed || f.Certainty == Possible) && after(f.Value, Value{Time: f.AsOf}) && f.Value.Qualifier != "about" {
			c.add("known-too-early", named(language.JA, f)+"が、"+f.AsOf.In(language.JA)+"現在の事実として記録されています。起きるより前のことです。",
				named(language.EN, f)+" is recorded as known on "+f.AsOf.In(language.EN)+", before it happened.", f)
		}
	}
}

// counts compares the figures: nobody is affected who is not there, and an attempt is no victim.
func (c *critic) counts() {
	affected, ok := c.Fact("affected.count")
	if !ok || affected.Value.Number == nil {
		return
	}
	n := *affected.Value.Number
	if base, ok := c.Fact("base.count"); ok && base.Value.Number != nil && base.Value.Unit == affected.Value.Unit {
		most := *base.Value.Number
		if base.Value.Qualifier == "about" {
			most += most / 20 // a round figure is not wrong by a twentieth
		}
		if n > most && base.Value.Qualifier != "cumulative" && affected.Value.Qualifier != "cumulative" {
			c.add("affected-above-base", named(language.JA, affected)+"が、"+named(language.JA, base)+"を超えています。",
				named(language.EN, affected)+" is more than "+named(language.EN, base)+".", affected, base)
		}
		c.excludedSum(affected, base)
	}
	if attempts, ok := c.Fact("attempts.count"); ok && attempts.Value.Number != nil && *attempts.Value.Number == n && n > 0 {
		c.add("attempts-as-victims", named(language.JA, affected)+"が、"+named(language.JA, attempts)+"と同じ数です。試行の回数は、対象の数ではありません。",
			named(language.EN, affected)+" is the same number as "+named(language.EN, attempts)+". An attempt is not a victim.", affected, attempts)
	}
}

// excludedSum holds exact figures to their sum.
func (c *critic) excludedSum(affected, base Fact) {
	sum := *affected.Value.Number
	facts := []Fact{affected, base}
	for _, f := range c.Listed("excluded") {
		if f.Value.Number == nil || f.Value.Unit != base.Value.Unit || f.Value.Qualifier != "exact" {
			continue
		}
		sum += *f.Value.Number
		facts = append(facts, f)
	}
	if len(facts) > 2 && affected.Value.Qualifier == "exact" && base.Value.Qualifier == "exact" && sum > *base.Value.Number {
		c.add("excluded-above-base", fmt.Sprintf("対象と対象外を合わせると%sになり、%sを超えます。", language.Number(language.JA, sum), named(language.JA, base)),
			fmt.Sprintf("The affected and the excluded make %s together, more than %s.", language.Number(language.EN, sum), named(language.EN, base)), facts...)
	}
}

// twice finds a single-valued key of which two sources say different things as of the same time.
func (c *critic) twice(known []Fact) {
	type at struct{ key, asOf string }
	seen := map[at][]Fact{}
	for _, f := range known {
		if kind := keyForms[f.Key]; kind.listed || kind.form == 0 || f.Certainty == Unknown {
			continue
		}
		k := at{f.Key, f.AsOf.String()}
		for _, g := range seen[k] {
			exact := f.Value.Number == nil || f.Value.Qualifier == "exact" && g.Value.Qualifier == "exact"
			if g.Source != f.Source && exact && f.In(language.JA) != g.In(language.JA) {
				c.add("two-values", fmt.Sprintf("%sについて、%s現在の値が2つあります。「%s」（出典：%s）と「%s」（出典：%s）です。", KeyLabel(language.JA, f.Key), f.AsOf.In(language.JA),
					g.In(language.JA), cited(language.JA, g), f.In(language.JA), cited(language.JA, f)),
					fmt.Sprintf("“%s” has two values as of %s: “%s” (%s) and “%s” (%s).", KeyLabel(language.EN, f.Key), f.AsOf.In(language.EN),
						g.In(language.EN), cited(language.EN, g), f.In(language.EN), cited(language.EN, f)), g, f)
				break
			}
		}
		seen[k] = append(seen[k], f)
	}
}

// cited names a fact's source.
func cited(lang language.Lang, f Fact) string {
	if f.Source == "" {
		return lang.Pick("記載なし", "no source given")
	}
	return f.Source
}

// promises holds what is said of a promise to its times.
func (c *critic) promises() {
	for _, f := range c.Listed("action") {
		v := f.Value
		ja, en := "「"+f.In(language.JA)+"」", "“"+f.In(language.EN)+"”"
		promise := Value{Time: v.Promised, Qualifier: v.Qualifier}
		switch {
		case v.Status == "kept" && after(Value{Time: v.Time}, promise):
			c.add("kept-late", ja+"は、約束した時刻のあとに行われたのに、予定どおりとされています。", en+" was done after the promised time, and is called kept.", f)
		case v.Status == "slipped" && !v.Time.IsZero() && !v.Promised.IsZero() && !after(Value{Time: v.Time}, promise):
			c.add("slipped-in-time", ja+"は、約束した時刻までに行われたのに、遅れたとされています。", en+" was done by the promised time, and is called late.", f)
		case v.Status == "planned":
			due := v.Promised
			if due.IsZero() {
				due = v.Time
			}
			if !due.IsZero() && !c.now.Before(end(due, v.Qualifier == "about")) {
				c.ask("promise-open", "「"+v.Text.In(language.JA)+"」（"+due.In(language.JA)+"の予定）について、その後の記録がありません。",
					capital(v.Text.In(language.EN))+" (planned for "+due.In(language.EN)+"): what became of it is not recorded.", f)
			}
		}
	}
}

// doubles finds one name under two statuses.
func (c *critic) doubles() {
	for _, key := range []string{"service", "secondary-damage"} {
		list := c.Listed(key)
		for n, f := range list {
			for _, g := range list[:n] {
				same := f.Value.Word == g.Value.Word && strings.EqualFold(f.Value.Text.EN, g.Value.Text.EN) && f.Value.Text.JA == g.Value.Text.JA
				differ := f.Value.Status != g.Value.Status && f.AsOf.String() == g.AsOf.String()
				if same && differ {
					c.add("two-statuses", named(language.JA, g)+"と"+named(language.JA, f)+"が、同じ時点で食い違っています。",
						named(language.EN, g)+" and "+named(language.EN, f)+" differ as of the same time.", g, f)
				}
			}
		}
	}
}

// unknown lists what was asked and is not known, and a settled scope without a settled figure.
func (c *critic) unknown() {
	for _, f := range c.Facts {
		if f.Certainty == Unknown {
			c.ask("unknown", KeyLabel(language.JA, f.Key)+"は、"+f.AsOf.In(language.JA)+"の時点では分かっていません。",
				"“"+KeyLabel(language.EN, f.Key)+"” is not known as of "+f.AsOf.In(language.EN)+".", f)
		}
	}
	state, ok := c.Fact("scope.state")
	count, counted := c.Fact("affected.count")
	if ok && state.Value.Word == StateFinal && counted && count.Value.Qualifier == "about" {
		c.ask("final-but-about", "対象の範囲は確定とされていますが、数は「"+count.In(language.JA)+"」のままです。",
			"The scope is settled, and the figure is still “"+count.In(language.EN)+"”.", state, count)
	}
}

// capital writes an English phrase at the beginning of a sentence.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
