package roster

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"shirase/internal/hint"
)

// Errors of this room; those returned wrap one of them, or a system error. Where
// there is a remedy, the error has a method Hint() string.
var (
	// ErrExport reports an export that cannot be read as a whole.
	ErrExport = errors.New("cannot read the export")
	// ErrRules reports a rules file that is wrong, or does not fit the export.
	ErrRules = errors.New("cannot use the rules")
	// ErrTooManyRejects reports more rows than are allowed that cannot be read,
	// wholly or in part; nothing but the list of them was written.
	ErrTooManyRejects = errors.New("too many rows cannot be read")
	// ErrNobody reports a scope that leaves nobody to be found in the index.
	ErrNobody = errors.New("nobody is left in the scope")
	// ErrNone reports an incident without a roster.
	ErrNone = errors.New("there is no roster")
	// ErrShredded reports an incident whose rosters were shredded.
	ErrShredded = errors.New("the rosters were shredded")
	// ErrNoKey reports a roster whose key is missing, and was not shredded.
	ErrNoKey = errors.New("the key of the case is missing")
	// ErrDamaged reports a roster file that is not what was written.
	ErrDamaged = errors.New("the roster is damaged")
)

// exportError is an ErrExport; remedy may be empty.
func exportError(remedy, format string, args ...any) error {
	return hint.Add(fmt.Errorf("%w: %w", ErrExport, fmt.Errorf(format, args...)), remedy)
}

// textError is an ErrExport whose bytes are not text.
func textError(err error) error {
	return exportError(hint.Of(err), "%w", err)
}

// nearest returns the name most like s: equal but for case and signs, or at most
// a third of it mistyped. Empty where there is none.
func nearest(s string, names []string) string {
	best, distance := "", len([]rune(s))/3+1
	for _, name := range names {
		if d := editDistance(fold(s), fold(name)); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// fold keeps the letters and digits, in lower case.
func fold(s string) []rune {
	return []rune(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s))
}

// editDistance is Levenshtein's. What is longer than any column's name ought to
// be is as far away as can be.
func editDistance(a, b []rune) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			cost := diagonal
			if x != y {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// didYouMean is the suggestion for a name that is not there.
func didYouMean(s string, names []string) string {
	if n := nearest(s, names); n != "" && !looksLikeData(n) {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// meantClass suggests a data class for a word that is none: the nearest by letters, however it is written, or the longest
// whose name the word has in it.
func meantClass(s string, classes []string) string {
	word := fold(s)
	best, least := "", max(2, len(word)/2)+1
	for _, c := range classes {
		if d := editDistance(word, fold(c)); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		for _, c := range classes {
			if f := string(fold(c)); (strings.Contains(string(word), f) || strings.Contains(f, string(word))) && len(c) > len(best) {
				best = c
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// columnList names columns for an error. A file without a header row shows its
// first person there: what looks like an identifier is not repeated.
func columnList(columns []string) string {
	const most = 40
	var b strings.Builder
	for i, c := range columns {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(columns)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteColumn(c))
	}
	return b.String()
}

func quoteColumn(c string) string {
	if looksLikeData(c) {
		return "(one that looks like data, not like a name)"
	}
	return fmt.Sprintf("%q", c)
}

func looksLikeData(column string) bool {
	digits := 0
	for _, r := range column {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	return strings.ContainsAny(column, "@＠") || digits >= 5 || len(column) > 64
}
