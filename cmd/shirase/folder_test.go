package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFolderOfVersion1 opens a folder whose statements are of version 1, beside what somebody kept of it: a pinned key and
// two saved answers. The log goes on with version 2 through all that can happen to its keys, and who pinned the first key
// follows it without a question.
func TestFolderOfVersion1(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("tar", "xzf", filepath.Join("testdata", "folders", "2.tar.gz"), "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	pins := filepath.Join(config, "shirase", "ledgers.json")
	if err := os.Mkdir(filepath.Dir(pins), 0o700); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{filepath.Join(dir, "keys"): filepath.Join(dir, "data-keys"), filepath.Join(dir, "ledgers.json"): pins} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	f := folder{t: t, data: filepath.Join(dir, "data")}
	today := []string{"--today", time.Now().UTC().Format(time.DateOnly)} // the folder is as old as it is
	saved := func(when string) {
		t.Helper()
		for name, want := range map[string]string{"hana.json": `"result":"affected"`, "nobody.json": `"result":"not-in-scope"`} {
			if out := f.do("verify", filepath.Join(dir, name), "--json"); !strings.Contains(out, `"valid":true`) || !strings.Contains(out, want) {
				t.Errorf("%s: %s: %s", when, name, out)
			}
		}
	}
	saved("before")
	f.do("ledger", "verify")
	f.do(append([]string{"publish", "city-2026"}, today...)...)
	f.do("ledger", "verify")
	server := f.serve(nil)
	asked := func(when string, incidents ...string) {
		t.Helper()
		fetched(t, server, "/") // a page looks for what is new at once
		out := f.do("check", "--server", server.URL, "hana@example.com")
		for _, id := range []string{"club-2026", "shop-2026"} {
			found := strings.Contains(out, "\n  "+id+": ")
			if want := strings.Contains(strings.Join(incidents, " "), id); found != want {
				t.Errorf("%s: %s: %s", when, id, out)
			}
		}
		saved(when)
		f.do("ledger", "verify")
	}
	asked("version 2", "club-2026", "shop-2026")
	if b, err := os.ReadFile(pins); err != nil || !strings.Contains(string(b), `"v": 2`) {
		t.Errorf("the pins are not of version 2: %s, %v", b, err)
	}
	if out := f.do("key", "rotate"); !strings.Contains(out, "The file of key k1 is destroyed here") || !strings.HasPrefix(out, "Sealed anew under the new key k2: ") || !strings.Contains(out, "Ended: k1.") {
		t.Error(out)
	}
	asked("rotated", "club-2026", "shop-2026")
	f.do("key", "compromised", "k2")
	asked("compromised", "club-2026", "shop-2026")
	next := filepath.Join(dir, "data-keys", "ledger-next.key")
	f.do("key", "switch", "--next", next)
	asked("under the ledger's next key", "club-2026", "shop-2026")
	if out := f.do("incident", "retire", "club-2026"); !strings.Contains(out, "evaluator key k1") || !strings.Contains(out, "- evaluator key k2: other incidents") {
		t.Error(out)
	}
	asked("one retired", "shop-2026")
	if out := f.do("incident", "retire", "shop-2026"); !strings.Contains(out, "evaluator key k2") || !strings.Contains(out, "backups included") {
		t.Error(out)
	}
	fetched(t, server, "/")
	if out, _ := f.try("check", "--server", server.URL, "hana@example.com"); !strings.Contains(out, "answered no more") {
		t.Error(out)
	}
	saved("all retired")
	f.do("ledger", "verify")
	if res, err := http.Get(server.URL + "/ledger/v1/keys"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", res, err)
	}
}
