package archive

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Facts of a case of one's own, by which others like it are found. Empty ones say nothing.
type Likeness struct {
	Cause, Sector, Country string
	Classes                []string
	Size                   string // one of Sizes
}

// Empty reports whether nothing is given to be alike in.
func (l Likeness) Empty() bool {
	return l.Cause == "" && l.Sector == "" && l.Country == "" && len(l.Classes) == 0 && l.Size == ""
}

// Like is an incident that is like the case, and in what.
type Like struct {
	Entry   Entry
	Reasons []language.Text
	score   float64
}

// Weights of likeness. A common cause tells most of how a response went; a common country least. A size next to the
// one asked for counts half.
const (
	weightCause   = 3.0
	weightClasses = 3.0
	weightSector  = 2.0
	weightSize    = 2.0
	weightCountry = 1.0
)

// MaxLike is how many are returned.
const MaxLike = 20

// Like returns the incidents most like the case, the likest first, and among equals those of which more is known and
// then the newer; and the intervals of all that share its cause and its sector, as far as they were given. It is
// an order of likeness for reading, not a measurement.
func (p *Peers) Like(ctx context.Context, l Likeness) ([]Like, Statistics, error) {
	now, err := p.current(ctx)
	if err != nil {
		return nil, Statistics{}, err
	}
	type scored struct {
		n     int
		score float64
		known int
	}
	var best []scored
	for n := range now.list {
		one := &now.list[n]
		score, _ := l.likeness(one)
		if score == 0 {
			continue
		}
		known := 0
		for _, s := range one.spans {
			if s.Precision != 0 {
				known++
			}
		}
		best = append(best, scored{n, score, known})
	}
	slices.SortFunc(best, func(a, b scored) int {
		x, y := &now.list[a.n], &now.list[b.n]
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.known, a.known), cmp.Compare(y.year, x.year), cmp.Compare(x.id, y.id))
	})
	best = best[:min(len(best), MaxLike)]
	ids := make([]string, len(best))
	for k, s := range best {
		ids[k] = now.list[s.n].id
	}
	entries, err := p.view.Entries(ctx, ids)
	if err != nil {
		return nil, Statistics{}, err
	}
	byID := map[string]Entry{}
	for _, e := range entries {
		byID[e.ID] = e
	}
	var out []Like
	for _, s := range best {
		one := &now.list[s.n]
		if e, ok := byID[one.id]; ok {
			_, reasons := l.likeness(one)
			out = append(out, Like{e, reasons, s.score})
		}
	}
	var f Filter
	if l.Cause != "" {
		f.Causes = []string{l.Cause}
	}
	if l.Sector != "" {
		f.Sectors = []string{l.Sector}
	}
	st, err := p.Statistics(ctx, f)
	return out, st, err
}

// likeness scores one incident, and says in what it is alike.
func (l Likeness) likeness(p *peer) (score float64, reasons []language.Text) {
	both := func(ja, en string, label func(language.Lang) string) language.Text {
		return language.Both(fmt.Sprintf(ja, label(language.JA)), fmt.Sprintf(en, label(language.EN)))
	}
	if l.Cause != "" && p.cause == l.Cause {
		score += weightCause
		reasons = append(reasons, both("同じ原因（%s）", "the same cause (%s)", func(x language.Lang) string { return incident.Word(x, l.Cause) }))
	}
	if l.Sector != "" && p.sector == l.Sector {
		score += weightSector
		reasons = append(reasons, both("同じ業種（%s）", "the same sector (%s)", func(x language.Lang) string { return incident.SectorLabel(x, l.Sector) }))
	}
	if len(l.Classes) > 0 {
		var common []string
		for _, c := range l.Classes {
			if slices.Contains(p.classes, c) {
				common = append(common, c)
			}
		}
		if n := len(common); n > 0 {
			score += weightClasses * float64(n) / float64(len(l.Classes)+len(p.classes)-n)
			reasons = append(reasons, both("共通する項目（%s）", "the same data (%s)", func(x language.Lang) string { return language.Join(x, incident.ClassLabels(x, common)) }))
		}
	}
	if l.Size != "" && l.Size != unknownWord && p.amount >= 0 {
		size := sizeOf(incident.Value{Number: &p.amount})
		switch d := slices.Index(Sizes, size) - slices.Index(Sizes, l.Size); d {
		case 0:
			score += weightSize
			reasons = append(reasons, both("同じ規模（%s）", "the same size (%s)", FacetLabel("size", size).In))
		case 1, -1:
			score += weightSize / 2
			reasons = append(reasons, both("近い規模（%s）", "a size near it (%s)", FacetLabel("size", size).In))
		}
	}
	if l.Country != "" && p.country == l.Country {
		score += weightCountry
		reasons = append(reasons, both("同じ国・地域（%s）", "the same country (%s)", func(x language.Lang) string { return incident.CountryLabel(x, l.Country) }))
	}
	return score, reasons
}
