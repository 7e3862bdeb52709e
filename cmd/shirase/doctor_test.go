package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"shirase/internal/config"
	"shirase/internal/publish"
	"shirase/internal/store"
)

// TestDoctor damages one thing at a time in an instance of which all is well, and wants exactly that to be found, with a
// remedy, and no key in what is said of it.
func TestDoctor(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	well := wellInstance(t)
	one := func(pattern string) func(dir string) string {
		return func(dir string) string {
			names, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(names) == 0 {
				t.Fatalf("no file %s: %v", pattern, err)
			}
			return names[0]
		}
	}
	layer, rosterFile, entry, segment := one("data/files/layers/*"), one("data/files/rosters/*/*.age"), one("data/files/ledger/data/*"), one("data/password/sha1/*.seg")
	flip := func(which func(string) string) func(*testing.T, string, *doctor) {
		return func(t *testing.T, dir string, _ *doctor) {
			b, err := os.ReadFile(which(dir))
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 4
			if err := os.WriteFile(which(dir), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(which func(string) string) func(*testing.T, string, *doctor) {
		return func(t *testing.T, dir string, _ *doctor) {
			if err := os.RemoveAll(which(dir)); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod := func(pattern string, mode os.FileMode) func(*testing.T, string, *doctor) {
		return func(t *testing.T, dir string, _ *doctor) {
			if err := os.Chmod(one(pattern)(dir), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(pattern string, with func(t *testing.T) string) func(*testing.T, string, *doctor) {
		return func(t *testing.T, dir string, _ *doctor) {
			if err := os.WriteFile(one(pattern)(dir), []byte(with(t)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	text := func(s string) func(*testing.T) string { return func(*testing.T) string { return s } }
	change := func(do func(*config.Instance)) func(*testing.T, string, *doctor) {
		return func(t *testing.T, dir string, d *doctor) {
			i, err := config.ReadInstance(filepath.Join(dir, "data"))
			if err != nil {
				t.Fatal(err)
			}
			do(&i)
			if err := writeInstance(filepath.Join(dir, "data"), i); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := func(key, value string) func(*testing.T, string, *doctor) {
		return func(t *testing.T, dir string, _ *doctor) {
			var out, errw strings.Builder
			if exit := run(t.Context(), []string{"config", "set", key, value, "--data", filepath.Join(dir, "data")}, &out, &errw); exit != exitDone {
				t.Fatal(errw.String())
			}
		}
	}
	query := func(sql string) func(*testing.T, string, *doctor) {
		return func(t *testing.T, dir string, d *doctor) {
			db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "data", "shirase.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	later := func(by time.Duration) func(*testing.T, string, *doctor) {
		return func(_ *testing.T, _ string, d *doctor) {
			d.now = func() time.Time { return time.Now().Add(by) }
		}
	}
	left := func(free uint64) func(*testing.T, string, *doctor) {
		return func(_ *testing.T, _ string, d *doctor) {
			d.space = func(string) (uint64, uint64, error) { return free, 100 << 30, nil }
		}
	}
	nothing := func(*testing.T, string, *doctor) {}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string, d *doctor)
		want   string // id and level; "" for nothing
		says   string // somewhere in what and remedy
	}{
		{"nothing", nothing, "", ""},
		{"no settings", remove(one("data/shirase.json")), "settings error", "shirase restore SRC --only shirase.json"},
		{"settings of no form", replace("data/shirase.json", text("{")), "settings error", "backup"},
		{"a setting of a wrong form", change(func(s *config.Instance) { s.Contact = "nobody" }), "settings error", "contact"},
		{"a mistake in the file of settings", func(t *testing.T, dir string, _ *doctor) {
			if err := os.WriteFile(filepath.Join(dir, "data", "shirase.yaml"), []byte("listn: x\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "settings error", "listen"},
		{"no operator", change(func(s *config.Instance) { s.Imprint = "" }), "operator warning", "imprint"},
		{"no address", set("url", ""), "url warning", "config set url"},
		{"an address without TLS", set("url", "http://notice.example"), "url warning", "TLS"},
		{"data that others read", chmod("data", 0o755), "data-permissions warning", "chmod 700"},
		{"a database that others change", chmod("data/shirase.db", 0o666), "data-permissions error", "chmod 600"},
		{"no folder of keys", remove(one("data-keys")), "keys error", "--keys"},
		{"keys that others read", chmod("data-keys", 0o750), "keys-permissions error", "chmod 700"},
		{"a key that others read", chmod("data-keys/evaluator-k1.key", 0o644), "keys-permissions error", "chmod 600"},
		{"no ledger key", remove(one("data-keys/ledger.key")), "ledger-key error", "put it back"},
		{"another ledger key", replace("data-keys/ledger.key", func(t *testing.T) string {
			skey, _, err := publish.NewLedgerKey("notice.example")
			if err != nil {
				t.Fatal(err)
			}
			return skey
		}), "ledger-key error", "the key that signs the ledger is not in"},
		{"a ledger key that is none", replace("data-keys/ledger.key", text("x")), "ledger-key error", "put it back"},
		{"the next ledger key beside it", func(t *testing.T, dir string, _ *doctor) {
			skey, _, err := publish.NewLedgerKey("notice.example")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "data-keys", publish.NextKey), []byte(skey), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "ledger-next warning", "remove it here"},
		{"a witness that refuses", func(t *testing.T, dir string, d *doctor) {
			const vkey = "witness.example/w+a9087eff+BDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
			if err := os.WriteFile(filepath.Join(dir, "data", witnessesFile), []byte("witness w "+vkey+" https://witness.example\nquorum none\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			query("INSERT INTO ledger_refusal (vkey, since, why) VALUES ('"+vkey+"', 1700000000, 'it answered 403: it does not take this log''s key')")(t, dir, d)
		}, "witnesses warning", "does not take this log's key"},
		{"no evaluator key", remove(one("data-keys/evaluator-k1.key")), "evaluator-key error", "put back"},
		{"an evaluator key that is none", replace("data-keys/evaluator-k1.key", text("x")), "evaluator-key error", ""},
		{"no case key", remove(one("data-keys/case-shop-2026.key")), "case-key error", "put it back"},
		{"another case key", replace("data-keys/case-shop-2026.key", func(t *testing.T) string {
			key, err := age.GenerateX25519Identity()
			if err != nil {
				t.Fatal(err)
			}
			return key.String()
		}), "case-key error", "another key"},
		{"no database", remove(one("data/shirase.db")), "database error", "restore"},
		{"no files", remove(one("data/files")), "files error", "restore"},
		{"a roster with a changed bit", flip(rosterFile), "roster error", "backup"},
		{"a roster that is gone", remove(rosterFile), "roster error", "missing"},
		{"a roster whose hash was not kept", query("UPDATE roster SET sha256 = ''"), "roster-unrecorded note", ""},
		{"a layer with a changed bit", flip(layer), "layer error", "ledger repair"},
		{"a layer that is gone", remove(layer), "layer error", "ledger repair"},
		{"a changed document", flip(entry), "ledger error", "ledger repair"},
		{"a lost checkpoint", remove(one("data/files/ledger/checkpoint")), "ledger error", "ledger repair"},
		{"a changed row", query("UPDATE ledger_leaves SET kind = 'notice' WHERE leaf = 0"), "ledger error", "shirase restore"},
		{"a corpus with a changed bit", flip(segment), "passwords error", "password verify"},
		{"a corpus without its list", remove(one("data/password/sha1/current")), "passwords error", "backup"},
		{"no backup", query("DELETE FROM backup_made"), "backup warning", "shirase backup"},
		{"an old backup", query("UPDATE backup_made SET made_at = made_at - 8 * 86400000000"), "backup warning", "8 days"},
		{"an old statement", later(5 * time.Hour), "statement warning", "shirase serve"},
		{"an expired statement", later(50 * time.Hour), "statement error", "nobody gets an answer"},
		{"a clock that is behind", later(-time.Hour), "clock error", "set the clock"},
		{"a full disk", left(10 << 20), "disk error", "make space"},
		{"a disk that fills", left(5 << 30), "disk warning", "make space"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, part := range []string{"data", "data-keys"} {
				copyTree(t, filepath.Join(well, part), filepath.Join(dir, part))
			}
			a := &app{out: io.Discard, err: io.Discard}
			if err := a.root().PersistentFlags().Set("data", filepath.Join(dir, "data")); err != nil {
				t.Fatal(err)
			}
			d := &doctor{a: a, now: time.Now, space: func(string) (uint64, uint64, error) { return 90 << 30, 100 << 30, nil }}
			secrets := readSecrets(t, filepath.Join(dir, "data-keys"))
			c.damage(t, dir, d)
			if err := d.examine(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range d.findings {
				got = append(got, f.ID+" "+f.Level)
				if f.What == "" || f.Remedy == "" || !strings.Contains(f.What+" "+f.Remedy, c.says) {
					t.Errorf("%+v does not say %q", f, c.says)
				}
				for _, s := range secrets {
					if strings.Contains(f.What+f.Remedy, s) {
						t.Errorf("finding %s holds a key", f.ID)
					}
				}
			}
			if want := strings.Fields(strings.ReplaceAll(c.want, " ", "_")); !slices.Equal(want, underscored(got)) {
				t.Errorf("found %+v, want %q", d.findings, c.want)
			}
		})
	}
}

func underscored(list []string) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, strings.ReplaceAll(s, " ", "_"))
	}
	return out
}

// wellInstance makes an instance of which all is well, and gives the folder with its data and data-keys.
func wellInstance(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	list := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(list, []byte("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:10\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	examples := filepath.Join("..", "..", "examples")
	for _, args := range [][]string{
		{"init", "--url", "https://notice.example", "--operator-ja", "例示商店", "--operator-en", "Example Shop Inc.", "--contact", "mailto:desk@example.org",
			"--imprint", "https://example.org/about", "--privacy", "https://example.org/privacy"},
		{"incident", "new", "--facts", filepath.Join(examples, "facts.yaml")},
		{"scope", "--export", filepath.Join(examples, "accounts.csv"), "--rules", filepath.Join(examples, "rules.yaml"), "--incident", "shop-2026", "--commit"},
		{"publish", "shop-2026"},
		{"password", "import", list},
		{"backup", filepath.Join(dir, "copies")},
	} {
		var out, errw strings.Builder
		if exit := run(t.Context(), append(args, "--data", data), &out, &errw); exit != exitDone {
			t.Fatalf("%v: exit %d: %s", args, exit, errw.String())
		}
	}
	if err := os.Remove(filepath.Join(dir, "data-keys", publish.NextKey)); err != nil { // to where it is kept
		t.Fatal(err)
	}
	var out, errw strings.Builder
	if exit := run(t.Context(), []string{"doctor", "--json", "--data", data}, &out, &errw); exit == exitUsage {
		t.Fatalf("doctor: exit %d: %s", exit, errw.String())
	}
	var said struct {
		OK       *bool     `json:"ok"`
		Findings []finding `json:"findings"`
	}
	if err := json.Unmarshal([]byte(out.String()), &said); err != nil || said.OK == nil || said.Findings == nil {
		t.Fatalf("doctor --json says %s: %v", out.String(), err)
	}
	return dir
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(name string, e os.DirEntry, err error) error { // CopyFS goes by the umask
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Chmod(name, 0o700)
		}
		return os.Chmod(name, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readSecrets(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.key"))
	if err != nil || len(names) < 3 {
		t.Fatalf("keys %v, %v", names, err)
	}
	var out []string
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(string(b)))
	}
	return out
}
