// Package demo generates the accounts that the demonstration publishes: made
// up, the same each time, and shaped like the model case of 2013. At scale 1
// there are 2,700,000 of them, and exactly 1,692,496 are in scope.
package demo

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

const (
	fullTotal    = 2_700_000
	fullAffected = 1_692_496
	fullForeign  = 612_504 // the rest signs in through OpenID
)

//go:embed rules.yaml
var rules []byte

//go:embed example-city.yaml
var city []byte

// Rules returns the rules file that fits the generated export.
func Rules() []byte { return rules }

// City returns the facts file of a made-up incident whose scope is still under
// investigation, so that the demonstration has all three answers.
func City() []byte { return city }

// Figures are how many accounts there are at a scale, and how many in scope.
func Figures(scale float64) (total, affected int64, err error) {
	if !(scale > 0) || scale > 100 {
		return 0, 0, fmt.Errorf("a scale of %v: it is above 0 and at most 100", scale)
	}
	at := func(n int64) int64 { return max(1, int64(float64(n)*scale+0.5)) }
	affected, foreign := at(fullAffected), at(fullForeign)
	return max(at(fullTotal), affected+foreign+1), affected, nil
}

// Sample is an address that is in scope, and one that is in the export and not in scope.
type Sample struct {
	Affected    string
	NotAffected string
}

// Write writes the export at a scale as CSV. progress is told of accounts
// written, and may be nil. The same scale gives the same bytes.
func Write(ctx context.Context, w io.Writer, scale float64, progress func(done, total int64)) (Sample, error) {
	total, affected, err := Figures(scale)
	if err != nil {
		return Sample{}, err
	}
	left := [3]int64{affected, max(1, int64(float64(fullForeign)*scale+0.5)), 0}
	left[2] = total - left[0] - left[1]
	r := rand.New(rand.NewPCG(2013, 719))
	bw := bufio.NewWriterSize(w, 1<<18)
	bw.WriteString("member_id,mail,nickname,country,auth,lang,registered\n")
	var sample Sample
	line := make([]byte, 0, 256)
	for i := range total {
		kind := draw(r, &left, total-i)
		a := account(r, i, kind)
		switch {
		case kind == inScope && sample.Affected == "":
			sample.Affected = a.mail
		case kind != inScope && a.mail != "" && sample.NotAffected == "":
			sample.NotAffected = a.mail
		}
		line = a.append(line[:0])
		if _, err := bw.Write(line); err != nil {
			return Sample{}, fmt.Errorf("write accounts: %w", err)
		}
		if i&0x3fff == 0 {
			if err := ctx.Err(); err != nil {
				return Sample{}, fmt.Errorf("write accounts: %w", err)
			}
			if progress != nil {
				progress(i, total)
			}
		}
	}
	if err := bw.Flush(); err != nil {
		return Sample{}, fmt.Errorf("write accounts: %w", err)
	}
	if progress != nil {
		progress(total, total)
	}
	return sample, nil
}

const (
	inScope = iota
	foreign
	openID
)

// draw takes a kind at random from what is left of each, so that the totals
// come out exactly.
func draw(r *rand.Rand, left *[3]int64, n int64) int {
	at := r.Int64N(n)
	for kind := range left {
		if at < left[kind] {
			left[kind]--
			return kind
		}
		at -= left[kind]
	}
	panic("demo: more accounts than were planned")
}

type row struct {
	id, mail, nickname, country, auth, lang, registered string
}

var (
	syllables = []string{"a", "ka", "ki", "ko", "sa", "shi", "su", "ta", "chi", "to", "na", "ni", "no", "ha", "hi", "fu", "ma", "mi", "mo", "ya", "yu", "yo", "ra", "ri", "ru", "wa"}
	kana      = []string{"あ", "か", "き", "こ", "さ", "し", "す", "た", "ち", "と", "な", "に", "の", "は", "ひ", "ふ", "ま", "み", "も", "や", "ゆ", "よ", "ら", "り", "る", "わ"}
	home      = []string{"mail.example.jp", "example.jp", "keitai.example.jp", "example.com", "mail.example.net"}
	abroad    = []string{"example.com", "mail.example.org", "example.net"}
	countries = []string{"KR", "TW", "TH", "US"}
	langs     = map[string]string{"KR": "ko", "TW": "zh", "TH": "th", "US": "en"}
	providers = []string{"twitter", "facebook", "livedoor"}
)

// account makes account number i. The number is part of the address, so no two
// are alike.
func account(r *rand.Rand, i int64, kind int) row {
	name, nick := "", ""
	for range 2 + r.IntN(3) {
		s := r.IntN(len(syllables))
		name, nick = name+syllables[s], nick+kana[s]
	}
	if r.IntN(10) == 0 {
		nick = "" // some never chose one
	}
	number := strconv.FormatInt(i, 36)
	a := row{id: fmt.Sprintf("n%08d", i), nickname: nick, country: "JP", auth: "password", lang: "ja",
		registered: strconv.Itoa(2007+r.IntN(7)) + "-" + fmt.Sprintf("%02d", 1+r.IntN(12))}
	switch host := home[r.IntN(len(home))]; {
	case kind == foreign:
		a.country = countries[r.IntN(len(countries))]
		a.lang = langs[a.country]
		a.mail = name + "." + number + "@" + abroad[r.IntN(len(abroad))]
	case kind == openID:
		a.auth = providers[r.IntN(len(providers))]
		if r.IntN(4) != 0 { // a provider need not give an address
			a.mail = name + "-" + number + "@" + host
		}
	case host == "keitai.example.jp" && r.IntN(20) == 0:
		a.mail = name + ".." + number + ".@" + host // as carriers allowed until 2009
	default:
		a.mail = name + "." + number + "@" + host
	}
	return a
}

func (a row) append(b []byte) []byte {
	for i, f := range []string{a.id, a.mail, a.nickname, a.country, a.auth, a.lang, a.registered} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, f...) // none of them needs quotes
	}
	return append(b, '\n')
}
