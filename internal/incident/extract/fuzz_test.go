package extract

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// FuzzText holds of any bytes what reading a text rests on, some thousands of times as often as FuzzNotice can: that what it is made
// into keeps its place in the text that was given, on whole characters, and that lines and sentences lie in it.
func FuzzText(f *testing.F) {
	for _, s := range []string{"当社のお詫び。\n個人情報が\n流出しました。", "<p>We are sorry.<br>1,234 accounts&nbsp;were exposed.</p>", "㈱お詫び\u202e\u200b\u0301 １２３件 ﾃﾞｰﾀ\r\n\t",
		"<script>x</script><!-- a --><td>1</td><td>2</td>&amp;&#x3042;&#99999999;", "A line that\nis wrapped\nin a mail.\n\nAnother."} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, given []byte) {
		if len(given) > 4096 || !utf8.Valid(given) {
			return
		}
		x := newText(string(given))
		if looksHTML(x.s) {
			x = flatten(x)
		}
		x = normalise(x)
		ja := writtenIn(x.s) == language.JA
		x = unwrap(x, ja)
		if !utf8.ValidString(x.s) {
			t.Fatalf("%q is made into %q", given, x.s)
		}
		lines := splitLines(x.s)
		for _, s := range splitSentences(x.s, lines, ja) {
			if s.from < 0 || s.from > s.to || s.to > len(x.s) {
				t.Fatalf("a sentence from %d to %d of %d", s.from, s.to, len(x.s))
			}
			if s.from == s.to {
				continue
			}
			if from, to := x.span(s.from, s.to); from < 0 || from > to || to > len(given) || !utf8.Valid(given[from:to]) {
				t.Fatalf("a sentence is from %d to %d of %d bytes given", from, to, len(given))
			}
		}
	})
}

// FuzzSieve holds of any rule and text: what the rule matches, its sieve lets through.
func FuzzSieve(f *testing.F) {
	type sifted struct {
		name string
		re   *regexp.Regexp
		sift *sieve
	}
	var all []sifted
	for _, dir := range slices.Sorted(maps.Keys(ruleSets)) {
		set := ruleSets[dir]()
		for _, name := range slices.Sorted(maps.Keys(set.rules)) {
			if strings.Contains(name, ".") {
				continue // a part
			}
			pattern := set.pattern(name)
			for _, a := range set.rules[name].alternatives {
				f.Add(uint16(len(all)), a.example)
			}
			all = append(all, sifted{dir + " " + name, regexp.MustCompile(pattern), newSieve(pattern)})
		}
	}
	f.Fuzz(func(t *testing.T, n uint16, text string) {
		r := all[int(n)%len(all)]
		if len(text) <= 4*maxFuzzed && !r.sift.lets(text) && r.re.MatchString(text) {
			t.Fatalf("%s matches %q, and its sieve does not let that through", r.name, text)
		}
	})
}

// maxFuzzed bounds the texts that are fuzzed, in bytes.
const maxFuzzed = 256

// FuzzNotice holds of any bytes: no panic; the same text proposes the same; every span lies in the text, on whole
// characters; and what is proposed can be recorded.
func FuzzNotice(f *testing.F) {
	files, err := filepath.Glob("testdata/corpus/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if i%8 == 0 && len(text) <= maxFuzzed { // enough to begin from; all of them would be run again and again
			f.Add(text)
		}
	}
	f.Add([]byte("当社のお詫び。個人情報[[[[[[[[[[[[[[[[[[[[[[[[{{{{{1件が流出しました。2月30日 <!--<script>"))
	f.Add([]byte("㈱お詫び\u202e個人情報\u200bが流出した\u0301\u0301可能性 \"\\ 2024年6月6日追記: #: {a}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxFuzzed {
			t.Skip("every rule looks at every sentence: long texts are few")
		}
		res, err := Notice(text)
		if err != nil {
			return
		}
		again, err := Notice(text)
		if err != nil || !reflect.DeepEqual(res.Entries(), again.Entries()) || res.ID != again.ID {
			t.Fatal("the same text proposes something else")
		}
		if !incident.ValidID(res.ID) && len(res.Proposals) > 0 {
			t.Fatalf("id %q", res.ID)
		}
		for _, p := range res.Proposals {
			if p.From < 0 || p.From >= p.To || p.To > len(text) || !utf8.Valid(text[p.From:p.To]) {
				t.Fatalf("%s: span %d to %d of %d", p.Fact.Key, p.From, p.To, len(text))
			}
		}
		if len(res.Proposals) == 0 {
			return
		}
		file, err := incident.ParseFactsFile("proposed", FactsFile(res.ID, res.Zone, res.Entries()))
		if err != nil {
			t.Fatalf("%v\n%s", err, FactsFile(res.ID, res.Zone, res.Entries()))
		}
		for i, fact := range file.Facts {
			if want := res.Proposals[i].Fact; fact.Key != want.Key || fact.AsOf.String() != want.AsOf.String() || fact.Value.Time.String() != want.Value.Time.String() || !reflect.DeepEqual(fact.Value.Number, want.Value.Number) {
				t.Fatalf("fact %d comes back as %+v, was %+v", i, fact, want)
			}
		}
	})
}
