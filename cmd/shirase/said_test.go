package main

import (
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// What commands say is so: of whom the pages name, and which entry of the ledger is whose.
func TestWhatCommandsSay(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	f := folder{t: t, data: data}
	examples := filepath.Join("..", "..", "examples")
	f.do("init", "--url", "https://notice.example")
	if out := f.do("config", "show"); !strings.Contains(out, "Pages show the host's name") {
		t.Errorf("without a name: %s", out)
	}
	for _, set := range [][2]string{{"operator.en", "Example Shop"}, {"contact", "mailto:desk@example.org"}, {"imprint", "https://example.org/imprint"}} {
		f.do("config", "set", set[0], set[1])
	}
	if out := f.do("config", "show"); !strings.Contains(out, "Not set: privacy. The pages say nothing of it.") {
		t.Errorf("with a name: %s", out)
	}
	f.do("incident", "new", "--facts", filepath.Join(examples, "facts.yaml"))
	f.do("scope", "--export", filepath.Join(examples, "accounts.csv"), "--rules", filepath.Join(examples, "rules.yaml"), "--incident", "shop-2026", "--commit")
	out := f.do("publish", "shop-2026")
	list := f.do("notice", "list", "shop-2026")
	_, entry, ok := strings.Cut(strings.TrimSpace(list), "ledger entry ")
	if !ok || !strings.Contains(out, "shop-2026-v1, ledger entry "+entry+"\n") || strings.Count(out, "ledger entry") != 2 {
		t.Errorf("published:\n%s\nlisted:\n%s", out, list)
	}
}

// A server that has lost its only layer says that it is not of use; one that has lost the ledger's checkpoint does not start,
// and says what brings it back.
func TestLostFromFiles(t *testing.T) {
	data := filepath.Join(wellInstance(t), "data")
	layers := filepath.Join(data, "files", "layers")
	if err := os.Rename(layers, layers+".away"); err != nil {
		t.Fatal(err)
	}
	w, _ := watched(t, appAt(data, io.Discard, io.Discard))
	if got := w.health.ready(t.Context()); got.Ready || !slices.Equal(got.Reasons, []string{reasonIndex}) || !slices.Equal(got.Degraded, []string{reasonLayer}) {
		t.Errorf("without a layer: %+v", got)
	}
	if err := os.Remove(filepath.Join(data, "files", "ledger", "checkpoint")); err != nil {
		t.Fatal(err)
	}
	f := folder{t: t, data: data}
	if out, ok := f.try("serve", "--listen", "127.0.0.1:0"); ok || !strings.Contains(out, "hint: shirase ledger repair") {
		t.Errorf("without a checkpoint: %v, %s", ok, out)
	}
}

// A program says what it was built from, also where the toolchain recorded nothing, or that it does not know.
func TestCommit(t *testing.T) {
	defer func(was string) { builtFrom = was }(builtFrom)
	for from, want := range map[string]commit{"": {}, "abc 2026-01-02T03:04:05Z": {"abc", "2026-01-02T03:04:05Z", false}, "abc 2026-01-02T03:04:05Z modified": {"abc", "2026-01-02T03:04:05Z", true}} {
		builtFrom = from
		if got := commitOf(&debug.BuildInfo{}); got != want {
			t.Errorf("%q: %+v", from, got)
		}
	}
}
