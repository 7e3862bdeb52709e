package hint

import (
	"strings"
	"unicode"
)

// Nearest gives the known name that a mistyped one was probably meant to be: the one that differs least, in at most a
// third of its letters. "" where none does.
func Nearest(typed string, known []string) string {
	best, least := "", min(len(fold(typed))/3+1, maxCompared)
	for _, name := range known {
		if d := Distance(typed, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// maxCompared is how many letters a name has at most that is compared: longer ones are as far apart as can be.
const maxCompared = 64

// Distance is how many letters and digits have to be changed, added or left out to get from one name to another
// (Levenshtein's distance); case and signs do not count.
func Distance(one, other string) int {
	a, b := fold(one), fold(other)
	if len(a) > maxCompared || len(b) > maxCompared {
		return maxCompared
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

// fold keeps the letters and digits, in lower case.
func fold(s string) []rune {
	return []rune(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s))
}
