// Package shirase_test holds the one thing that is true of all packages
// together: who may import whom.
package shirase_test

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The layers of docs/decisions/rooms.md, each of which may import those below
// it. A package belongs to exactly one.
const (
	public  = iota // what an outside client, verifier or auditor needs
	floor          // what rooms stand on
	facts          // the common tongue of the rooms
	derived        // what is made of facts, and can be made again
	room
	usecase // what several rooms do together
	frame   // what pages of every door stand in
	door
	command
	bench
)

var layers = map[string]int{
	"identity": public, "check": public, "check/internal/lanes": public, "law": public,
	"internal/hint": floor, "internal/language": floor, "internal/actor": floor, "internal/files": floor, "internal/extsort": floor, "internal/charset": floor, "internal/yaml": floor, "internal/config": floor, "internal/store": floor, "internal/store/storetest": floor,
	"internal/killtest": floor, "internal/web": floor, "internal/serve": floor, "internal/jobs": floor,
	"internal/ledger": floor, "internal/index": floor, "internal/roster": floor, "internal/backup": floor,
	"internal/incident": facts,
	"internal/archive":  derived, "internal/law": derived, "internal/incident/extract": derived, "internal/response/document": derived,
	"internal/alarm": floor, "internal/metrics": floor, "internal/contain/connect": floor,
	"internal/reach/bounce": floor, "internal/reach/preflight": floor, "internal/reach/smtp": floor, "internal/reach/message": floor, "internal/reach/smtptest": floor, "internal/reach/returned": room,
	"internal/incident/chart": room, "internal/incident/compose": room, "internal/incident/datasets": room, "internal/incident/lint": room,
	"internal/demo": room, "internal/password": room, "internal/witness": room, "internal/monitor": room, "internal/services": room, "internal/logins": room, "internal/people": room, "internal/enquiry": room, "internal/watchers": room, "internal/spread": room, "internal/response": room, "internal/notify": room, "internal/proposal": room, "internal/staff": room, "internal/reach": room, "internal/reach/told": room, "internal/contain/gate": room, "internal/contain/reset": room,
	"internal/collect/fetch": floor, "internal/collect/read": floor, "internal/collect/keep": floor, "internal/collect/webtest": floor, "internal/collect": room,
	"internal/publish": usecase, "internal/scope": usecase, "internal/closing": usecase, "internal/board": usecase, "internal/setup": usecase,
	"internal/page": frame,
	"internal/site": door, "internal/site/sitetest": door, "internal/api": door, "internal/console": door, "internal/portal": door,
	"cmd/shirase": command, "internal/testgate": command, // the latter reads what ./test runs
	"examples/shop":     command, // an application of somebody else's: it imports nothing of ours
	"bench/browsertest": bench, "bench/outsidetest": bench, "bench/looktest": bench, "bench/figure": bench, "bench/publication": bench, "bench/seal": bench, "bench/evaluate": bench, "bench/backup": bench, "bench/services": bench, "bench/bymail": bench, "bench/watch": bench, "bench/bucket": bench, "bench/logwatch": bench, "bench/board": bench,
	"bench/reset": bench, "bench/hour": bench, "bench/case": bench, "bench/gate": bench, "bench/campaign": bench, "bench/crash": bench, "bench/mail": bench, "bench/spam": bench, "bench/browser": bench, "bench/served": bench, "bench/lighthouse": bench, "bench/pwned": bench, "bench/range": bench, "bench/rotation": bench, "bench/lookup": bench, "bench/corpus": bench, "bench/imports": bench, "bench/search": bench, "bench/sync": bench, "bench/startup": bench, "bench/timing": bench, "bench/load": bench, "bench/pages": bench, "bench/soak": bench,
}

// coming are the packages above that are not there yet: their place is decided before they are written.
var coming = []string{"internal/jobs"}

// down lists, for public and floor packages, exactly whom they may import: within these layers there is a direction too. What
// pages stand in is listed too: it knows no room.
var down = map[string][]string{
	"identity":                 {},
	"check":                    {"identity", "check/internal/lanes"},
	"check/internal/lanes":     {},
	"law":                      {},
	"internal/hint":            {},
	"internal/alarm":           {"internal/hint"},
	"internal/metrics":         {},
	"internal/language":        {},
	"internal/actor":           {},
	"internal/files":           {},
	"internal/extsort":         {},
	"internal/charset":         {"internal/hint"},
	"internal/store":           {"internal/hint"},
	"internal/reach/smtp":      {"internal/hint"},
	"internal/reach/message":   {"internal/reach/smtp"},
	"internal/reach/smtptest":  {},
	"internal/killtest":        {},
	"internal/contain/connect": {"internal/hint", "internal/yaml"},
	"internal/store/storetest": {"internal/store"},
	"internal/web":             {"internal/language"},
	"internal/serve":           {"internal/files", "internal/hint", "internal/web"},
	"internal/yaml":            {},
	"internal/reach/bounce":    {"internal/charset"},
	"internal/reach/preflight": {"internal/language"},
	"internal/config":          {"internal/hint", "internal/serve", "internal/yaml"},
	"internal/jobs":            {"internal/hint", "internal/store"},
	"internal/backup":          {"internal/files", "internal/hint", "internal/store"},
	"internal/ledger":          {"check", "internal/files", "internal/hint", "internal/store", "internal/web"},
	"internal/index":           {"check", "identity", "internal/files", "internal/hint", "internal/store", "internal/web"},
	"internal/collect/fetch":   {"internal/hint"},
	"internal/collect/read":    {"internal/charset"},
	"internal/collect/keep":    {"internal/files"},
	"internal/collect/webtest": {},
	"internal/page":            {"internal/language", "internal/web"},
	"internal/roster":          {"identity", "internal/actor", "internal/charset", "internal/extsort", "internal/files", "internal/hint", "internal/store", "internal/yaml"},
}

// only lists who alone may import a package, benchmarks and tests aside: what appends to the ledger is the publishing room,
// made-up accounts are for the command, helpers of tests are for tests, and what knows of HTTP is what answers it: facts,
// what is derived from them and how they are told can be read, tested and used without a server.
var only = map[string][]string{
	"internal/ledger":          {"internal/publish"},
	"internal/demo":            {"cmd/shirase"},
	"internal/web":             {"internal/serve", "internal/ledger", "internal/index", "internal/password", "internal/page", "internal/site", "internal/api", "internal/console", "internal/portal", "internal/witness", "internal/contain/gate", "internal/services"},
	"internal/serve":           {"internal/config", "cmd/shirase"},
	"internal/config":          {"cmd/shirase"},
	"internal/store/storetest": {},
	"internal/site/sitetest":   {},
	"internal/killtest":        {},
	"internal/reach/smtptest":  {},
	"internal/collect/webtest": {},
}

// modules are the product's and the one beside it, of benchmarks and tests in a browser, which may import the product's
// internal packages because its path begins as theirs do.
var modules = []string{".", "bench"}

// graph gives the packages of both modules with those of them that each imports.
func graph(t *testing.T) map[string][]string {
	t.Helper()
	packages := map[string][]string{}
	for _, module := range modules {
		before := len(packages)
		graphOf(t, module, packages)
		if len(packages)-before < 15 {
			t.Fatalf("go list named only %d packages in %s", len(packages)-before, module)
		}
	}
	return packages
}

func graphOf(t *testing.T, module string, packages map[string][]string) {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	list.Dir = module
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(p.ImportPath, "shirase/")
		if !ok {
			continue
		}
		packages[name] = []string{}
		for _, i := range p.Imports {
			if imported, ok := strings.CutPrefix(i, "shirase/"); ok {
				packages[name] = append(packages[name], imported)
			}
		}
	}
}

func TestImportGraph(t *testing.T) {
	packages := graph(t)
	for name, imports := range packages {
		layer, ok := layers[name]
		if !ok {
			t.Errorf("%s has no layer: say in layers where it belongs", name)
			continue
		}
		for _, imported := range imports {
			if why := refuse(name, layer, imported); why != "" {
				t.Errorf("%s imports %s: %s", name, imported, why)
			}
		}
	}
	for _, what := range stale(packages) {
		t.Error(what)
	}
}

// stale names what the lists above permit or place and nobody uses: a permission that is not needed is one that somebody
// will take.
func stale(packages map[string][]string) []string {
	var out []string
	for name := range layers {
		_, there := packages[name]
		switch is := slices.Contains(coming, name); {
		case there && is:
			out = append(out, name+" has come: take it out of coming")
		case !there && !is:
			out = append(out, name+" has a layer, and is not there")
		}
	}
	for name, allowed := range down {
		imports, there := packages[name]
		for _, a := range allowed {
			if there && !slices.Contains(imports, a) {
				out = append(out, name+" may import "+a+", and does not")
			}
		}
	}
	for name, importers := range only {
		for _, i := range importers {
			if imports, there := packages[i]; there && !slices.Contains(imports, name) {
				out = append(out, i+" alone may import "+name+", and does not")
			}
		}
	}
	return out
}

// refuse says why name may not import imported, or "".
func refuse(name string, layer int, imported string) string {
	below, ok := layers[imported]
	importers, few := only[imported]
	allowed, listed := down[name]
	switch {
	case !ok:
		return "it has no layer"
	case layer == bench:
		if below == command {
			return "a benchmark measures packages, not the command"
		}
		return ""
	case few && !slices.Contains(importers, name):
		return "only " + strings.Join(append([]string{"tests"}, importers...), ", ") + " may"
	case listed || layer <= floor:
		if !slices.Contains(allowed, imported) {
			return "only " + strings.Join(allowed, ", ") + " may be imported by it"
		}
		return ""
	case below >= layer:
		return "imports go down only"
	}
	return ""
}

// TestImportGraphRefuses makes sure that the rules above can fail.
func TestImportGraphRefuses(t *testing.T) {
	for _, c := range [][2]string{
		{"check", "internal/index"}, {"identity", "check"}, {"check/internal/lanes", "check"}, {"internal/index", "check/internal/lanes"}, {"internal/roster", "internal/index"}, {"internal/store", "internal/incident"},
		{"internal/incident", "internal/site"}, {"internal/publish", "internal/site"}, {"cmd/shirase", "internal/ledger"}, {"internal/index", "internal/ledger"},
		{"internal/site", "cmd/shirase"}, {"internal/site", "internal/demo"}, {"internal/site", "internal/store/storetest"}, {"internal/site", "internal/site/sitetest"}, {"cmd/shirase", "internal/site/sitetest"}, {"bench/seal", "cmd/shirase"},
		{"internal/incident", "internal/archive"}, {"internal/archive", "internal/incident/compose"}, {"internal/archive", "internal/law"},
		{"internal/language", "internal/web"}, {"internal/incident", "internal/web"}, {"internal/incident/extract", "internal/web"}, {"internal/archive", "internal/web"},
		{"internal/publish", "internal/web"}, {"internal/serve", "internal/site"}, {"internal/jobs", "internal/incident"}, {"internal/law", "internal/response"},
		{"internal/reach", "internal/contain/gate"}, {"internal/contain/gate", "internal/response"}, {"internal/contain/gate", "internal/contain/reset"}, {"internal/contain/reset", "internal/response"}, {"internal/contain/connect", "internal/contain/reset"}, {"internal/response", "internal/publish"}, {"internal/publish", "internal/console"},
		{"internal/console", "internal/site"}, {"internal/console", "internal/ledger"}, {"internal/page", "internal/site"}, {"internal/page", "internal/incident"},
		{"internal/publish", "internal/page"}, {"internal/incident/chart", "internal/page"},
	} {
		if refuse(c[0], layers[c[0]], c[1]) == "" {
			t.Errorf("%s may import %s", c[0], c[1])
		}
	}
	for _, c := range [][2]string{
		{"internal/site", "check"}, {"internal/incident", "internal/store"}, {"cmd/shirase", "internal/site"}, {"internal/index", "check"},
		{"internal/publish", "internal/ledger"}, {"internal/archive", "internal/incident"}, {"internal/incident/chart", "internal/archive"}, {"bench/seal", "internal/demo"},
		{"internal/response", "internal/law"}, {"internal/reach", "internal/jobs"}, {"internal/console", "internal/publish"}, {"internal/console", "internal/contain/gate"}, {"internal/portal", "internal/contain/gate"}, {"internal/console", "internal/contain/reset"},
		{"cmd/shirase", "internal/serve"}, {"internal/incident", "internal/language"}, {"internal/password", "internal/web"}, {"internal/console", "internal/page"},
		{"internal/page", "internal/web"},
	} {
		if why := refuse(c[0], layers[c[0]], c[1]); why != "" {
			t.Errorf("%s may not import %s: %s", c[0], c[1], why)
		}
	}
}

// TestStale makes sure that a permission that nobody uses is found.
func TestStale(t *testing.T) {
	packages := graph(t)
	clean := len(stale(packages))
	for name, change := range map[string]func(map[string][]string){
		"internal/store may import internal/hint":               func(p map[string][]string) { p["internal/store"] = nil },
		"internal/publish alone may import internal/ledger":     func(p map[string][]string) { p["internal/publish"] = nil },
		"internal/jobs has come":                                func(p map[string][]string) { p["internal/jobs"] = nil },
		"internal/archive has a layer, and is not there":        func(p map[string][]string) { delete(p, "internal/archive") },
		"check may import identity, and does not":               func(p map[string][]string) { p["check"] = []string{"internal/hint"} },
		"cmd/shirase alone may import internal/demo, and does ": func(p map[string][]string) { p["cmd/shirase"] = []string{"internal/site"} },
	} {
		changed := map[string][]string{}
		for k, v := range packages {
			changed[k] = v
		}
		change(changed)
		if found := stale(changed); len(found) <= clean || !slices.ContainsFunc(found, func(s string) bool { return strings.HasPrefix(s, name) }) {
			t.Errorf("%q is not found: %q", name, found)
		}
	}
}

// TestClosedByOneRoom: a case is closed by the package that asks what is open, and by nothing beside it.
func TestClosedByOneRoom(t *testing.T) {
	seen := false
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), ".CloseAs(") {
			return err
		}
		if filepath.ToSlash(filepath.Dir(path)) != "internal/closing" {
			t.Errorf("%s closes a case past what is open in it", path)
		}
		seen = true
		return nil
	})
	if err != nil || !seen {
		t.Errorf("nothing closes a case: %v", err)
	}
}
