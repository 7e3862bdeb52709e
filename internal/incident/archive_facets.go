package incident

import (
	"cmp"
	"slices"
	"strings"

	"shirase/internal/web"
)

// facetsOf makes facets of counts by code.
func (a *archive) facetsOf(q Query, counts [len(facetNames)][]int) []Facet {
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
	case "year":
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
func FacetLabel(facet, word string) Text {
	if word == unknownWord && facet != "cause" {
		return Text{"記録なし", "not recorded"}
	}
	both := func(label func(web.Lang) string) Text { return Text{label(web.JA), label(web.EN)} }
	switch facet {
	case "year":
		return Text{word + "年", word}
	case "sector":
		return both(func(l web.Lang) string { return SectorLabel(l, word) })
	case "cause":
		return both(func(l web.Lang) string { return Word(l, word) })
	case "class":
		return both(func(l web.Lang) string { return ClassLabel(l, word) })
	case "country":
		return both(func(l web.Lang) string { return CountryLabel(l, word) })
	case "dataset":
		if word == Own {
			return Text{"この運営者が公表した事案", "The operator's own"}
		}
	case "size", "disclose":
		for _, l := range measures {
			if l.word == facet+" "+word {
				return l.label
			}
		}
	}
	return Text{word, word}
}

var measures = []label{
	{"size 1-999", Text{"1,000未満", "Fewer than 1,000"}},
	{"size 1000-9999", Text{"1,000～9,999", "1,000 to 9,999"}},
	{"size 10000-99999", Text{"1万～10万未満", "10,000 to 99,999"}},
	{"size 100000-999999", Text{"10万～100万未満", "100,000 to 999,999"}},
	{"size 1000000-", Text{"100万以上", "A million or more"}},
	{"disclose 0-1", Text{"1日以内", "Within a day"}},
	{"disclose 2-3", Text{"2～3日", "2 to 3 days"}},
	{"disclose 4-7", Text{"4～7日", "4 to 7 days"}},
	{"disclose 8-30", Text{"8～30日", "8 to 30 days"}},
	{"disclose 31-90", Text{"31～90日", "31 to 90 days"}},
	{"disclose 91-365", Text{"91日～1年", "91 days to a year"}},
	{"disclose 366-", Text{"1年を超える", "More than a year"}},
}
