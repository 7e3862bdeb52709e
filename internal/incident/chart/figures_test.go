package chart

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
)

func spansOf(r *rand.Rand, n int) archive.Distribution {
	var d archive.Distribution
	most := int64(1)
	for range 1 + r.IntN(8) {
		most *= 10
	}
	for range n {
		s := archive.Span{Minutes: r.Int64N(most), Precision: incident.Minute}
		if r.IntN(2) == 0 {
			s = archive.Span{Minutes: r.Int64N(400) * 1440, Precision: incident.Day}
			d.ToTheDay++
		}
		d.Spans = append(d.Spans, s)
	}
	if n >= archive.Fewest {
		d.P10, d.Q1, d.Median, d.Q3, d.P90 = d.Spans[0], d.Spans[0], d.Spans[n/2], d.Spans[n-1], d.Spans[n-1]
	}
	return d
}

// TestStrips holds over random distributions that no text lies on another, in both languages, with up to six marked.
func TestStrips(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		lang := []language.Lang{language.JA, language.EN}[seed%2]
		all := make([]archive.Distribution, 4)
		for n := range all {
			all[n] = spansOf(r, []int{0, 1, 4, 5, 40, 900}[r.IntN(6)])
		}
		s := OfIntervals(lang, "x", all)
		for n := range s.Rows {
			for k := range r.IntN(7) {
				s.Rows[n].Marks = append(s.Rows[n].Marks, Marked{Name: "ABCDEF"[k : k+1], Span: s.Rows[n].Spans[r.IntN(len(s.Rows[n].Spans))], Rank: Rank(lang, archive.Placing{N: 212, Rank: 9, RankTo: 31})})
			}
		}
		c := s.Chart()
		sound(t, c)
		if len(c.Table.Rows) != len(s.Rows) {
			t.Errorf("%d rows of %d", len(c.Table.Rows), len(s.Rows))
		}
		for n, row := range c.Table.Rows {
			if row[1].Machine != fmt.Sprint(len(s.Rows[n].Spans)) || len(s.Rows[n].Spans) < archive.Fewest && row[5].Text != "" {
				t.Errorf("row %v", row)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestRank(t *testing.T) {
	for _, c := range []struct {
		lang language.Lang
		p    archive.Placing
		want string
	}{{language.JA, archive.Placing{N: 212, Rank: 9, RankTo: 9}, "短いほうから9番目（212件中）"}, {language.EN, archive.Placing{N: 212, Rank: 9, RankTo: 9}, "9th shortest of 212"},
		{language.EN, archive.Placing{N: 212, Rank: 1, RankTo: 1}, "the shortest of 212"}, {language.EN, archive.Placing{N: 1212, Rank: 111, RankTo: 123}, "between 111th and 123rd shortest of 1,212"},
		{language.EN, archive.Placing{N: 4, Rank: 1, RankTo: 1}, ""}} {
		if got := Rank(c.lang, c.p); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// yearsOf is a run of years with gaps, with sizes in two units.
func yearsOf(r *rand.Rand, n int) []archive.YearFigures {
	var out []archive.YearFigures
	year := 1990 + r.IntN(30)
	for range n {
		y := archive.YearFigures{Year: year, Unknown: r.IntN(50), Bounded: r.IntN(3), Sizes: map[string]archive.Size{}}
		size := archive.Size{N: 5 + r.IntN(400), Smallest: r.Int64N(10), Q1: 10 + r.Int64N(1000), Median: 1100, Q3: 5000 + r.Int64N(1e6), Large: 2e6 + r.Int64N(3e9)}
		y.Sizes["accounts"] = size
		y.N = y.Unknown + y.Bounded + size.N
		out = append(out, y)
		year += 1 + r.IntN(3)
	}
	return out
}

func TestYears(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 9))
		lang := []language.Lang{language.JA, language.EN}[seed%2]
		years := yearsOf(r, r.IntN(40))
		c, sizes := Years(lang, "x", years), Sizes(lang, "y", "accounts", years)
		sound(t, c)
		sound(t, sizes)
		if len(c.Table.Rows) != len(years) || len(sizes.Table.Rows) != len(years) {
			t.Fatalf("seed %d: %d and %d rows of %d years", seed, len(c.Table.Rows), len(sizes.Table.Rows), len(years))
		}
		for n, y := range years {
			if c.Table.Rows[n][1].Machine != fmt.Sprint(y.N) || c.Table.Rows[n][4].Machine != fmt.Sprint(y.Unknown) || sizes.Table.Rows[n][4].Machine != "1100" {
				t.Errorf("%v %v", c.Table.Rows[n], sizes.Table.Rows[n])
			}
		}
		if len(Sizes(lang, "y", "persons", years).Table.Rows) != 0 {
			t.Error("accounts were drawn as persons")
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestShares(t *testing.T) {
	for _, lang := range []language.Lang{language.JA, language.EN} {
		c := Shares(lang, "x", []string{"何が起きたか", "A heading <b>", strings.Repeat("長い見出し", 20)}, []int{2641, 3, 0}, 2641)
		sound(t, c)
		if c.Table.Rows[0][2].Text != "100" || c.Table.Rows[1][2].Text != "0.1" || c.Table.Rows[2][1].Machine != "0" {
			t.Errorf("%v", c.Table.Rows)
		}
	}
	if !Shares(language.EN, "x", []string{"a"}, []int{0}, 0).Empty() {
		t.Error("nothing was drawn")
	}
}
