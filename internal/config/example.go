package config

import (
	"fmt"
	"strings"
)

// preface stands at the top of the example.
const preface = `# How an instance of Shirase is operated. Every setting is shown as a comment, with its default, or with an example
# where there is none: take the # away where you want something else. Flags are above environment variables, and these
# above this file. A path is relative to the file's own folder. Passwords and keys never stand here: settings name
# their files.
#
# It is read from the data folder (shirase.yaml), or from where --config or SHIRASE_CONFIG says.
#   shirase config check           every mistake in it, with its line
#   shirase config show            every setting, and where its value comes from
#   shirase config set KEY VALUE   changes one, here too
`

// width is how long the example's lines of comment are, in characters.
const width = 120

// Example gives the commented file of settings, in which nothing is set.
func Example() string {
	var b strings.Builder
	b.WriteString(preface)
	var open []string // the sections that the last key stood in
	defaults := Default()
	for _, k := range Keys() {
		if k.Instance {
			continue
		}
		words := strings.Split(k.Name, ".")
		sections := words[:len(words)-1]
		for i, s := range sections {
			if i >= len(open) || open[i] != s {
				if !strings.HasSuffix(b.String(), ":\n") {
					b.WriteByte('\n')
				}
				fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", i), s)
				open = append(open[:i:i], s)
			}
		}
		if open = open[:len(sections)]; len(sections) == 0 {
			b.WriteByte('\n')
		}
		indent := strings.Repeat("  ", len(sections))
		for _, line := range wrap(k.explained(), width-len(indent)-2) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		value := k.Example
		if texts := k.get(defaults); value == "" {
			value = quoted(k, texts)
		}
		fmt.Fprintf(&b, "%s# %s: %s\n", indent, words[len(words)-1], value)
	}
	return b.String()
}

// explained says what a key is for, and what its flag and variable are called.
func (k Key) explained() string {
	names := k.Env()
	if k.Flag != "" {
		names = "--" + k.Flag + ", " + names
	}
	return strings.ToUpper(k.Help[:1]) + k.Help[1:] + ". (" + names + ")"
}

// wrap breaks a text into lines.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(s) {
		if line != "" && len(line)+1+len(w) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	return append(lines, line)
}
