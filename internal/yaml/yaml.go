// Package yaml reads the YAML that people write into files of this program: one document, within limits, and without
// anchors and aliases, by which a short text becomes a long one, and without tags, which the decoder trips over. What the
// document says is for the caller to judge.
package yaml

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of nesting, far above what any of the files needs: the parser goes one call deeper with each.
const (
	maxDepth  = 16  // of brackets, and of dashes at the beginning of a line
	maxIndent = 200 // columns
)

// Error says what is wrong with a text, where, and what to do about it.
type Error struct {
	Line, Column int // from 1; 0 where it is the text as a whole
	Problem      string
	Remedy       string // may be empty
}

func (e *Error) Error() string { return e.Problem }
func (e *Error) Hint() string  { return e.Remedy }

// Parse reads a text of at most so many bytes into a tree without comments; nil where there is none but comments. Its error is
// an *Error, which repeats nothing of the text.
func Parse(src []byte, most int) (ast.Node, error) {
	switch {
	case len(src) > most:
		return nil, &Error{Problem: fmt.Sprintf("it is larger than %d KiB", most>>10)}
	case !utf8.Valid(src):
		return nil, &Error{Problem: "it is not UTF-8 text", Remedy: "save it as UTF-8"}
	}
	if err := tooDeep(src); err != nil {
		return nil, err
	}
	for _, t := range lexer.Tokenize(string(src)) {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return nil, &Error{t.Position.Line, t.Position.Column, "anchors and aliases (&, *, <<) are not available",
				"write it out; a text that begins with & or * needs quotation marks"}
		case token.TagType:
			return nil, &Error{t.Position.Line, t.Position.Column, "tags (!) are not available", "a text that begins with ! needs quotation marks"}
		}
	}
	tree, err := parser.ParseBytes(src, 0)
	if err != nil {
		var e yaml.Error
		if !errors.As(err, &e) || e.GetToken() == nil || e.GetToken().Position == nil {
			return nil, &Error{Problem: "it is not YAML that can be read", Remedy: "check it with a YAML linter"}
		}
		p := e.GetToken().Position
		return nil, &Error{p.Line, p.Column, e.GetMessage(), "mend the YAML there; quote a text that holds : or #"}
	}
	var root ast.Node
	for _, doc := range tree.Docs {
		switch {
		case doc == nil || doc.Body == nil:
		case root != nil:
			p := place(doc.Body)
			return nil, &Error{p.Line, p.Column, "there is a second document", "put it into a file of its own"}
		default:
			root = doc.Body
		}
	}
	return root, nil
}

// place gives where a node begins: the token of a mapping is its first colon.
func place(n ast.Node) *token.Position {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	return n.GetToken().Position
}

// tooDeep finds nesting that would make the lexer and the parser go far down.
func tooDeep(src []byte) error {
	line, column, depth, dashes, leading := 1, 0, 0, 0, true
	for _, c := range src {
		column++
		switch c {
		case '\n':
			line, column, dashes, leading = line+1, 0, 0, true
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		}
		if leading && (c == '-' || c == '?') {
			dashes++
		}
		leading = leading && strings.IndexByte(" \t-?", c) >= 0
		if depth > maxDepth || dashes > maxDepth || leading && column > maxIndent {
			return &Error{line, column, fmt.Sprintf("it is nested more than %d deep", maxDepth), ""}
		}
	}
	return nil
}
