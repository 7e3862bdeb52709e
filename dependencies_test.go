package shirase_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// TestDependencies holds that docs/DEPENDENCIES.md names every module that go.mod asks for directly, none that it does not,
// and versions only as go.mod has them.
func TestDependencies(t *testing.T) {
	data, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("docs/DEPENDENCIES.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(doc), " x/", " golang.org/x/") // as rows of several shorten them
	named := map[string]string{}                                     // path to version, where one is said
	for _, m := range regexp.MustCompile(`((?:github\.com|golang\.org|filippo\.io|modernc\.org|gopkg\.in)/[\w./-]*\w)(?: (v[\d.]+\d))?`).FindAllStringSubmatch(text, -1) {
		named[m[1]] = m[2]
	}
	required := map[string]string{}
	for _, r := range mod.Require {
		required[r.Mod.Path] = r.Mod.Version
		if _, ok := named[r.Mod.Path]; !ok && !r.Indirect {
			t.Errorf("%s is in go.mod, and docs/DEPENDENCIES.md does not say what for", r.Mod.Path)
		}
	}
	for path, version := range named {
		switch has, ok := required[path]; {
		case !ok:
			t.Errorf("docs/DEPENDENCIES.md names %s, which go.mod does not ask for", path)
		case version != "" && version != has:
			t.Errorf("docs/DEPENDENCIES.md says %s %s, and go.mod %s", path, version, has)
		}
	}
	if len(required) < 10 || len(named) < 10 {
		t.Fatalf("%d modules, %d named", len(required), len(named))
	}
}
