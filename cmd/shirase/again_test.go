package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// TestKeyComesBack: a key that was destroyed comes back by no command; where somebody puts it back by hand it goes into no backup, is destroyed
// when the instance is opened, and is told of; and a certificate that does not hold any more says so, until one that does is made.
func TestKeyComesBack(t *testing.T) {
	w := newShredWorld(t, "")
	w.url = "sqlite:" + filepath.Join(w.data, "shirase.db")
	w.ok(t, "init")
	w.ok(t, "case", "declare", "--title", "T", "--organisation", "Example Shop", "--known", "2026-08-20T10:09+09:00", "--id", "loss-2026")
	who, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identity := w.file(t, "identity.txt", who.String()+"\n")
	w.ok(t, "backup", w.sealed, "--keys-to", who.Recipient().String())
	aside := filepath.Join(w.folder, "aside") // a copy that somebody made by hand, of which the program knows nothing
	copyTree(t, w.sealed, aside)
	w.ok(t, "case", "close", "loss-2026", "--why", "it is over", "--despite", "a test")
	key := filepath.Join(w.keys, "case-loss-2026.key")
	secret, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	w.ok(t, "scope", "shred", "loss-2026")
	there := func() bool { _, err := os.Stat(key); return err == nil }
	certificate := func() (outcome string, n, against int) {
		t.Helper()
		var v struct {
			Certificate struct {
				Outcome string
				N       int
			}
			Against []struct{ What, Why string }
		}
		out := w.ok(t, "case", "certificate", "loss-2026", "--json")
		if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &v); err != nil { // what was destroyed again is logged before it
			t.Fatal(err)
		}
		return v.Certificate.Outcome, v.Certificate.N, len(v.Against)
	}
	if outcome, n, against := certificate(); outcome != "destroyed" || n != 1 || against != 0 {
		t.Fatal(outcome, n, against)
	}
	if out := w.ok(t, "restore", aside, "--only", "keys", "--identity", identity); strings.Contains(out, "loss-2026") || there() {
		t.Errorf("it comes back: %s", out)
	}
	if err := os.WriteFile(key, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(w.folder, "fresh")
	w.ok(t, "backup", fresh, "--keys-to", who.Recipient().String())
	if list, err := filepath.Glob(filepath.Join(fresh, "keys", "case-loss-2026*")); err != nil || len(list) > 0 {
		t.Errorf("it goes into a backup: %v %v", list, err)
	}
	if out, _ := w.command(t, "doctor"); !strings.Contains(out, "case-key-again") || there() {
		t.Errorf("doctor says nothing, or leaves it: %s", out)
	}
	if err := os.WriteFile(key, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, against := certificate(); against != 1 || there() {
		t.Error("the certificate stands beside a key that was there")
	}
	// A copy that is recorded after all, as of a folder that was not looked into.
	if err := os.Rename(w.sealed, filepath.Join(w.folder, "away")); err != nil {
		t.Fatal(err)
	}
	_, in := opened(t, w.data)
	if _, err := in.db.ExecContext(t.Context(), `UPDATE backup_copy SET gone_at = 0 WHERE name = 'case-loss-2026.key'`); err != nil {
		t.Fatal(err)
	}
	in.close()
	if outcome, _, against := certificate(); outcome != "destroyed" || against != 1 {
		t.Error(outcome, against)
	}
	if out, _ := w.command(t, "doctor"); !strings.Contains(out, "case-key-copies") {
		t.Errorf("doctor says nothing of the copy: %s", out)
	}
	w.ok(t, "scope", "shred", "loss-2026")
	if outcome, n, against := certificate(); outcome != "removed" || n != 2 || against != 0 {
		t.Error(outcome, n, against)
	}
	if err := os.Rename(filepath.Join(w.folder, "away"), w.sealed); err != nil {
		t.Fatal(err)
	}
	w.ok(t, "scope", "shred", "loss-2026")
	if outcome, n, against := certificate(); outcome != "destroyed" || n != 3 || against != 0 {
		t.Error(outcome, n, against)
	}
	w.ok(t, "ledger", "verify")
}
