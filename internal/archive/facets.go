package archive

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// facetsOf makes facets of counts by code.
func (a *held) facetsOf(q Query, counts [len(facetNames)][]int) []Facet {
	given := q.Values()
	var out []Facet
	for f, name := range facetNames {
		v := &a.facets[f]
		byWord := make([]int, len(v.words))
		for code, n := range counts[f] {
			for _, i := range v.having[code] {
				byWord[i] += n
			}
		}
		facet := Facet{Name: name}
		for i, w := range v.words {
			if chosen := slices.Contains(given[name], w); chosen || byWord[i] > 0 { // what was chosen is shown, found or not
				facet.Values = append(facet.Values, FacetValue{Word: w, Label: FacetLabel(name, w), Count: byWord[i], Chosen: chosen})
			}
		}
		for _, w := range slices.Compact(given[name]) {
			if !slices.Contains(v.words, w) {
				facet.Values = append(facet.Values, FacetValue{Word: w, Label: FacetLabel(name, w), Chosen: true})
			}
		}
		slices.SortFunc(facet.Values, func(x, y FacetValue) int { return compareValues(name, x, y) })
		out = append(out, facet)
	}
	return out
}

// compareValues puts a facet's values into the order in which they are shown: years from the newest, measures by
// size, the others by count; what is not known comes last.
func compareValues(facet string, x, y FacetValue) int {
	if (x.Word == unknownWord) != (y.Word == unknownWord) {
		if x.Word == unknownWord {
			return 1
		}
		return -1
	}
	switch facet {
	case "year", monthFacet:
		return strings.Compare(y.Word, x.Word)
	case "size":
		return slices.Index(Sizes, x.Word) - slices.Index(Sizes, y.Word)
	case "disclose":
		return slices.Index(DiscloseTimes, x.Word) - slices.Index(DiscloseTimes, y.Word)
	}
	if c := cmp.Compare(y.Count, x.Count); c != 0 {
		return c
	}
	return strings.Compare(x.Word, y.Word)
}

// FacetLabel returns what people call a value of a facet; of an unknown one, the word.
func FacetLabel(facet, word string) language.Text {
	if word == unknownWord && facet != "cause" {
		return language.Both("記録なし", "not recorded")
	}
	both := func(label func(language.Lang) string) language.Text {
		return language.Both(label(language.JA), label(language.EN))
	}
	switch facet {
	case "year":
		return language.Both(word+"年", word)
	case monthFacet:
		if t, err := time.Parse("2006-01", word); err == nil {
			return both(func(l language.Lang) string { return incident.Moment{Time: t, Precision: incident.Month}.In(l) })
		}
	case "sector":
		return both(func(l language.Lang) string { return incident.SectorLabel(l, word) })
	case "cause":
		return both(func(l language.Lang) string { return incident.Word(l, word) })
	case "class":
		return both(func(l language.Lang) string { return incident.ClassLabel(l, word) })
	case "country":
		return both(func(l language.Lang) string { return incident.CountryLabel(l, word) })
	case "dataset":
		if word == Own {
			return language.Both("この運営者が公表した事案", "The operator's own")
		}
	case "size", "disclose":
		for _, l := range measures {
			if l.word == facet+" "+word {
				return l.label
			}
		}
	}
	return language.Same(word)
}

var measures = []struct {
	word  string
	label language.Text
}{
	{"size 1-999", language.Both("1,000未満", "Fewer than 1,000")},
	{"size 1000-9999", language.Both("1,000～9,999", "1,000 to 9,999")},
	{"size 10000-99999", language.Both("1万～10万未満", "10,000 to 99,999")},
	{"size 100000-999999", language.Both("10万～100万未満", "100,000 to 999,999")},
	{"size 1000000-", language.Both("100万以上", "A million or more")},
	{"disclose 0-1", language.Both("1日以内", "Within a day")},
	{"disclose 2-3", language.Both("2～3日", "2 to 3 days")},
	{"disclose 4-7", language.Both("4～7日", "4 to 7 days")},
	{"disclose 8-30", language.Both("8～30日", "8 to 30 days")},
	{"disclose 31-90", language.Both("31～90日", "31 to 90 days")},
	{"disclose 91-365", language.Both("91日～1年", "91 days to a year")},
	{"disclose 366-", language.Both("1年を超える", "More than a year")},
}

// Vocabulary returns the words of the facets that have a fixed vocabulary, and of the keys of facts.
func Vocabulary() map[string][]incident.Term {
	out := map[string][]incident.Term{"class": incident.Terms("data-class")}
	for _, name := range []string{"sector", "cause", "key"} {
		out[name] = incident.Terms(name)
	}
	for name, words := range map[string][]string{"size": Sizes, "disclose": DiscloseTimes} {
		for _, w := range words {
			out[name] = append(out[name], incident.Term{Word: w, Label: FacetLabel(name, w)})
		}
	}
	return out
}
