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

// didYouMean is the suggestion for a name that is not there.
func didYouMean(s string, names []string) string {
	if n := hint.Nearest(s, names); n != "" && !looksLikeData(n) {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// meantClass suggests a data class for a word that is none: the nearest by letters, however it is written, or the longest
// whose name the word has in it.
func meantClass(s string, classes []string) string {
	best, least := "", max(2, len(letters(s))/2)+1
	for _, c := range classes {
		if d := hint.Distance(s, c); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		for _, c := range classes {
			if word, f := letters(s), letters(c); (strings.Contains(word, f) || strings.Contains(f, word)) && len(c) > len(best) {
				best = c
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// letters keeps the letters and digits, in lower case.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
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
