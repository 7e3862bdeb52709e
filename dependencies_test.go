package shirase_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// requirements are the modules that a module asks for, and those of them that it asks for directly.
func requirements(t *testing.T, file string) (all map[string]string, direct []string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse(file, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	all = map[string]string{}
	for _, r := range mod.Require {
		if all[r.Mod.Path] = r.Mod.Version; !r.Indirect {
			direct = append(direct, r.Mod.Path)
		}
	}
	return all, direct
}

// TestDependencies holds that docs/DEPENDENCIES.md names every module that go.mod asks for directly, none that it does not,
// and versions only as go.mod has them; and that what stands there beside the product only is nothing that the product's
// go.mod asks for, not even by way of others.
func TestDependencies(t *testing.T) {
	doc, err := os.ReadFile("docs/DEPENDENCIES.md")
	if err != nil {
		t.Fatal(err)
	}
	product, _, ok := strings.Cut(string(doc), "## Beside the product only")
	if !ok {
		t.Fatal("docs/DEPENDENCIES.md says nothing of what is beside the product only")
	}
	required, direct := requirements(t, "go.mod")
	compare(t, product, required, direct)
	beside, direct := requirements(t, filepath.Join("bench", "go.mod"))
	direct = slices.DeleteFunc(direct, func(path string) bool { return path == "shirase" || required[path] != "" })
	_, only, _ := strings.Cut(string(doc), "## Beside the product only")
	compare(t, only, beside, direct)
	if len(direct) == 0 || len(required) < 10 {
		t.Fatalf("the product asks for %d modules, and what is beside it for %q", len(required), direct)
	}
	for path, version := range required {
		if has := beside[path]; has != "" && has != version {
			t.Errorf("%s is %s in go.mod, and %s in bench/go.mod", path, version, has)
		}
		if strings.Contains(path, "chromedp") || strings.Contains(path, "selenium") || strings.Contains(path, "playwright") || strings.Contains(path, "go-rod") {
			t.Errorf("the product asks for %s, which drives a browser", path)
		}
	}
}

// compare holds what a document names against what is asked for.
func compare(t *testing.T, doc string, required map[string]string, direct []string) {
	t.Helper()
	text := strings.ReplaceAll(doc, " x/", " golang.org/x/") // as rows of several shorten them
	named := map[string]string{}                             // path to version, where one is said
	for _, m := range regexp.MustCompile(`((?:github\.com|codeberg\.org|golang\.org|filippo\.io|modernc\.org|gopkg\.in|go\.opentelemetry\.io|google\.golang\.org|blitiri\.com\.ar)/[\w./-]*\w)(?: (v[\d.]+\d))?`).FindAllStringSubmatch(text, -1) {
		named[m[1]] = m[2]
	}
	if len(named) == 0 {
		t.Fatal("docs/DEPENDENCIES.md names no module, or not as this test reads it")
	}
	for _, path := range direct {
		if _, ok := named[path]; !ok {
			t.Errorf("%s is asked for, and docs/DEPENDENCIES.md does not say what for", path)
		}
	}
	for path, version := range named {
		switch has, ok := required[path]; {
		case !ok:
			t.Errorf("docs/DEPENDENCIES.md names %s, which is not asked for there", path)
		case version != "" && version != has:
			t.Errorf("docs/DEPENDENCIES.md says %s %s, and go.mod %s", path, version, has)
		}
	}
}
