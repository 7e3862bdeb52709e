package reach

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
)

// ProposedFact is a fact that follows from what campaigns have come to, for people to accept: nothing is recorded before they do.
type ProposedFact struct {
	Name  string // names it: "persons-notified", "action told", "action instead-1"
	Key   string
	Item  string
	On    string // a day
	Text  language.Text
	Was   string // how it stands, as incident.Incident.Version names it
	Known bool   // there is one now
}

// counts says how many were told by what.
func (s *Summary) counts() language.Text {
	var ja, en []string
	for _, c := range Channels {
		if b := s.Told[c]; b.All() > 0 {
			ja = append(ja, fmt.Sprintf("%s%s人", c.Words().JA, language.Digits(b.All())))
			en = append(en, fmt.Sprintf("%s by %s", language.Digits(b.All()), c.Words().EN))
		}
	}
	return language.Text{JA: strings.Join(ja, "、"), EN: strings.Join(en, ", ")}
}

// Facts gives what follows for the facts of an incident, as they are now.
func (s *Summary) Facts(in incident.Incident) []ProposedFact {
	var out []ProposedFact
	add := func(p ProposedFact) {
		p.Name = strings.TrimSpace(p.Key + " " + p.Item)
		p.Was = in.Version(p.Key, p.Item)
		if p.Item == "" {
			_, p.Known = in.Fact(p.Key)
		} else {
			p.Known = slices.ContainsFunc(in.Listed(p.Key), func(f incident.Fact) bool { return f.Item == p.Item })
		}
		out = append(out, p)
	}
	if first := s.First(); !first.IsZero() {
		day, n := first.In(incident.Japan).Format(time.DateOnly), s.counts()
		add(ProposedFact{Key: "persons-notified", On: day})
		add(ProposedFact{Key: "action", Item: "told", On: day, Text: language.Both("対象となる方へのお知らせ（"+n.JA+"）", "those affected were told ("+n.EN+")")})
	}
	for _, m := range s.Measures {
		w := m.Kind.Words()
		add(ProposedFact{Key: "action", Item: fmt.Sprintf("instead-%d", m.N), On: m.On, Text: language.Both(fmt.Sprintf("個別にお知らせできなかった%s人のための%s（%s）", language.Digits(m.People), w.JA, m.Reference),
			fmt.Sprintf("%s, for %s people who could not be told one by one (%s)", w.EN, language.Digits(m.People), m.Reference))})
	}
	return out
}

// Proposed gives the facts that follow from what campaigns have come to. Errors: those of Summarize.
func (r *Reach) Proposed(ctx context.Context, who actor.Actor, s *Summary) ([]ProposedFact, error) {
	if r.Known == nil {
		return nil, nil
	}
	in, err := r.Known(ctx, s.Incident)
	if err != nil {
		return nil, err
	}
	return s.Facts(in), nil
}

// AcceptedFact is a proposed fact that somebody accepts, and how the fact stood when they read it.
type AcceptedFact struct{ Name, Was string }

// Accept records facts that follow from what campaigns have come to now, all or none. Errors: ErrNotFound for what does not follow;
// incident.ErrChanged where somebody else has recorded one of them since.
func (r *Reach) Accept(ctx context.Context, who actor.Actor, of string, accepted []AcceptedFact) error {
	const what = "record what campaigns have come to"
	if err := who.May(actor.Write, of); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	s, err := r.Summarize(ctx, who, of)
	if err != nil {
		return err
	}
	all, err := r.Proposed(ctx, who, s)
	if err != nil {
		return err
	}
	var facts []map[string]any
	for _, a := range accepted {
		i := slices.IndexFunc(all, func(p ProposedFact) bool { return p.Name == a.Name })
		if i < 0 {
			return fmt.Errorf("%s: no fact %.80q follows: %w", what, a.Name, ErrNotFound)
		}
		facts = append(facts, all[i].fact(s))
	}
	if len(facts) == 0 {
		return hint.Add(fmt.Errorf("%s: %w: none is chosen", what, ErrInput), "choose the facts that are to be recorded")
	}
	src, err := json.Marshal(map[string]any{"id": of, "facts": facts}, json.Deterministic(true)) // JSON is YAML
	if err != nil {
		return err
	}
	file, err := incident.ParseFactsFile("facts", src)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	edits := make([]incident.Edit, len(file.Facts))
	for i, f := range file.Facts {
		edits[i] = incident.Edit{Fact: f, Was: accepted[i].Was}
	}
	if err := r.RecordFacts(ctx, who, of, edits...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// fact is one as a facts file has it.
func (p ProposedFact) fact(s *Summary) map[string]any {
	f := map[string]any{"key": p.Key, "certainty": string(incident.Confirmed), "source": "campaigns " + strings.Join(s.Campaigns, ", ")}
	if p.Item == "" {
		f["value"] = p.On
		return f
	}
	f["id"], f["status"], f["at"] = p.Item, "taken", p.On
	f["value"] = map[string]any{"ja": p.Text.JA, "en": p.Text.EN}
	return f
}
