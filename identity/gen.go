//go:build ignore

// Gen writes unicode.json, the Unicode data of the canonical e-mail address.
//
//	go run gen.go -ucd DIR
//
// DIR holds the Unicode Character Database 15.0.0 (Debian: unicode-data
// 15.0.0-1, /usr/share/unicode). The mapping of UTS 46 is asked of x/net/idna,
// code point by code point, so this needs a Go for which that package is at
// Unicode 15.0.0 (1.21 to 1.26). The format is documented in unicode.go.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

const (
	version = "15.0.0"
	last    = 0x10ffff
)

func main() {
	ucd := flag.String("ucd", "/usr/share/unicode", "`folder` of the Unicode Character Database")
	out := flag.String("o", "unicode.json", "output `file`")
	flag.Parse()
	log.SetFlags(0)
	if idna.UnicodeVersion != version || norm.Version != version {
		log.Fatalf("x/net/idna is at Unicode %s, x/text/norm at %s; need %s: use a Go of 1.21 to 1.26",
			idna.UnicodeVersion, norm.Version, version)
	}

	category := property(*ucd, "extracted/DerivedGeneralCategory.txt", "Cn")
	bidi := property(*ucd, "extracted/DerivedBidiClass.txt", "L")
	joining := property(*ucd, "extracted/DerivedJoiningType.txt", "U")
	ccc := property(*ucd, "extracted/DerivedCombiningClass.txt", "0")

	status, mapped := statuses(category)
	valid := func(c rune) bool { return status[c] == "V" }
	assigned := func(c rune) bool { return status[c] != "U" }
	data := struct {
		Unicode string            `json:"unicode"`
		Status  string            `json:"status"`
		Mapped  map[string]string `json:"mapped"`
		Mark    string            `json:"mark"`
		Bidi    string            `json:"bidi"`
		Joining string            `json:"joining"`
		Virama  string            `json:"virama"`
	}{
		Unicode: version,
		Status:  encode(pairs(slices.Clone(status))),
		Mapped:  mapped,
		Mark:    encode(classes(assigned, func(c rune) string { return yes(category[c][0] == 'M') })),
		Bidi:    encode(classes(valid, func(c rune) string { return bidiClass(bidi[c]) })),
		Joining: encode(classes(valid, func(c rune) string { return joining[c] })),
		Virama:  encode(classes(valid, func(c rune) string { return yes(ccc[c] == "9") })),
	}
	b, err := json.MarshalIndent(data, "", "\t")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, append(b, '\n'), 0o666); err != nil {
		log.Fatal(err)
	}
}

// property reads a file of the UCD: lines "0041..005A ; value # comment".
func property(dir, name, otherwise string) []string {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	values := make([]string, last+1)
	for i := range values {
		values[i] = otherwise
	}
	lines := bufio.NewScanner(f)
	if lines.Scan(); !strings.HasSuffix(lines.Text(), "-"+version+".txt") {
		log.Fatalf("%s: its first line is %q, not of Unicode %s", name, lines.Text(), version)
	}
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		span, value, ok := strings.Cut(line, ";")
		if !ok {
			continue
		}
		from, to, ranged := strings.Cut(strings.TrimSpace(span), "..")
		if !ranged {
			to = from
		}
		for c := codePoint(from); c <= codePoint(to); c++ {
			values[c] = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	return values
}

func codePoint(s string) rune {
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		log.Fatal(err)
	}
	return rune(n)
}

// statuses gives each code point its letter, a mapped one with the distance to
// what it becomes; and the mappings that are no distance.
//
// A code point that NFKC changes never reaches the table, except from within an
// xn-- label, where it is not allowed: it is disallowed here, whatever UTS 46
// makes of it.
func statuses(category []string) (status []string, mapped map[string]string) {
	// CheckJoiners and CheckHyphens would judge the label; only the mapping of
	// the code point is asked for. The hyphen before it keeps NFC from composing
	// it, and ToUnicode from calling the label empty.
	profile := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true),
		idna.CheckHyphens(false), idna.CheckJoiners(false))
	status, mapped = make([]string, last+1), map[string]string{}
	for c := rune(0); c <= last; c++ {
		switch s := string(c); {
		case category[c] == "Cn":
			status[c] = "U"
		case !utf8.ValidRune(c), !norm.NFKC.IsNormalString(s):
			status[c] = "D"
		default:
			to, err := profile.ToUnicode("-" + s)
			to = strings.TrimPrefix(to, "-")
			switch {
			case err != nil:
				status[c] = "D"
			case to == s:
				status[c] = "V"
			case to == "":
				status[c] = "I"
			case utf8.RuneCountInString(to) == 1:
				r, _ := utf8.DecodeRuneInString(to)
				status[c] = "M" + delta(r-c)
			default:
				status[c] = "S"
				mapped[s] = to
			}
		}
	}
	return status, mapped
}

func delta(d rune) string {
	if d < 0 {
		return "-" + strconv.FormatInt(int64(-d), 36)
	}
	return "+" + strconv.FormatInt(int64(d), 36)
}

// pairs joins alternations of upper and lower case into one class.
func pairs(status []string) []string {
	for i := 0; i+1 < len(status); i += 2 {
		for i+1 < len(status) && !(status[i] == "M+1" && status[i+1] == "V") {
			i++
		}
		if i+1 < len(status) {
			status[i], status[i+1] = "P", "P"
		}
	}
	return status
}

// classes lists the class of every code point. Where it does not matter, it is
// that of the one before, which makes the fewest runs.
func classes(matters func(rune) bool, class func(rune) string) []string {
	list := make([]string, last+1)
	previous := ""
	for c := rune(last); c >= 0; c-- { // what the first ones continue
		if matters(c) {
			previous = class(c)
		}
	}
	for c := range rune(last + 1) {
		if matters(c) {
			previous = class(c)
		}
		list[c] = previous
	}
	return list
}

func yes(b bool) string {
	if b {
		return "Y"
	}
	return "N"
}

// bidiClass joins the classes that RFC 5893 section 2 treats alike.
func bidiClass(c string) string {
	switch c {
	case "L":
		return "L"
	case "R", "AL":
		return "R"
	case "AN":
		return "A"
	case "EN":
		return "E"
	case "NSM":
		return "N"
	case "ES", "CS", "ET", "ON", "BN":
		return "O"
	}
	return "X"
}

// encode writes runs of equal classes: the letter, the run's length in base 36
// unless it is 1, and what follows the letter.
func encode(list []string) string {
	var b strings.Builder
	for i := 0; i < len(list); {
		n := 1
		for i+n < len(list) && list[i+n] == list[i] {
			n++
		}
		b.WriteByte(list[i][0])
		if n > 1 {
			fmt.Fprint(&b, strconv.FormatInt(int64(n), 36))
		}
		b.WriteString(list[i][1:])
		i += n
	}
	return b.String()
}
