package identity

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"sync"
)

//go:generate go run gen.go -ucd /usr/share/unicode

// unicodeJSON holds the Unicode data that ParseEmail needs, of Unicode 15.0.0:
// UTS 46 and RFC 5893 in every implementation from the one file. Its members are
//
//	status   what becomes of a code point in a domain (UTS 46 section 4, step 1,
//	         non-transitional, with the STD3 rules):
//	           U not assigned            V valid, kept
//	           I ignored, removed        D disallowed
//	           M replaced by the code point at the given distance
//	           P pairs: the first of two is replaced by the second, which is kept
//	           S replaced by the string in mapped
//	mapped   code point → string
//	mark     Y: general category M (Mn, Mc, Me), N: not
//	bidi     L; R (R and AL); A (AN); E (EN); N (NSM);
//	         O (ES, CS, ET, ON, BN); X: any other
//	joining  the joining type: L, R, D, T, C or U
//	virama   Y: canonical combining class 9, N: not
//
// All but mapped are texts: runs that cover U+0000 to U+10FFFF one after the
// other, each an upper-case letter, the number of code points in base 36 (0-9a-z;
// left out: 1), and after M the distance: + or -, and a number in base 36. What
// does not matter continues the run before it: bidi, joining and virama are
// meaningful where the status is V (a P's second is a V), mark wherever it is not U.
//
//go:embed unicode.json
var unicodeJSON []byte

// unicodeVersion is the version whose assigned code points are accepted.
const unicodeVersion = "15.0.0"

// A unicodeTable is unicodeJSON, ready for use.
type unicodeTable struct {
	status, mark, bidi, joining, virama runs
	mapped                              map[rune]string
}

// table is read from the constant text when a text that is not ASCII is met for
// the first time.
var table = sync.OnceValue(func() *unicodeTable {
	t, err := readTable(unicodeJSON)
	if err != nil {
		panic("identity: unicode.json: " + err.Error())
	}
	return t
})

// runs is a partition of the code points, in order.
type runs []run

type run struct {
	start rune
	class byte
	delta rune
}

// at returns the run that c lies in.
func (r runs) at(c rune) run {
	return r[sort.Search(len(r), func(i int) bool { return r[i].start > c })-1]
}

func (r runs) class(c rune) byte { return r.at(c).class }

// lookup returns the class of c with P resolved to M or V, and what c becomes if
// it is M or S.
func (t *unicodeTable) lookup(c rune) (class byte, to string) {
	switch r := t.status.at(c); r.class {
	case 'P':
		if (c-r.start)%2 == 1 {
			return 'V', ""
		}
		return 'M', string(c + 1)
	case 'M':
		return 'M', string(c + r.delta)
	case 'S':
		return 'S', t.mapped[c]
	default:
		return r.class, ""
	}
}

func (t *unicodeTable) valid(c rune) bool { class, _ := t.lookup(c); return class == 'V' }

func readTable(src []byte) (*unicodeTable, error) {
	var file struct {
		Unicode, Status, Mark, Bidi, Joining, Virama string
		Mapped                                       map[string]string
	}
	if err := json.Unmarshal(src, &file); err != nil {
		return nil, err
	}
	if file.Unicode != unicodeVersion {
		return nil, fmt.Errorf("it is of Unicode %s, not %s", file.Unicode, unicodeVersion)
	}
	t := &unicodeTable{mapped: make(map[rune]string, len(file.Mapped))}
	for from, to := range file.Mapped {
		t.mapped[[]rune(from)[0]] = to
	}
	for text, into := range map[string]*runs{file.Status: &t.status, file.Mark: &t.mark,
		file.Bidi: &t.bidi, file.Joining: &t.joining, file.Virama: &t.virama} {
		var err error
		if *into, err = readRuns(text); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func readRuns(s string) (runs, error) {
	number := func() (int64, error) {
		n := 0
		for n < len(s) && isLowerAlnum(s[n]) {
			n++
		}
		if n == 0 {
			return 1, nil
		}
		v, err := strconv.ParseInt(s[:n], 36, 32)
		s = s[n:]
		return v, err
	}
	var list runs
	var next int64
	for len(s) > 0 {
		r := run{start: rune(next), class: s[0]}
		s = s[1:]
		n, err := number()
		if err != nil {
			return nil, err
		}
		if next += n; len(s) > 0 && (s[0] == '+' || s[0] == '-') {
			sign := rune(1)
			if s[0] == '-' {
				sign = -1
			}
			s = s[1:]
			d, err := number()
			if err != nil {
				return nil, err
			}
			r.delta = sign * rune(d)
		}
		list = append(list, r)
	}
	if next != 0x110000 {
		return nil, fmt.Errorf("%d code points are covered", next)
	}
	return list, nil
}
