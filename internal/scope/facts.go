package scope

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/roster"
)

// A Proposal is a fact that follows from a roster, for people to accept: nothing is recorded before they do.
type Proposal struct {
	Name   string // names it in its run: "affected.count", "excluded foreign"
	Key    string
	Item   string // of a listed key
	Number int64
	Unit   string
	Word   string // of data-class
	Rule   string // whose rows an excluded fact counts
	JA, EN string // what an excluded fact says; to be written by who accepts it
	Now    *incident.Fact
	Was    string // how it stands, as incident.Incident.Version names it
	Same   bool   // it is recorded as it would be
}

// Proposals gives the facts that follow from a run that made a roster, with what is recorded now.
//
// A rule counts rows of the export, and so does the whole of it: they are records, and are never called accounts. Where the export has no
// column of accounts a row is one.
func (s *Scopes) Proposals(ctx context.Context, who actor.Actor, id string, seq int64) ([]Proposal, error) {
	r, err := s.Run(ctx, who, id, seq)
	if err != nil {
		return nil, err
	}
	if r.State != Done || r.Roster == "" {
		return nil, fmt.Errorf("scope of %s: run %d: %w", id, seq, ErrNotDone)
	}
	inc, err := s.Incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return proposed(inc, r), nil
}

func proposed(inc incident.Incident, r Run) []Proposal {
	rows := "records"
	if !r.Accounts {
		rows = "accounts"
	}
	single := func(key string, n int64, unit string) Proposal {
		p := Proposal{Name: key, Key: key, Number: n, Unit: unit}
		if f, ok := inc.Fact(key); ok {
			p.Now, p.Same = &f, sameCount(f, n, unit)
		}
		return p
	}
	out := []Proposal{single("affected.count", r.Counts.Affected, "accounts"), single("base.count", r.Counts.Total, rows)}
	excluded := inc.Listed("excluded")
	for _, e := range r.Counts.Excluded {
		item := incident.ItemID(e.Rule)
		p := Proposal{Name: "excluded " + item, Key: "excluded", Item: item, Number: e.Rows, Unit: rows, Rule: e.Rule, JA: e.Rule, EN: e.Rule}
		if i := slices.IndexFunc(excluded, func(f incident.Fact) bool { return f.Item == item }); i >= 0 {
			f := excluded[i]
			p.Now, p.Same, p.JA, p.EN = &f, sameCount(f, e.Rows, rows), f.Value.Text.JA, f.Value.Text.EN
		}
		out = append(out, p)
	}
	told := inc.Classes()
	var classes []string
	for _, set := range r.Sets {
		classes = append(classes, set...)
	}
	slices.Sort(classes)
	for _, c := range slices.Compact(classes) {
		if !slices.Contains(told, c) {
			out = append(out, Proposal{Name: "data-class " + c, Key: "data-class", Word: c})
		}
	}
	for i, p := range out {
		out[i].Was = inc.Version(p.Key, cmp.Or(p.Item, p.Word))
	}
	return out
}

func sameCount(f incident.Fact, n int64, unit string) bool {
	return f.Value.Number != nil && *f.Value.Number == n && f.Value.Unit == unit && (f.Value.Qualifier == "" || f.Value.Qualifier == "exact") && f.Certainty == incident.Confirmed
}

// Accepted is a proposal that somebody accepts, with what an excluded fact is to say, and how the fact stood when they read it.
type Accepted struct{ Name, JA, EN, Was string }

// Accept records facts that a run proposes, as of now, and all or none. Errors: ErrNotFound for what it does not propose;
// incident.ErrChanged where somebody else has recorded one of them since it was read; those of facts.
func (s *Scopes) Accept(ctx context.Context, who actor.Actor, id string, seq int64, accepted []Accepted) error {
	if err := may(who, actor.Write, id); err != nil {
		return err
	}
	all, err := s.Proposals(ctx, who, id, seq)
	if err != nil {
		return err
	}
	file := map[string]any{"id": id}
	var facts []map[string]any
	for _, a := range accepted {
		i := slices.IndexFunc(all, func(p Proposal) bool { return p.Name == a.Name })
		if i < 0 {
			return fmt.Errorf("scope of %s: run %d proposes no %.80q: %w", id, seq, a.Name, ErrNotFound)
		}
		facts = append(facts, all[i].fact(a, seq))
	}
	if len(facts) == 0 {
		return hint.Add(fmt.Errorf("scope of %s: %w: none is chosen", id, incident.ErrFacts), "choose the facts that are to be recorded")
	}
	file["facts"] = facts
	src, err := json.Marshal(file, json.Deterministic(true)) // JSON is YAML
	if err != nil {
		return err
	}
	parsed, err := incident.ParseFactsFile("facts", src)
	if err != nil {
		return err
	}
	edits := make([]incident.Edit, len(parsed.Facts))
	for i, f := range parsed.Facts {
		edits[i] = incident.Edit{Fact: f, Was: accepted[i].Was}
	}
	_, err = s.Incidents.Change(ctx, who, id, edits...)
	return err
}

// fact is one as a facts file has it.
func (p Proposal) fact(a Accepted, seq int64) map[string]any {
	f := map[string]any{"key": p.Key, "certainty": string(incident.Confirmed), "source": fmt.Sprintf("scope, run %d", seq)}
	switch p.Key {
	case "excluded":
		f["id"], f["count"], f["unit"] = p.Item, p.Number, p.Unit
		f["value"] = map[string]any{"ja": strings.TrimSpace(a.JA), "en": strings.TrimSpace(a.EN)}
	case "data-class":
		f["value"], f["certainty"] = p.Word, string(incident.Possible)
	default:
		f["value"], f["unit"], f["qualifier"] = p.Number, p.Unit, "exact"
	}
	return f
}

// Outlook says beside a dry run what the run before it had.
func Outlook(runs []Run, r Run) (before *Run) {
	for i := range runs {
		if b := &runs[i]; b.Seq < r.Seq && b.State == Done && (before == nil || b.Seq > before.Seq) {
			before = b
		}
	}
	return before
}

// Rows gives how many rows a rule of the name took out in a run; -1 where it has no such rule.
func (r Run) Rows(rule string) int64 {
	i := slices.IndexFunc(r.Counts.Excluded, func(c roster.RuleCount) bool { return c.Rule == rule })
	if i < 0 {
		return -1
	}
	return r.Counts.Excluded[i].Rows
}
