package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"shirase/internal/hint"
	"shirase/internal/yaml"
)

// ErrByHand says that a file is written in a way that only people should change.
var ErrByHand = errors.New("it has to be changed by hand")

// Edit gives a file of settings another value of a key, as one text (a list with commas between), and keeps all else,
// comments too. An empty value takes the key out. path is for messages. Errors: Mistakes, of the file or of the value;
// ErrByHand.
func Edit(path string, src []byte, name, value string) ([]byte, error) {
	before := readDocument(path, src)
	if len(before.mistakes) > 0 {
		return nil, before.mistakes
	}
	key, known := Find(name)
	if !known || key.Instance {
		return nil, Mistakes{{At: path, Key: name, What: fmt.Sprintf("there is no setting %q", clip(name)), Hint: suggestion(name, "")}}
	}
	texts := splitList(value)
	if !key.List() && value != "" {
		texts = []string{value}
	}
	err := key.Set(Default(), texts...)
	if key.unveiled(texts) {
		err = errUnveiled
	}
	if err != nil {
		return nil, Mistakes{{At: name, Key: name, What: err.Error(), Hint: hint.Of(err)}}
	}
	e := &edit{document: before, lines: strings.SplitAfter(string(src), "\n")}
	if last := len(e.lines) - 1; e.lines[last] == "" {
		e.lines = e.lines[:last]
	} else {
		e.lines[last] += "\n"
	}
	if err := e.put(key, texts); err != nil {
		return nil, err
	}
	out := []byte(strings.Join(e.lines, ""))
	if after := readDocument(path, out); !before.becomes(after, key, texts) { // the file is written in a way that was not thought of
		return nil, hint.Add(fmt.Errorf("%s: %w", path, ErrByHand), "write "+name+": "+quoted(key, texts))
	}
	return out, nil
}

// becomes reports whether a document is what d would be with one key changed.
func (d *document) becomes(after *document, key Key, texts []string) bool {
	of := func(d *document) map[string][]string {
		m := map[string][]string{}
		for _, v := range d.values {
			m[v.key.Name] = v.texts
		}
		return m
	}
	want, got := of(d), of(after)
	if delete(want, key.Name); texts != nil {
		want[key.Name] = texts
	}
	if len(after.mistakes) > 0 || len(want) != len(got) {
		return false
	}
	for name, texts := range want {
		if there, ok := got[name]; !ok || !slices.Equal(texts, there) {
			return false
		}
	}
	return true
}

// edit is a document while it is changed. Lines are counted from 1, as their places are.
type edit struct {
	*document
	lines []string
}

// put gives a key its texts, or takes it out where there are none.
func (e *edit) put(key Key, texts []string) error {
	for _, v := range e.values {
		if v.key.Name != key.Name {
			continue
		}
		if v.flow {
			return hint.Add(fmt.Errorf("%s:%d: %w: it is written with braces", e.path, v.line, ErrByHand), "write "+key.Name+": "+quoted(key, texts)+" there")
		}
		end := e.end(v.line)
		comments := e.comments(v.line, end)
		indent := strings.Repeat(" ", v.column-1)
		var lines []string
		if texts != nil {
			line := indent + last(key.Name) + ": " + quoted(key, texts)
			if len(comments) > 0 && comments[0].Position.Line == v.line {
				line += " #" + comments[0].Value
				comments = comments[1:]
			}
			lines = append(lines, line+"\n")
		}
		for _, c := range comments {
			lines = append(lines, indent+"#"+c.Value+"\n")
		}
		e.lines = slices.Replace(e.lines, v.line-1, end, lines...)
		return nil
	}
	if texts == nil {
		return nil
	}
	return e.insert(key, texts)
}

// insert adds a key to its section: below the line that shows it as a comment, or at the section's end.
func (e *edit) insert(key Key, texts []string) error {
	section := strings.TrimSuffix(key.Name, last(key.Name))
	section = strings.TrimSuffix(section, ".")
	var missing []string
	at := slices.IndexFunc(e.sections, func(h heading) bool { return h.name == section })
	for at < 0 {
		missing = append([]string{last(section)}, missing...)
		section = strings.TrimSuffix(strings.TrimSuffix(section, last(section)), ".")
		at = slices.IndexFunc(e.sections, func(h heading) bool { return h.name == section })
	}
	h := e.sections[at]
	if h.flow {
		return hint.Add(fmt.Errorf("%s:%d: %w: the section is written with braces", e.path, h.line, ErrByHand), "write "+key.Name+": "+quoted(key, texts)+" there")
	}
	depth := 0
	if h.line > 0 {
		depth = e.depth(h)
	}
	first, end := h.line, e.sectionEnd(h)
	words := append(missing, last(key.Name))
	place := end
	if shown := slices.IndexFunc(e.lines[first:end], commented(words[0]).MatchString); shown >= 0 {
		place = first + shown + 1
	}
	var lines []string
	for i, w := range words {
		line := strings.Repeat(" ", depth+2*i) + w + ":"
		if i == len(words)-1 {
			line += " " + quoted(key, texts)
		}
		lines = append(lines, line+"\n")
	}
	e.lines = slices.Insert(e.lines, place, lines...)
	return nil
}

// commented matches a line that shows a key as a comment.
func commented(word string) *regexp.Regexp {
	return regexp.MustCompile(`^ *#+ ?` + regexp.QuoteMeta(word) + `:(\s|$)`)
}

// depth is how far the settings of a section are indented.
func (e *edit) depth(h heading) int {
	for _, v := range e.values {
		if strings.HasPrefix(v.key.Name, h.name+".") && !strings.Contains(v.key.Name[len(h.name)+1:], ".") {
			return v.column - 1
		}
	}
	for _, s := range e.sections {
		if strings.HasPrefix(s.name, h.name+".") && !strings.Contains(s.name[len(h.name)+1:], ".") {
			return s.column - 1
		}
	}
	return h.column + 1
}

// sectionEnd is the number of the last line that belongs to a section.
func (e *edit) sectionEnd(h heading) int {
	if h.line == 0 {
		return len(e.lines)
	}
	columns := map[int]int{}
	for _, v := range e.values {
		columns[v.line] = v.column
	}
	for _, s := range e.sections {
		columns[s.line] = s.column
	}
	end := len(e.lines)
	for _, line := range e.places {
		if line > h.line && columns[line] <= h.column && line-1 < end {
			end = line - 1
		}
	}
	for end > h.line && blank.MatchString(e.lines[end-1]) && !e.indented(end, h.column) {
		end--
	}
	return end
}

// blank matches a line on which nothing stands but a comment.
var blank = regexp.MustCompile(`^\s*(#.*)?\n?$`)

// indented reports whether a comment stands further right than a column: then it belongs to what is above it.
func (e *edit) indented(line, column int) bool {
	text := e.lines[line-1]
	return strings.TrimSpace(text) != "" && len(text)-len(strings.TrimLeft(text, " ")) >= column
}

// end is the number of the last line on which the value of the key on a line stands.
func (e *edit) end(line int) int {
	end := len(e.lines)
	for _, p := range e.places {
		if p > line && p-1 < end {
			end = p - 1
		}
	}
	for end > line && blank.MatchString(e.lines[end-1]) {
		end--
	}
	return end
}

// comments gives the comments on some lines.
func (e *edit) comments(from, to int) []*token.Token {
	var out []*token.Token
	for _, t := range lexer.Tokenize(strings.Join(e.lines, "")) {
		if t.Type == token.CommentType && from <= t.Position.Line && t.Position.Line <= to {
			out = append(out, t)
		}
	}
	return out
}

// last is the last word of a name.
func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// quoted writes a key's texts as the file has them.
func quoted(key Key, texts []string) string {
	if key.kind == truth || key.kind == count {
		return strings.Join(texts, "")
	}
	var out []string
	for _, t := range texts {
		out = append(out, scalar(t))
	}
	if key.kind == list {
		return "[" + strings.Join(out, ", ") + "]"
	}
	return strings.Join(out, "")
}

// plain matches texts that may need no quotation marks.
var plain = regexp.MustCompile(`^[A-Za-z0-9/._~-][A-Za-z0-9/._~:@+%?=& -]*$`)

// scalar writes a text, with quotation marks where YAML would read something else without.
func scalar(s string) string {
	if plain.MatchString(s) {
		root, err := yaml.Parse([]byte("k: ["+s+"]"), maxFile)
		if m, ok := root.(*ast.MappingNode); err == nil && ok && len(m.Values) == 1 {
			if l, ok := m.Values[0].Value.(*ast.SequenceNode); ok && len(l.Values) == 1 {
				if n, ok := l.Values[0].(*ast.StringNode); ok && n.Value == s {
					return s
				}
			}
		}
	}
	return strconv.Quote(s)
}
