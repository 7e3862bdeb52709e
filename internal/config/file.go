package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"shirase/internal/hint"
	"shirase/internal/yaml"
)

// FileName is the name of the file of settings in a data folder, where no other is named.
const FileName = "shirase.yaml"

// maxFile bounds such a file, in bytes; the example has a tenth of it.
const maxFile = 64 << 10

// document is a file of settings as it is written.
type document struct {
	path     string
	values   []assignment
	sections []heading
	places   []int // the lines on which keys stand, in their order
	mistakes Mistakes
}

// assignment is a key with what the file gives it.
type assignment struct {
	key    Key
	texts  []string
	line   int
	column int
	flow   bool // within braces
}

// heading is a section of a file: "" is the file as a whole.
type heading struct {
	name         string
	line, column int
	flow         bool
}

// readDocument reads a file of settings. What is wrong with it is in the document's mistakes, and what is not, in its values.
func readDocument(path string, src []byte) *document {
	d := &document{path: path, sections: []heading{{}}}
	root, err := yaml.Parse(src, maxFile)
	var bad *yaml.Error
	switch {
	case errors.As(err, &bad):
		d.mistake(bad.Line, "", bad.Problem, bad.Remedy)
	case err != nil:
		d.mistake(0, "", err.Error(), "")
	case root != nil:
		d.read(root, "", false)
	}
	return d
}

func (d *document) mistake(line int, key, what, remedy string) {
	at := d.path
	if line > 0 {
		at = fmt.Sprintf("%s:%d", d.path, line)
	}
	d.mistakes = append(d.mistakes, Mistake{at, key, what, remedy, line})
}

// read takes what stands in a section.
func (d *document) read(node ast.Node, section string, flow bool) {
	var members []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		members, flow = n.Values, flow || n.IsFlowStyle
	case *ast.MappingValueNode:
		members = []*ast.MappingValueNode{n}
	default:
		d.mistake(lineOf(node), strings.TrimSuffix(section, "."), whole(section)+" is not a list of settings", "write one on each line, as in listen: 127.0.0.1:8311; see them all: shirase config example")
		return
	}
	seen := map[string]bool{}
	for _, m := range members {
		place := m.Key.GetToken().Position
		word, ok := m.Key.(*ast.StringNode)
		if !ok {
			d.mistake(place.Line, "", "the name of a setting is not plain text", "")
			continue
		}
		name := section + word.Value
		d.places = append(d.places, place.Line)
		if seen[name] {
			d.mistake(place.Line, name, name+" is there twice", "remove one of them")
			continue
		}
		seen[name] = true
		d.member(name, section, m.Value, place, flow)
	}
}

// member takes one setting, or the section of that name.
func (d *document) member(name, section string, value ast.Node, place *token.Position, flow bool) {
	line := place.Line
	key, known := Find(name)
	switch {
	case known && key.Instance, isSection(name, true):
		remedy := "it is changed with: shirase config set KEY VALUE"
		if key.Fixed {
			remedy = "it was decided when the instance was made"
		}
		d.mistake(line, name, name+" is of what the instance is, and does not stand in this file", remedy)
	case known:
		texts, err := textsOf(key, value)
		if err != nil {
			d.mistake(line, name, fmt.Sprintf("%s: %v", name, err), hint.Of(err))
			return
		}
		d.values = append(d.values, assignment{key, texts, line, place.Column, flow})
	case isSection(name, false):
		d.sections = append(d.sections, heading{name, line, place.Column, flow})
		if _, empty := value.(*ast.NullNode); !empty {
			d.read(value, name+".", flow)
		}
	default:
		d.mistake(line, name, fmt.Sprintf("there is no setting %q", clip(name)), suggestion(name, section))
	}
}

// whole names a section in a message.
func whole(section string) string {
	if section == "" {
		return "the file"
	}
	return strings.TrimSuffix(section, ".")
}

// isSection reports whether settings stand below a name: those of what an instance is, or of how it is operated.
func isSection(name string, instance bool) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool { return k.Instance == instance && strings.HasPrefix(k.Name, name+".") })
}

// suggestion names what was probably meant by a name that is none: something of the same section, or of another.
func suggestion(name, section string) string {
	var siblings, everywhere []string
	last := map[string]string{}
	for _, k := range Keys() {
		if k.Instance {
			continue
		}
		if rest, here := strings.CutPrefix(k.Name, section); here {
			first, _, _ := strings.Cut(rest, ".")
			if !slices.Contains(siblings, section+first) {
				siblings = append(siblings, section+first)
			}
		}
		word := k.Name[strings.LastIndexByte(k.Name, '.')+1:]
		if last[word] == "" {
			last[word] = k.Name
			everywhere = append(everywhere, word)
		}
	}
	meant := hint.Nearest(name, siblings)
	if meant == "" {
		meant = last[hint.Nearest(name[strings.LastIndexByte(name, '.')+1:], everywhere)]
	}
	if meant != "" {
		return "did you mean " + meant + "?"
	}
	return "known here: " + strings.Join(siblings, ", ")
}

// textsOf gives what a node holds for a key, whose kind decides what nodes it may be.
func textsOf(k Key, node ast.Node) ([]string, error) {
	if _, empty := node.(*ast.NullNode); empty {
		return nil, hint.Add(errors.New("it has no value"), "give it "+k.Form+"; or put # before it, and the default holds")
	}
	if k.kind == list {
		n, ok := node.(*ast.SequenceNode)
		if !ok {
			return nil, hint.Add(errors.New("it is a list"), "write "+k.Name+": [...] even around a single one: "+k.Form)
		}
		var texts []string
		for _, v := range n.Values {
			s, ok := v.(*ast.StringNode)
			if !ok {
				return nil, fmt.Errorf("%s is not %s", written(v), k.Form)
			}
			texts = append(texts, s.Value)
		}
		return texts, nil
	}
	ok := false
	switch n := node.(type) {
	case *ast.StringNode:
		ok = k.kind == text || k.kind == span || k.kind == rate
		if ok && n.Value == "" {
			return nil, hint.Add(errors.New("it is empty"), "put # before it, and the default holds")
		}
		if ok {
			return []string{n.Value}, nil
		}
	case *ast.IntegerNode:
		if k.kind == span {
			return nil, hint.Add(fmt.Errorf("%s has no unit", written(node)), "write it as "+n.Token.Value+"s, for seconds, or with m for minutes or h for hours")
		}
		ok = k.kind == count
	case *ast.BoolNode:
		ok = k.kind == truth
	}
	if !ok {
		return nil, fmt.Errorf("%s is not %s", written(node), k.Form)
	}
	return []string{node.GetToken().Value}, nil
}

// written shows a node in a message, as it stands in the file.
func written(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return fmt.Sprintf("%q", clip(n.Value))
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return clip(n.GetToken().Value)
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a section"
	}
	return "this"
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// errUnveiled refuses a password in a file of settings.
var errUnveiled = hint.Add(errors.New("it has a password in it, and this file is no place for one"), "leave it out, and name a file that holds it: storePasswordFile")

// apply gives settings what the file says. own says that the file was found in the data folder.
func (d *document) apply(s *Settings, own bool) {
	for _, v := range d.values {
		if own && v.key.Name == "data" {
			d.mistake(v.line, "data", "data: this file lies in the data folder, and is found by it", "leave it out; or move the file elsewhere and name it with --config")
			continue
		}
		texts := slices.Clone(v.texts)
		if v.key.path && !filepath.IsAbs(texts[0]) {
			texts[0] = filepath.Join(filepath.Dir(d.path), texts[0])
		}
		err := v.key.Set(s, texts...)
		if v.key.unveiled(texts) {
			err = errUnveiled
		}
		if err != nil {
			d.mistake(v.line, v.key.Name, fmt.Sprintf("%s: %v", v.key.Name, err), hint.Of(err))
			continue
		}
		s.from[v.key.Name] = Source{FromFile, fmt.Sprintf("%s:%d", d.path, v.line), v.line}
	}
}
