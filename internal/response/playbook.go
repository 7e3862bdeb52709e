package response

import (
	"embed"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"shirase/internal/hint"
)

//go:embed playbooks/*.yaml
var playbooks embed.FS

// Playbooks are the names of those that are shipped.
func Playbooks() []string {
	entries, err := playbooks.ReadDir("playbooks")
	if err != nil {
		panic(err) // it is in the program
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return out
}

// playbook gives the tasks of a playbook in their order, in Japanese and English; none for "".
func playbook(name string) ([]string, error) {
	if name == "" {
		return nil, nil
	}
	src, err := playbooks.ReadFile("playbooks/" + name + ".yaml")
	if err != nil {
		return nil, hint.Add(fmt.Errorf("%w: there is no playbook %q", ErrEntry, name), "one of "+strings.Join(Playbooks(), ", "))
	}
	var file struct {
		Tasks []struct {
			JA string `yaml:"ja"`
			EN string `yaml:"en"`
		} `yaml:"tasks"`
	}
	if err := yaml.UnmarshalWithOptions(src, &file, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("read playbook %s: %w", name, err)
	}
	var out []string
	for _, t := range file.Tasks {
		out = append(out, t.JA+" / "+t.EN)
	}
	return out, nil
}
