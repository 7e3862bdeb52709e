package enquiry

import (
	"errors"
	"fmt"

	goyaml "github.com/goccy/go-yaml"

	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/yaml"
)

// maxFile bounds the file of an answer, in bytes.
const maxFile = 256 << 10

// fileText is a text of a file.
type fileText struct {
	JA string `yaml:"ja"`
	EN string `yaml:"en"`
}

func (t fileText) text() language.Text { return language.Both(t.JA, t.EN) }

// ParseCanned reads the file of an answer that is given again: id, name, subject and text, and the topic that it answers, or "". name is the
// file's in errors, which have line and column. Errors: ErrInput.
func ParseCanned(name string, src []byte) (c Canned, topic string, err error) {
	var f struct {
		ID      string   `yaml:"id"`
		Topic   string   `yaml:"topic"`
		Name    fileText `yaml:"name"`
		Subject fileText `yaml:"subject"`
		Text    fileText `yaml:"text"`
	}
	root, err := yaml.Parse(src, maxFile)
	if err == nil && root != nil {
		err = goyaml.NodeToValue(root, &f, goyaml.Strict())
	}
	var ours *yaml.Error
	var theirs goyaml.Error
	switch {
	case err == nil:
		return Canned{ID: f.ID, Name: f.Name.text(), Subject: f.Subject.text(), Text: f.Text.text()}, f.Topic, nil
	case errors.As(err, &ours):
		return c, "", hint.Add(fmt.Errorf("%s:%d:%d: %w: %s", name, ours.Line, ours.Column, ErrInput, ours.Problem), ours.Remedy)
	case errors.As(err, &theirs) && theirs.GetToken() != nil && theirs.GetToken().Position != nil: // its message has no excerpt of the file
		p := theirs.GetToken().Position
		return c, "", fmt.Errorf("%s:%d:%d: %w: %s", name, p.Line, p.Column, ErrInput, theirs.GetMessage())
	}
	return c, "", fmt.Errorf("%s: %w: it is not YAML that can be read", name, ErrInput)
}
