package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/chacha20"

	"shirase/identity"
	"shirase/internal/store"
)

// thief is whoever has the data folder, the database, every backup and every key that is there, and looks for people.
type thief struct {
	t       *testing.T
	wanted  map[string][]byte // what to find: in each form in which it may lie there, by a name for it
	tags    map[string][]byte // keyed hashes of identifiers, under each key that is there
	opens   []opener
	persons []*age.X25519Identity
	found   map[string]map[string]bool // by the identifier: where
	tried   int                        // sealed values that were tried
	unread  []string                   // files of keys of which no key to seal or to count by was made
}

// opener opens sealed columns under a key, whatever they are sealed for: what a context protects is not secret from who has the key.
type opener struct {
	name   string
	seal   []byte
	sealer *store.Sealer
}

// theirs are the identifiers that are looked for, as people write them.
func newThief(t *testing.T, keys string, theirs []string, caseIDs ...string) *thief {
	t.Helper()
	h := &thief{t: t, wanted: map[string][]byte{}, tags: map[string][]byte{}, found: map[string]map[string]bool{}}
	for _, id := range theirs {
		for form, b := range forms(id) {
			h.wanted[id+" ("+form+")"] = b
		}
	}
	entries, err := os.ReadDir(keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(keys, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		h.take(e.Name(), b, theirs, caseIDs)
	}
	return h
}

// forms are how an identifier may lie somewhere.
func forms(id string) map[string][]byte {
	out := map[string][]byte{"raw": []byte(id), "hex": []byte(hex.EncodeToString([]byte(id))), "HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(id)))), "percent": []byte(strings.ReplaceAll(id, "@", "%40"))}
	if e, err := identity.ParseEmail(id); err == nil {
		out["canonical"] = []byte(e.Value)
	}
	for shift := range 3 { // base64 of something that has it in its middle
		b := append(make([]byte, shift), id...)
		enc := base64.RawStdEncoding.EncodeToString(b)
		from, to := (shift*8+5)/6, len(enc)-2
		out[fmt.Sprintf("base64+%d", shift)] = []byte(enc[from:to])
		out[fmt.Sprintf("base64url+%d", shift)] = []byte(base64.RawURLEncoding.EncodeToString(b)[from:to])
	}
	for form, b := range out { // too short to mean anything
		if len(b) < 7 {
			delete(out, form)
		}
	}
	return out
}

func (h *thief) take(name string, secret []byte, theirs, caseIDs []string) {
	var keys [][]byte
	text := strings.TrimSpace(string(secret))
	if p, err := age.ParseX25519Identity(text); err == nil {
		h.persons = append(h.persons, p)
		k, err := hkdf.Key(sha256.New, []byte(p.String()), nil, "shirase/v1 case columns", store.KeySize)
		if err != nil {
			h.t.Fatal(err)
		}
		keys = append(keys, k)
	}
	for _, b := range [][]byte{secret, []byte(text)} {
		if len(b) == store.KeySize {
			keys = append(keys, b)
		}
	}
	if b, err := hex.DecodeString(text); err == nil && len(b) == store.KeySize {
		keys = append(keys, b)
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} { // files.Keys.Random writes the last
		if b, err := enc.DecodeString(text); err == nil && len(b) == store.KeySize {
			keys = append(keys, b)
		}
	}
	if len(keys) == 0 {
		h.unread = append(h.unread, name)
	}
	for _, k := range keys {
		h.opener(name, k, theirs, caseIDs)
	}
}

func (h *thief) opener(name string, key []byte, theirs, caseIDs []string) {
	seal, err := hkdf.Key(sha256.New, key, nil, "shirase/v1 column seal", 32)
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := store.NewSealer(key)
	if err != nil {
		h.t.Fatal(err)
	}
	h.opens = append(h.opens, opener{name, seal, s})
	for _, id := range theirs {
		values := [][]byte{[]byte(id)}
		for _, kind := range []identity.Kind{identity.KindEmail, identity.KindPhone, identity.KindAccount} {
			values = append(values, []byte(string(kind)+"\x00"+id), identity.Identity{Kind: kind, Value: id}.Input())
		}
		for _, label := range []string{"enquiry.who", "watchers.who", "people.who", "people.member", "told", "gate", "gate account", "reset asked", "reset address", "reset account", "spread place", "returned_suppression.lookup"} {
			for _, of := range append([]string{""}, caseIDs...) {
				for n, v := range values {
					tag := s.Lookup(strings.TrimSpace(label+" "+of), v)
					h.tags[fmt.Sprintf("%s (%s under %s, as %d of %q)", id, label, name, n, of)] = tag[:8]
				}
			}
		}
	}
}

func (h *thief) hit(what, where string) {
	id, _, _ := strings.Cut(what, " (")
	if h.found[id] == nil {
		h.found[id] = map[string]bool{}
	}
	h.found[id][strings.TrimPrefix(what, id+" ")+" in "+where] = true
}

// look looks into bytes, and into what they unfold or open to.
func (h *thief) look(where string, b []byte, depth int) {
	lower := bytes.ToLower(b)
	for what, w := range h.wanted {
		if bytes.Contains(b, w) || bytes.Contains(lower, bytes.ToLower(w)) && !strings.Contains(what, "base64") {
			h.hit(what, where)
		}
	}
	for what, tag := range h.tags {
		if bytes.Contains(b, tag) {
			h.hit(what, where+" (keyed hash)")
		}
	}
	if depth > 4 {
		return
	}
	if bytes.HasPrefix(b, []byte("age-encryption.org/v1\n")) {
		for _, p := range h.persons {
			if r, err := age.Decrypt(bytes.NewReader(b), p); err == nil {
				if plain, err := io.ReadAll(r); err == nil {
					h.look(where+" opened", plain, depth+1)
				}
			}
		}
	}
	h.unfold(where, b, depth)
}

func (h *thief) unfold(where string, b []byte, depth int) {
	if bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		if r, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
			if plain, _ := io.ReadAll(io.LimitReader(r, 64<<20)); len(plain) > 0 {
				h.look(where+" unfolded", plain, depth+1)
			}
		}
	}
	if bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		if r, err := zstd.NewReader(bytes.NewReader(b)); err == nil {
			if plain, _ := io.ReadAll(io.LimitReader(r, 64<<20)); len(plain) > 0 {
				h.look(where+" unfolded", plain, depth+1)
			}
			r.Close()
		}
	}
	if bytes.HasPrefix(b, []byte("PGDMP")) { // pg_dump's own form, which folds tables
		cmd := exec.Command("pg_restore", "-f", "-")
		cmd.Stdin = bytes.NewReader(b)
		plain, err := cmd.Output()
		if err != nil {
			h.t.Fatalf("%s: %v", where, err)
		}
		h.look(where+" restored", plain, depth+1)
		for _, m := range regexp.MustCompile(`\\x[0-9a-f]{2,}`).FindAll(plain, -1) {
			if v, err := hex.DecodeString(string(m[2:])); err == nil {
				h.value(where+" restored", v, depth+1)
			}
		}
	}
}

// value tries a value of a column with every key that is there: XChaCha20 without asking whether it is what was sealed, so that no context has
// to be known.
func (h *thief) value(where string, b []byte, depth int) {
	h.look(where, b, depth)
	if enc, is := bytes.CutPrefix(b, []byte("sealed:")); is {
		if raw, err := base64.RawStdEncoding.DecodeString(string(enc)); err == nil {
			b = raw
		}
	}
	h.try(where, b)
	if len(b) > 0 && b[0] == 1 { // which says that it is sealed
		h.try(where, b[1:])
	}
}

func (h *thief) try(where string, b []byte) {
	if len(b) < 41 {
		return
	}
	h.tried++
	for _, o := range h.opens {
		c, err := chacha20.NewUnauthenticatedCipher(o.seal, b[:24])
		if err != nil {
			h.t.Fatal(err)
		}
		c.SetCounter(1)
		plain := make([]byte, len(b)-40)
		c.XORKeyStream(plain, b[24:len(b)-16])
		h.look(where+" opened with "+o.name, plain, 5)
	}
}

// database looks into every column of every table.
func (h *thief) database(where, url string) {
	db, err := store.Open(h.t.Context(), url)
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	list := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if strings.HasPrefix(url, "postgres") {
		list = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`
	}
	var tables []string
	h.rows(db.QueryContext(h.t.Context(), list))(func(v []any) { tables = append(tables, fmt.Sprint(v[0])) })
	if len(tables) < 40 {
		h.t.Fatalf("%s has only %v", where, tables)
	}
	slices.Sort(tables)
	for _, table := range tables {
		h.rows(db.QueryContext(h.t.Context(), `SELECT * FROM `+table))(func(row []any) {
			for _, v := range row {
				switch x := v.(type) {
				case []byte:
					h.value(where+" "+table, x, 0)
				case string:
					h.value(where+" "+table, []byte(x), 0)
				}
			}
		})
	}
}

func (h *thief) rows(rows *sql.Rows, err error) func(each func([]any)) {
	if err != nil {
		h.t.Fatal(err)
	}
	return func(each func([]any)) {
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			h.t.Fatal(err)
		}
		for rows.Next() {
			row, to := make([]any, len(columns)), make([]any, len(columns))
			for i := range row {
				to[i] = &row[i]
			}
			if err := rows.Scan(to...); err != nil {
				h.t.Fatal(err)
			}
			for i, v := range row {
				if s, ok := v.(string); ok {
					row[i] = strings.Clone(s)
				}
			}
			each(row)
		}
		if err := rows.Err(); err != nil {
			h.t.Fatal(err)
		}
	}
}

// folder looks into every file, the database's pages and its write-ahead log too, and into databases as such.
func (h *thief) folder(name string) {
	err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(filepath.Dir(name), path)
		if parts := strings.Split(rel, string(filepath.Separator)); len(parts) > 3 {
			rel = filepath.Join(parts[:3]...)
		}
		h.look(rel, b, 0)
		if bytes.HasPrefix(b, []byte("SQLite format 3\x00")) && filepath.Base(path) != "shirase.db" { // of a backup
			at := filepath.Join(h.t.TempDir(), "copy.db")
			if err := os.WriteFile(at, b, 0o600); err != nil {
				return err
			}
			h.database(rel+" as a database", "sqlite:"+at)
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// all looks everywhere, and gives what was found, where, but for what is left out by allow.
func (h *thief) all(ctx context.Context, url string, folders []string, allow func(place string) bool) []string {
	h.database("database", url)
	for _, f := range folders {
		h.folder(f)
	}
	var out []string
	for id, places := range h.found {
		for place := range places {
			if allow == nil || !allow(place) {
				out = append(out, id+" "+place)
			}
		}
	}
	slices.Sort(out)
	return out
}
