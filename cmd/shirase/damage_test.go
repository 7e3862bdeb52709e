package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"filippo.io/age"
)

// fileKind is one kind of file that an instance has, and what mends it.
type fileKind struct {
	name string
	glob string // below the folder of data, data-keys and copies
	bit  string // a bit of these bytes is flipped, whose change cannot be one that somebody made; the middle of the file where it is empty
	mend []string
}

// Commands of the matrix; SRC, NAME and DATA are filled in.
var (
	repair  = []string{"ledger", "repair"}
	bring   = []string{"restore", "SRC", "--only", "NAME"}
	corpus  = []string{"restore", "SRC", "--only", "password"}
	restore = []string{"restore", "SRC", "--data", "OTHER"}
	keyBack = []string{"restore", "SRC", "--only", "keys", "--identity", "FILE"}
	reseal  = []string{"publish", "shop-2026"}
	again   = []string{"backup", "SRC"}
)

var fileKinds = []fileKind{
	{"what the instance is", "data/shirase.json", "{", bring},
	{"settings", "data/shirase.yaml", "\nurl:", bring}, // one that is missing is one that nobody wrote
	{"database", "data/shirase.db", "", restore},       // of a page's head: SQLite sums nothing, and in a cell only what is signed or sealed is seen to be another
	{"checkpoint", "data/files/ledger/checkpoint", "", repair},
	{"hash tile", "data/files/ledger/tile/0/000.p/2", "", repair},
	{"entry bundle", "data/files/ledger/tile/entries/000.p/2", "", repair},
	{"document", "data/files/ledger/data/*", "", repair},
	{"incident's layer", "data/files/layers/*", "", reseal},
	{"roster", "data/files/rosters/*/*.age", "", bring},
	{"corpus: its list", "data/password/sha1/current", "", corpus},
	{"corpus: a segment", "data/password/sha1/*.seg", "", corpus},
	{"ledger's key", "data-keys/ledger.key", "", keyBack},
	{"evaluator's key", "data-keys/evaluator-k1.key", "", keyBack},
	{"case's key", "data-keys/case-shop-2026.key", "", keyBack},
	{"backup: a file", "copies/objects/*/*", "", again},
	{"backup: its list", "copies/backups/000001-*", "", nil},
}

// ways are what may become of a file's bytes; nil: it is gone.
var ways = []struct {
	name string
	do   func(k fileKind, b []byte) []byte
}{
	{"missing", func(fileKind, []byte) []byte { return nil }},
	{"truncated", func(k fileKind, b []byte) []byte {
		if k.bit != "" { // within a word: a shorter file may be one that somebody wrote
			return b[:bytes.Index(b, []byte(k.bit))+len(k.bit)-1]
		}
		return b[:len(b)/2]
	}},
	{"a bit", func(k fileKind, b []byte) []byte {
		at := len(b) / 2
		if k.bit != "" {
			at = bytes.Index(b, []byte(k.bit))
		} else if bytes.HasPrefix(b, []byte("SQLite format 3\x00")) {
			at = int(binary.BigEndian.Uint16(b[16:])) // the second page begins with what kind it is
		}
		b[at] ^= 4
		return b
	}},
	{"other bytes", func(fileKind, []byte) []byte { return []byte("<html>404 not found</html>\n") }},
}

// TestDamageMatrix damages each kind of file in each way: doctor finds it, and says the command that mends it; that
// command, as it is said, makes all well again, with the answers and proofs that there were.
func TestDamageMatrix(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	well := wellInstance(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(well, "identity.txt")
	write(t, identity, id.String()+"\n")
	if out, exit := runIn(t, "backup", filepath.Join(well, "copies"), "--keys-to", id.Recipient().String(), "--data", filepath.Join(well, "data")); exit != exitDone {
		t.Fatal(out)
	}
	rows := [][]string{{"file", "damage", "found by", "mended by"}}
	for _, k := range fileKinds {
		for _, way := range ways {
			name := k.name + ": " + way.name
			t.Run(name, func(t *testing.T) {
				m := &matrix{t: t, dir: t.TempDir(), identity: identity}
				for _, part := range []string{"data", "data-keys", "copies"} {
					copyTree(t, filepath.Join(well, part), filepath.Join(m.dir, part))
				}
				list, err := filepath.Glob(filepath.Join(m.dir, filepath.FromSlash(k.glob)))
				if err != nil || len(list) == 0 {
					t.Fatalf("there is no %s", k.glob)
				}
				m.path = list[0]
				good, err := os.ReadFile(m.path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(m.path); err != nil {
					t.Fatal(err)
				}
				if bad := way.do(k, bytes.Clone(good)); bad != nil {
					write(t, m.path, string(bad))
				}
				rows = append(rows, append([]string{k.name, way.name}, m.try(k, good)...))
			})
		}
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	w.Flush()
	t.Logf("%d damages\n%s", len(rows)-1, b.String())
	if len(rows)-1 != len(fileKinds)*len(ways) || len(rows)-1 < 48 {
		t.Errorf("%d damages were tried to their end", len(rows)-1)
	}
}

// matrix is one damaged instance.
type matrix struct {
	t                   *testing.T
	dir, path, identity string
}

// try finds and mends the damage, and gives the cells of the table.
func (m *matrix) try(k fileKind, good []byte) []string {
	m.t.Helper()
	data := filepath.Join(m.dir, "data")
	src := filepath.Join(m.dir, "copies")
	if strings.HasPrefix(k.glob, "copies/") {
		return m.tryCopies(k, src, data)
	}
	found := m.doctor(data)
	if len(found) == 0 {
		m.t.Fatal("doctor finds nothing")
	}
	said := ""
	for _, f := range found {
		said += f.Remedy + "\n"
	}
	name, err := filepath.Rel(data, m.path)
	if err != nil {
		m.t.Fatal(err)
	}
	shown := strings.Join(k.mend, " ")
	args := slices.Clone(k.mend)
	for i, a := range args {
		switch a {
		case "SRC":
			args[i] = src
		case "NAME":
			args[i] = filepath.ToSlash(name)
		case "OTHER":
			data = filepath.Join(m.dir, "other")
			args[i] = data
		case "FILE":
			args[i] = m.identity
		}
	}
	says := "shirase " + strings.Join(k.mend[:2], " ")
	switch {
	case slices.Equal(k.mend, reseal): // doctor leads to repair, and that to publish
		says = "shirase ledger repair"
		if out, exit := runIn(m.t, "ledger", "repair", "--data", data); exit != exitFailed || !strings.Contains(out, "shirase "+shown) {
			m.t.Errorf("ledger repair does not lead to %s: %s", shown, out)
		}
		shown = "ledger repair says: shirase " + shown
	case k.name == "settings" && found[0].ID == "url":
		says = "shirase config set url"
	case slices.Equal(k.mend, bring), slices.Equal(k.mend, corpus):
		says = "shirase restore SRC --only " + strings.NewReplacer("NAME", filepath.ToSlash(name)).Replace(k.mend[3])
	}
	if !strings.Contains(said, says) {
		m.t.Errorf("doctor says %q, and not %q", said, says)
	}
	switch {
	case slices.Equal(k.mend, keyBack):
		out, exit := runIn(m.t, append(args, "--data", data)...)
		if exit != exitDone && strings.Contains(out, "move that file away") { // never over a key that is there
			if err := os.Remove(m.path); err != nil {
				m.t.Fatal(err)
			}
			out, exit = runIn(m.t, append(args, "--data", data)...)
		}
		if exit != exitDone {
			m.t.Fatal(out)
		}
	case slices.Equal(k.mend, restore):
		if out, exit := runIn(m.t, append(args, "--keys", filepath.Join(m.dir, "data-keys"))...); exit != exitDone {
			m.t.Fatal(out)
		}
		copyTree(m.t, filepath.Join(m.dir, "data-keys"), data+"-keys")
	default:
		if out, exit := runIn(m.t, append(args, "--data", data)...); exit != exitDone {
			m.t.Fatal(out)
		}
	}
	if left := m.doctor(data); len(left) > 0 && !slices.Equal(k.mend, restore) || slices.ContainsFunc(left, func(f finding) bool { return f.Level == levelError }) {
		m.t.Errorf("after %s: %+v", shown, left)
	}
	if out, exit := runIn(m.t, "ledger", "verify", "--data", data); exit != exitDone {
		m.t.Errorf("after %s: %s", shown, out)
	}
	if back, err := os.ReadFile(m.path); !slices.Equal(k.mend, restore) && (err != nil || !bytes.Equal(back, good)) {
		m.t.Errorf("after %s: the file has other bytes than before (%v)", shown, err)
	}
	ids := []string{}
	for _, f := range found {
		if !slices.Contains(ids, f.ID) {
			ids = append(ids, f.ID)
		}
	}
	return []string{"doctor: " + strings.Join(ids, ", "), "shirase " + shown}
}

// tryCopies: what has rotted in a folder of backups is found when the next is made, or brought back, and never used.
func (m *matrix) tryCopies(k fileKind, src, data string) []string {
	m.t.Helper()
	out, exit := runIn(m.t, "restore", src, "--data", filepath.Join(m.dir, "first"), "--keys", filepath.Join(m.dir, "data-keys"))
	if k.mend == nil { // of an earlier backup: the newest does not need it
		if exit != exitDone {
			m.t.Fatal(out)
		}
		return []string{"restore of that backup", "none is needed: the newest is whole"}
	}
	if exit == exitDone || !strings.Contains(out, "damaged") {
		m.t.Fatalf("a damaged copy was restored: %s", out)
	}
	if _, err := os.Stat(filepath.Join(m.dir, "first", "shirase.json")); err == nil {
		m.t.Error("something was left behind")
	}
	for _, args := range [][]string{{"backup", src, "--data", data}, {"restore", src, "--data", filepath.Join(m.dir, "second"), "--keys", filepath.Join(m.dir, "data-keys")}} {
		if out, exit := runIn(m.t, args...); exit != exitDone {
			m.t.Fatal(out)
		}
	}
	return []string{"restore, backup", "shirase backup SRC"}
}

func (m *matrix) doctor(data string) []finding {
	m.t.Helper()
	a := &app{out: io.Discard, err: io.Discard}
	if err := a.root().PersistentFlags().Set("data", data); err != nil {
		m.t.Fatal(err)
	}
	d := &doctor{a: a, now: time.Now, space: func(string) (uint64, uint64, error) { return 90 << 30, 100 << 30, nil }}
	if err := d.examine(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	return d.findings
}

// runIn runs a command, and gives what it said.
func runIn(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out, errw strings.Builder
	exit := run(t.Context(), args, &out, &errw)
	return strings.Join(args, " ") + ": " + out.String() + errw.String(), exit
}
