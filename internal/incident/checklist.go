package incident

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Heading is something a disclosure tells, with the keys that record it and the rules that ask for it.
type Heading struct {
	Word  string
	Label Text
	Rules string // citations, the same in both languages
	keys  []string
}

// Headings is the checklist: what the rules ask to be told, as far as facts record it. The rules are those of Japan
// (個人情報保護法施行規則 8条1項, the nine items), of the GDPR (articles 33(3) and 34(2)) and of California (Civil
// Code 1798.82(d)(1), five headings). Sequence after what people ask first.
var headings = []Heading{
	{"what", Text{"何が起きたか", "What happened"}, "規則8条1項1号 · GDPR 33(3)(a) · Cal. What Happened", []string{"title", "service", "window.start", "window.end"}},
	{"when", Text{"いつ起きたか", "When it happened"}, "規則8条1項1号 · Cal. What Happened", []string{"window.start", "window.end"}},
	{"discovered", Text{"いつ気づいたか", "When it was noticed"}, "規則8条1項1号", []string{"discovered"}},
	{"classes", Text{"どの情報か", "What information"}, "規則8条1項2号 · GDPR 33(3)(a) · Cal. What Information Was Involved", []string{"data-class"}},
	{"count", Text{"何人・何件か", "How many"}, "規則8条1項3号 · GDPR 33(3)(a)", []string{"affected.count"}},
	{"excluded", Text{"誰が対象でないか", "Who is not affected"}, "–", []string{"excluded"}},
	{"cause", Text{"原因", "Cause"}, "規則8条1項4号", []string{"cause"}},
	{"damage", Text{"二次被害の有無", "What followed from it"}, "規則8条1項5号 · GDPR 33(3)(c)", []string{"secondary-damage"}},
	{"persons", Text{"本人への対応", "Telling those affected"}, "規則8条1項6号 · GDPR 34", []string{"persons-notified"}},
	{"public", Text{"公表した日", "When it was made public"}, "規則8条1項7号", []string{"disclosed"}},
	{"regulator", Text{"監督機関への報告", "Notice to a regulator"}, "GDPR 33(1)", []string{"regulator-notified"}},
	{"contained", Text{"止めた時刻", "When it was stopped"}, "GDPR 33(3)(d)", []string{"contained", "login-blocked"}},
	{"measures", Text{"講じた措置", "What was done"}, "規則8条1項8号 · GDPR 33(3)(d) · Cal. What We Are Doing", []string{"action"}},
	{"contact", Text{"問い合わせ窓口", "Where to ask"}, "GDPR 33(3)(b) · Cal. For More Information", []string{"contact"}},
	{"addenda", Text{"追記・続報", "Addenda"}, "GDPR 33(4)", []string{"addendum"}},
}

// Headings returns the checklist.
func Headings() []Heading { return slices.Clone(headings) }

// Mark says what the record of an incident has under a heading.
type Mark int

const (
	NotRecorded Mark = iota // which does not say that it was not told
	SaidUnknown             // it was said that it is not known yet
	Told
)

// Checklist marks every heading.
func (i Incident) Checklist() []Mark {
	out := make([]Mark, len(headings))
	for n, h := range headings {
		for _, f := range i.Facts {
			if !slices.Contains(h.keys, f.Key) {
				continue
			}
			if f.Certainty == Unknown || f.Key == "cause" && f.Value.Word == "unknown" || f.Key == "affected.count" && f.Value.Number == nil {
				out[n] = max(out[n], SaidUnknown)
				continue
			}
			out[n] = Told
		}
	}
	return out
}

// ToldShare is how many incidents have a record under a heading.
type ToldShare struct {
	Heading Heading
	N       int
}

// Told counts the incidents that have a record under each heading: those of others in the index of facts, and own ones by
// what is shown of them.
func (v *View) Told(ctx context.Context) ([]ToldShare, error) {
	var out []ToldShare
	merged := ` AND m.ledger_index < ` + served
	if v.drafts {
		merged = ""
	}
	for _, h := range headings {
		args, binds := make([]any, len(h.keys)), make([]string, len(h.keys))
		for k, key := range h.keys {
			args[k], binds[k] = key, fmt.Sprintf("$%d", k+1)
		}
		n := 0
		if err := v.from().QueryRowContext(ctx, `SELECT count(DISTINCT f.incident) FROM incident_fact f JOIN incident_import o ON o.incident = f.incident
			WHERE f.fact_key IN (`+strings.Join(binds, ", ")+`) AND NOT f.retracted AND NOT EXISTS (
				SELECT 1 FROM incident_fact r WHERE r.incident = f.incident AND r.fact_key = f.fact_key AND r.item = f.item AND r.retracted
				AND (r.as_of > f.as_of OR r.as_of = f.as_of AND r.seq > f.seq))
			AND NOT EXISTS (SELECT 1 FROM incident_merge m WHERE m.incident = f.incident`+merged+`)`, args...).Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, ToldShare{h, n})
	}
	ids, err := readIDs(ctx, v.from(), `SELECT i.id FROM incident i WHERE NOT EXISTS (SELECT 1 FROM incident_import o WHERE o.incident = i.id) ORDER BY i.id`)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		i, err := v.Get(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue // never published
		}
		if err != nil {
			return nil, err
		}
		for n, mark := range i.Checklist() {
			if mark != NotRecorded {
				out[n].N++
			}
		}
	}
	return out, nil
}
