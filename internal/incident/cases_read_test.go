package incident

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// citedOnly are the sources of cases that are named and were not read again when the archive was gone through: what they say is
// nowhere else to be had. Each new one would have to be entered here by somebody who says why.
var citedOnly = []string{"amagasaki-2022/kobe", "benesse-2014/release", "jtb-2016/itpro2"}

// spare are the keys of a case that may go without a source: what the organisation is, which is no event, and the title, which is ours.
var spare = []string{"organisation", "alias", "title", "sector", "country", "source"}

func allCases(t *testing.T) map[string][]Fact {
	t.Helper()
	next, err := Cases()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]Fact{}
	for {
		rec, err := next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out[rec.ID] = rec.Facts
	}
}

// TestCasesSayWhatWasRead holds that every fact of every case that is shipped names a source, and that every source names what was
// read, by its hash, when, and a few words of it; that no words stand there for nothing, and none is a copy.
func TestCasesSayWhatWasRead(t *testing.T) {
	hashes := map[string]string{}
	for id, facts := range allCases(t) {
		used := map[string]bool{}
		sources := map[string]Value{}
		for _, f := range facts {
			if f.Key == "source" {
				sources[f.Item] = f.Value
			} else if f.Source != "" {
				used[f.Source] = true
			}
		}
		for _, f := range facts {
			if _, there := sources[f.Source]; !there && !slices.Contains(spare, f.Key) {
				t.Errorf("%s: %s %s is from %q, which is no source of the case", id, f.Key, f.Item, f.Source)
			}
		}
		for item, v := range sources {
			at := id + "/" + item
			if !used[item] {
				t.Errorf("%s says nothing", at)
			}
			if slices.Contains(citedOnly, at) {
				continue
			}
			if v.SHA256 == "" || v.Fetched.IsZero() || v.Quote == "" {
				t.Errorf("%s: hash %q, read %v, words %q", at, v.SHA256, v.Fetched, v.Quote)
			}
			if n := utf8.RuneCountInString(v.Quote); n > maxQuote {
				t.Errorf("%s quotes %d characters", at, n)
			}
			if other := hashes[v.SHA256]; other != "" {
				t.Errorf("%s and %s were read in the same text, word for word", at, other)
			}
			hashes[v.SHA256] = at
		}
	}
}

// TestCasesCountsAreRead holds that the number of those affected stands in the words that are quoted of its source, or is the sum of
// numbers that stand there: a figure that nobody can find again is not recorded.
func TestCasesCountsAreRead(t *testing.T) {
	for id, facts := range allCases(t) {
		quotes := map[string]string{}
		for _, f := range facts {
			if f.Key == "source" {
				quotes[f.Item] = digits(f.Value.Quote)
			}
		}
		for _, f := range facts {
			if !slices.Contains([]string{"affected.count", "affected.part"}, f.Key) || slices.Contains(citedOnly, id+"/"+f.Source) || slices.Contains(summed, id) {
				continue
			}
			if !slices.ContainsFunc(forms(*f.Value.Number), func(s string) bool { return strings.Contains(quotes[f.Source], s) }) {
				t.Errorf("%s: %d is not in the words of %s: %s", id, *f.Value.Number, f.Source, quotes[f.Source])
			}
		}
	}
}

// summed are the cases whose text gives parts that add up: 19 pupils and 18 guardians.
var summed = []string{"chuden-katene-2019", "e-nagasaki-2024", "gifu-kamo-2024", "jr-west-2005", "lycorp-2023", "mhlw-morinaga-2013", "miyazaki-univ-2024",
	"nara-npo-2022", "retio-2024", "tokio-marine-2024", "tokyo-iseto-2024", "urasoe-2025"}

// forms are the ways in which a text may write n.
func forms(n int64) []string {
	out := []string{fmt.Sprint(n)}
	if man, rest := n/10_000, n%10_000; man > 0 {
		switch {
		case rest == 0:
			out = append(out, fmt.Sprintf("%d万", man))
		case rest%1000 == 0:
			out = append(out, fmt.Sprintf("%d万%d千", man, rest/1000))
		}
		out = append(out, fmt.Sprintf("%d万%d", man, rest))
	}
	if n%1000 == 0 {
		out = append(out, fmt.Sprintf("%d千", n/1000))
	}
	if n%1_000_000 == 0 {
		out = append(out, fmt.Sprintf("%dmillion", n/1_000_000))
	}
	return out
}

// digits writes text with plain digits, and without what separates them.
func digits(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= '０' && c <= '９':
			return c - '０' + '0'
		case c == ',' || c == '，' || unicode.IsSpace(c):
			return -1
		}
		return c
	}, text)
}

// TestCasesNameTheirOwn holds that no name of a case is another organisation's: the archive joins two incidents that have a name in
// common, and a contractor's name belongs in the title.
func TestCasesNameTheirOwn(t *testing.T) {
	whose := map[string]string{}
	for id, facts := range allCases(t) {
		organisation := ""
		for _, f := range facts {
			if f.Key == "organisation" {
				organisation = f.Value.Text.JA
			}
		}
		for _, f := range facts {
			if f.Key != "organisation" && f.Key != "alias" {
				continue
			}
			for _, name := range []string{f.Value.Text.JA, f.Value.Text.EN} {
				if other := whose[name]; other != "" && other != organisation {
					t.Errorf("%s: %s is a name of %s and of %s", id, name, organisation, other)
				}
				whose[name] = organisation
			}
		}
	}
}
