package check

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVectorsAreShared: each file of vectors is run by Go and by TypeScript, says of which version it is, and has a place in the
// documents.
func TestVectorsAreShared(t *testing.T) {
	read := func(pattern string) string {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		var all strings.Builder
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(b)
		}
		return all.String()
	}
	browser := read("../web/test/*.test.ts")
	documents := read("../docs/PROTOCOL.md") + read("../docs/FORMAT.md")
	program := map[string]string{"check": read("*_test.go"), "identity": read("../identity/*_test.go")}
	files := 0
	for dir, tests := range program {
		names, err := filepath.Glob("../" + dir + "/testdata/*.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range names {
			files++
			name := filepath.Base(path)
			if !strings.Contains(tests, `golden(t, "`+name+`"`) && !strings.Contains(tests, `ReadFile("testdata/`+name+`")`) {
				t.Errorf("no test in Go runs %s/testdata/%s", dir, name)
			}
			if name != "certificates.json" && !strings.Contains(browser, `vectors("`+dir+`/testdata/`+name+`")`) { // which pages do not verify
				t.Errorf("no test in web/test runs %s/testdata/%s", dir, name)
			}
			if !strings.Contains(documents, name) {
				t.Errorf("docs/PROTOCOL.md and docs/FORMAT.md do not name %s", name)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var file struct {
				V int `json:"v"`
			}
			switch name {
			case "rfc9497.json", "cases.json", "vectors.json": // the RFC's own; a list; all kinds of identities
				continue
			}
			if err := json.Unmarshal(b, &file); err != nil || file.V != vectorsFormat {
				t.Errorf("%s: version %d, %v", path, file.V, err)
			}
		}
	}
	if files < 15 {
		t.Errorf("%d files", files)
	}
}
