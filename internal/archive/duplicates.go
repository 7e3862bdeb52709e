package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Candidate is one of two incidents that may be the same.
type Candidate struct {
	ID           string          `json:"id"`
	Dataset      string          `json:"dataset"` // "": the operator's own
	Organisation language.Text   `json:"organisation"`
	Key          string          `json:"key"` // the milestone whose date is near the other's
	Date         incident.Moment `json:"date"`
}

// Duplicate is a proposal: two incidents of one organisation, near each other in time, from different data sets.
type Duplicate struct {
	A    Candidate `json:"a"`
	B    Candidate `json:"b"`
	Days int       `json:"days"` // between the two dates, the fewest there can be
}

// milestones are the times by which incidents are compared with those of other data sets.
var milestones = []string{"window.start", "window.end", "discovered", "disclosed", "regulator-notified", "persons-notified"}

// known is what Duplicates compares of an incident.
type known struct {
	id, dataset string
	name        language.Text
	names       []string
	dates       []incident.Fact
}

// Duplicates proposes incidents for merging: those of different data sets whose organisations have the same name,
// written alike or not, and of which two dates are at most days apart. It changes nothing.
func (a *Archive) Duplicates(ctx context.Context, days int) ([]Duplicate, error) {
	list, err := a.known(ctx)
	if err != nil {
		return nil, fmt.Errorf("duplicates: %w", err)
	}
	byName := map[string][]int{}
	for i, k := range list {
		for _, name := range k.names {
			byName[name] = append(byName[name], i)
		}
	}
	seen := map[[2]int]bool{}
	var out []Duplicate
	for i, k := range list {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("duplicates: %w", err)
		}
		for _, name := range k.names {
			for _, j := range byName[name] {
				if j <= i || seen[[2]int{i, j}] || list[j].dataset == k.dataset {
					continue
				}
				seen[[2]int{i, j}] = true
				if d, ok := near(k, list[j], days); ok {
					out = append(out, d)
				}
			}
		}
	}
	return out, nil
}

// near compares the dates of two incidents: the same milestone first, then any two.
func near(a, b known, days int) (Duplicate, bool) {
	best, found := Duplicate{Days: days + 1}, false
	for _, x := range a.dates {
		for _, y := range b.dates {
			n := int(apart(x.Value.Time, y.Value.Time).Round(24*time.Hour) / (24 * time.Hour))
			if n < best.Days {
				found = true
				best = Duplicate{Candidate{a.id, a.dataset, a.name, x.Key, x.Value.Time}, Candidate{b.id, b.dataset, b.name, y.Key, y.Value.Time}, n}
			}
		}
	}
	return best, found
}

// apart is how long there was between two times, at least: what is known to the month or the year may have been on its
// last day.
func apart(a, b incident.Moment) time.Duration {
	if b.Time.Before(a.Time) {
		a, b = b, a
	}
	from := a.Time
	if a.Precision > incident.Day {
		from = a.End().AddDate(0, 0, -1)
	}
	return max(b.Time.Sub(from), 0)
}

// known reads names and dates of every incident that is not merged, in the order of ids.
func (a *Archive) known(ctx context.Context) ([]known, error) {
	list, err := a.incidents.Holding(ctx, append([]string{"organisation", "alias"}, milestones...))
	if err != nil {
		return nil, err
	}
	out := make([]known, 0, len(list))
	for _, inc := range list {
		k := known{id: inc.ID, dataset: inc.Dataset}
		for _, f := range inc.Facts {
			switch {
			case f.Key == "organisation" || f.Key == "alias":
				if f.Key == "organisation" {
					k.name = f.Value.Text
				}
				for _, name := range []string{f.Value.Text.JA, f.Value.Text.EN} {
					if n := NormalName(name); n != "" && !slices.Contains(k.names, n) {
						k.names = append(k.names, n)
					}
				}
			case slices.Contains(milestones, f.Key):
				k.dates = append(k.dates, f)
			}
		}
		out = append(out, k)
	}
	return out, nil
}

// corporate are words that say what kind of company it is, and not which.
var corporate = []string{"inc", "incorporated", "llc", "llp", "lp", "ltd", "limited", "corp", "corporation", "co", "company", "plc", "gmbh",
	"ag", "sa", "nv", "bv", "pte", "pty", "kk", "the", "group", "holdings"}

// corporateJA are the Japanese ones, which stand without a space.
var corporateJA = strings.NewReplacer("株式会社", "", "有限会社", "", "合同会社", "", "一般社団法人", "", "一般財団法人", "", "公益財団法人", "",
	"独立行政法人", "", "国立大学法人", "", "学校法人", "", "(株)", "", "(有)", "")

// NormalName reduces an organisation's name to what two spellings of it have in common: NFKC and lower case, without
// what is in brackets, without the kind of company, without spaces and punctuation. A name of nothing else keeps its
// words. It serves proposals only: two organisations may well come out the same.
func NormalName(name string) string {
	name = corporateJA.Replace(strings.ToLower(norm.NFKC.String(name)))
	if open := strings.IndexAny(name, "(["); open > 0 {
		name = name[:open]
	}
	name = strings.NewReplacer("'", "", "’", "", ".com", " com", "d/b/a", " ", ".", "").Replace(name)
	words := strings.FieldsFunc(name, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	rest := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(corporate, w) })
	if len(rest) == 0 {
		rest = words
	}
	return strings.Join(rest, "")
}
