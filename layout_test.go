// Package shirase_test holds the one thing that is true of all packages
// together: who may import whom.
package shirase_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The layers of docs/decisions/rooms.md, each of which may import those below
// it. A package belongs to exactly one.
const (
	public = iota // what an outside client, verifier or auditor needs
	floor         // what rooms stand on
	facts         // the common tongue of the rooms
	room
	usecase // what several rooms do together
	door
	command
	bench
)

var layers = map[string]int{
	"identity": public, "check": public,
	"internal/actor": floor, "internal/files": floor, "internal/charset": floor, "internal/store": floor, "internal/store/storetest": floor, "internal/killtest": floor, "internal/web": floor,
	"internal/ledger": floor, "internal/index": floor, "internal/roster": floor,
	"internal/incident":          facts,
	"internal/incident/chart":    room,
	"internal/incident/exchange": room,
	"internal/incident/extract":  room,
	"internal/demo":              room, "internal/password": room,
	"internal/publish": usecase,
	"internal/site":    door, "internal/api": door,
	"cmd/shirase": command, "internal/gate": command, // the latter reads what ./test runs
	"bench/figure": bench, "bench/publication": bench, "bench/seal": bench, "bench/evaluate": bench, "bench/bucket": bench,
	"bench/case": bench, "bench/browser": bench, "bench/served": bench, "bench/lighthouse": bench, "bench/pwned": bench, "bench/range": bench, "bench/lookup": bench, "bench/corpus": bench, "bench/imports": bench, "bench/search": bench, "bench/sync": bench, "bench/startup": bench,
}

// down lists, for public and floor packages, exactly whom they may import:
// within these layers there is a direction too.
var down = map[string][]string{
	"identity":                 {},
	"check":                    {"identity"},
	"internal/actor":           {},
	"internal/files":           {},
	"internal/charset":         {},
	"internal/store":           {},
	"internal/killtest":        {},
	"internal/store/storetest": {"internal/store"},
	"internal/web":             {},
	"internal/ledger":          {"check", "internal/files", "internal/store", "internal/web"},
	"internal/index":           {"check", "identity", "internal/files", "internal/store", "internal/web"},
	"internal/roster":          {"identity", "internal/actor", "internal/charset", "internal/files", "internal/store"},
}

// only lists who alone may import a package: what appends to the ledger is the publishing room, and nothing else can.
var only = map[string][]string{"internal/ledger": {"internal/publish"}}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportGraph(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(p.ImportPath, "shirase/")
		if !ok {
			continue
		}
		seen++
		layer, ok := layers[name]
		if !ok {
			t.Errorf("%s has no layer: say in layers where it belongs", name)
			continue
		}
		for _, i := range p.Imports {
			if imported, ok := strings.CutPrefix(i, "shirase/"); ok {
				if why := refuse(name, layer, imported); why != "" {
					t.Errorf("%s imports %s: %s", name, imported, why)
				}
			}
		}
	}
	if seen < 15 {
		t.Fatalf("go list named only %d packages", seen)
	}
}

// refuse says why name may not import imported, or "".
func refuse(name string, layer int, imported string) string {
	below, ok := layers[imported]
	switch {
	case !ok:
		return "it has no layer"
	case only[imported] != nil && layer != bench && !slices.Contains(only[imported], name):
		return "only " + strings.Join(only[imported], ", ") + " may"
	case layer == bench:
		if below == command {
			return "a benchmark measures packages, not the command"
		}
		return ""
	case layer <= floor:
		if !slices.Contains(down[name], imported) {
			return "on the floor only " + strings.Join(down[name], ", ") + " may be imported by it"
		}
		return ""
	case below >= layer:
		return "imports go down only"
	case imported == "internal/demo" && layer != command:
		return "made-up accounts are for the command and for benchmarks"
	case strings.HasSuffix(imported, "test"):
		return "a test helper"
	}
	return ""
}

// TestImportGraphRefuses makes sure that the rules above can fail.
func TestImportGraphRefuses(t *testing.T) {
	for _, c := range [][2]string{
		{"check", "internal/index"}, {"identity", "check"}, {"internal/roster", "internal/index"}, {"internal/store", "internal/incident"},
		{"internal/incident", "internal/site"}, {"internal/publish", "internal/site"}, {"cmd/shirase", "internal/ledger"}, {"internal/index", "internal/ledger"},
		{"internal/site", "cmd/shirase"}, {"internal/site", "internal/demo"}, {"bench/seal", "cmd/shirase"},
	} {
		if refuse(c[0], layers[c[0]], c[1]) == "" {
			t.Errorf("%s may import %s", c[0], c[1])
		}
	}
	for _, c := range [][2]string{{"internal/site", "check"}, {"internal/incident", "internal/store"}, {"cmd/shirase", "internal/site"}, {"internal/index", "check"}, {"internal/publish", "internal/ledger"}} {
		if why := refuse(c[0], layers[c[0]], c[1]); why != "" {
			t.Errorf("%s may not import %s: %s", c[0], c[1], why)
		}
	}
}
