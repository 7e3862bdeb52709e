package archive

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"shirase/internal/incident"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		n, percent, want int
	}{{1, 50, 1}, {5, 25, 2}, {5, 50, 3}, {5, 75, 4}, {4, 50, 2}, {100, 90, 90}, {101, 90, 91}} {
		list := make([]int, c.n)
		for k := range list {
			list[k] = k + 1
		}
		if got := quantile(list, c.percent); got != c.want {
			t.Errorf("%d%% of %d: %d, want %d", c.percent, c.n, got, c.want)
		}
	}
}

// TestPlacing holds that a rank claims no more than days tell.
func TestPlacing(t *testing.T) {
	minutes := func(n int64) Span { return Span{n, incident.Minute} }
	days := func(n int64) Span { return Span{n * 1440, incident.Day} }
	for name, c := range map[string]struct {
		own      Span
		others   []Span
		rank, to int
		claimed  bool
	}{
		"minutes only":            {minutes(48), []Span{minutes(10), minutes(47), minutes(49), minutes(500)}, 3, 3, true},
		"ties share a rank":       {minutes(48), []Span{minutes(48), minutes(48), minutes(49), minutes(500)}, 1, 1, true},
		"the same day may be any": {minutes(48), []Span{minutes(10), days(0), days(0), days(5)}, 2, 4, true},
		"a day later may be soon": {minutes(48), []Span{days(1), days(2), days(3), days(4)}, 1, 2, true},
		"days among days":         {days(2), []Span{days(1), days(2), days(3), days(4)}, 2, 2, true},
		"days among minutes":      {days(2), []Span{minutes(60), minutes(1440), minutes(3000), minutes(9000)}, 3, 4, true},
		"too few":                 {minutes(48), []Span{minutes(10), minutes(60)}, 2, 2, false},
	} {
		p := placing(Containing, c.own, distribution(append(slices.Clone(c.others), c.own)))
		if p.Rank != c.rank || p.RankTo != c.to || p.Claimed() != c.claimed || p.N != len(c.others)+1 {
			t.Errorf("%s: rank %d to %d of %d, claimed %v", name, p.Rank, p.RankTo, p.N, p.Claimed())
		}
		if !c.claimed && (p.Median != Span{}) {
			t.Errorf("%s: a median of too few: %v", name, p.Median)
		}
	}
}

// TestPlacingBounds holds over random moments that the rank a reader is given holds the true one.
func TestPlacingBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 7))
	base := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	for range 300 {
		var given []Span
		var real []int64
		for range 12 {
			from := base.Add(time.Duration(r.IntN(10*1440)) * time.Minute)
			d := int64(r.IntN(6 * 1440))
			to := from.Add(time.Duration(d) * time.Minute)
			s := Span{d, incident.Minute}
			if r.IntN(2) == 0 {
				s = Span{(civil(to) - civil(from)) * 1440, incident.Day}
			}
			given, real = append(given, s), append(real, d)
		}
		for k := range given {
			before := 0
			for j := range given {
				if given[j].Precision == given[k].Precision { // compared as given
					if given[j].Minutes < given[k].Minutes {
						before++
					}
				} else if real[j] < real[k] {
					before++
				}
			}
			p := placing(Detecting, given[k], distribution(slices.Clone(given)))
			if before+1 < p.Rank || before+1 > p.RankTo {
				t.Fatalf("%v of %v: said %d to %d, is %d", given[k], given, p.Rank, p.RankTo, before+1)
			}
		}
	}
}

func peersOf(t *testing.T, db *store.DB, files ...string) (*house, *Peers) {
	t.Helper()
	s := room(t, db)
	fill(t, s, files...)
	return s, NewPeers(s.Public())
}

func shopFacts(n int, cause, sector string, days int, more string) string {
	return fmt.Sprintf("id: shop-%d\nasOf: \"2024-06-01\"\nfacts:\n  - {key: title, value: Shop %d}\n  - {key: cause, value: %s}\n  - {key: sector, value: %s}\n"+
		"  - {key: discovered, value: \"2024-05-01\"}\n  - {key: disclosed, value: \"%s\"}\n  - {key: data-class, value: email}\n%s", n, n, cause, sector,
		time.Date(2024, 5, 1+days, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), more)
}

func TestStatistics(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var files []string
		for n := range 6 {
			files = append(files, shopFacts(n, "intrusion", "retail", n*2, fmt.Sprintf("  - {key: affected.count, value: %d, unit: persons}\n", 1000*(n+1))))
		}
		files = append(files, shopFacts(6, "lost-media", "retail", 90, "  - {key: affected.count, value: 500, unit: accounts}\n"),
			shopFacts(7, "lost-media", "health", 1, "  - {key: affected.count, value: 7, unit: persons, qualifier: cumulative}\n"), shopFacts(8, "lost-media", "health", 1, ""))
		s, p := peersOf(t, db, files...)
		st, err := p.Statistics(t.Context(), Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if st.N != 10 || len(st.Years) != 2 || st.Years[1].N != 9 || st.Years[1].Unknown != 1 || st.Years[1].Bounded != 1 {
			t.Fatalf("%+v", st.Years)
		}
		if persons := st.Years[1].Sizes["persons"]; persons.N != 6 || persons.Median != 3000 || persons.Large != 6000 {
			t.Errorf("persons %+v", persons)
		}
		if accounts := st.Years[1].Sizes["accounts"]; accounts.N != 1 || accounts.Median != 0 {
			t.Errorf("accounts %+v", accounts)
		}
		if d := st.Intervals[Disclosing]; len(d.Spans) != 10 || d.Median != (Span{2 * 1440, incident.Day}) {
			t.Errorf("disclosing %+v", d)
		}
		if d := st.Intervals[NotifyingRegulator]; len(d.Spans) != 0 {
			t.Errorf("nobody notified a regulator: %+v", d)
		}
		only, err := p.Statistics(t.Context(), Filter{Causes: []string{"lost-media"}, Sectors: []string{"health"}})
		if err != nil || only.N != 2 || only.Intervals[Disclosing].Median != (Span{}) {
			t.Errorf("filtered %+v %v", only.N, err)
		}

		placings, err := p.Placings(t.Context(), "naver-2013")
		if err != nil || len(placings) != 3 || placings[1].Interval != Containing || placings[1].N != 1 || placings[1].Claimed() || placings[2].N != 10 || !placings[2].Claimed() {
			t.Errorf("%+v %v", placings, err)
		}
		// What is recorded later counts at the next question.
		inc, err := s.Create(t.Context(), by, parse(t, shopFacts(9, "intrusion", "retail", 3, "")))
		if err != nil {
			t.Fatal(err)
		}
		if st, err = p.Statistics(t.Context(), Filter{}); err != nil || st.N != 10 {
			t.Errorf("a draft is counted: %d %v", st.N, err)
		}
		release(t, s, inc.ID)
		if st, err = p.Statistics(t.Context(), Filter{}); err != nil || st.N != 11 || st.Intervals[Disclosing].Median != (Span{3 * 1440, incident.Day}) {
			t.Errorf("after one more: %d %+v %v", st.N, st.Intervals[Disclosing].Median, err)
		}

		shares, of, err := p.Told(t.Context())
		if err != nil || of != 11 || shares[4].Heading.Word != "count" || shares[4].N != 9 {
			t.Errorf("%+v of %d, %v", shares, of, err)
		}
	})
}

func TestLike(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		_, p := peersOf(t, db, shopFacts(1, "intrusion", "retail", 1, ""), shopFacts(2, "intrusion", "health", 2, "  - {key: country, value: JP}\n"), shopFacts(3, "lost-media", "health", 3, ""))
		list, st, err := p.Like(t.Context(), Likeness{Cause: "intrusion", Sector: "health", Country: "JP", Classes: []string{"email", "name"}, Size: "1-999"})
		if err != nil || len(list) != 4 || list[0].Entry.ID != "shop-2" || list[1].Entry.ID != "naver-2013" || list[2].Entry.ID != "shop-1" || st.N != 1 {
			t.Fatalf("%+v %d %v", list, st.N, err)
		}
		var reasons []string
		for _, r := range list[0].Reasons {
			reasons = append(reasons, r.EN)
		}
		if want := []string{"the same cause (unauthorised access from outside)", "the same sector (health and care)", "the same data (e-mail address)", "the same country (Japan)"}; !slices.Equal(reasons, want) {
			t.Errorf("%q", reasons)
		}
		if list, _, err := p.Like(t.Context(), Likeness{Cause: "phishing"}); err != nil || len(list) != 0 {
			t.Errorf("like nothing: %v %v", list, err)
		}
	})
}

// BenchmarkStatistics is the pass over 100,000 incidents behind /learn.
func BenchmarkStatistics(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	causes, sectors := words("cause"), words("sector")
	now := &peers{at: map[string]int{}}
	for n := range 100_000 {
		one := peer{num: int64(n), id: fmt.Sprint(n), year: 2005 + n%20, dated: true, cause: causes[n%len(causes)], sector: sectors[n%len(sectors)], amount: r.Int64N(1_000_000), unit: "persons"}
		for v := range one.spans {
			one.spans[v] = Span{r.Int64N(1_000_000), incident.Minute}
		}
		now.list = append(now.list, one)
	}
	for b.Loop() {
		now.statistics(Filter{})
	}
}
