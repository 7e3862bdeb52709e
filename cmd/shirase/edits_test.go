package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// publishedTables are the tables that hold what is published, or decide who is in it, with their keys. The others hold what
// was never published or can be made again from these; what was decided and is not published yet is tried on its own.
var publishedTables = map[string][]string{
	"ledger_head": {"id"}, "ledger_leaves": {"leaf"}, "ledger_data": {"hash"}, "ledger_hashes": {"position"},
	"ledger_key": {"n"}, "ledger_turn": {"id"},
	"index_key": {"id"}, "index_revision": {"incident", "revision"}, "index_statement": {"seq"}, "index_left": {"root"},
	"roster": {"incident", "seq"}, "roster_case": {"incident"},
	"incident_notice": {"incident", "version"}, "incident_fact": {"incident", "seq"}, "incident_public": {"incident", "version"},
}

// unpublishedColumns are those of these tables that no published byte depends on, and why.
var unpublishedColumns = map[string]string{
	"index_key.created_at":       "when this machine made the key",
	"index_revision.created_at":  "when this machine began to seal",
	"index_key.end_actor":        "who had the key destroyed, which is private",
	"ledger_turn.turn":           "counts the writers of the checkpoint",
	"roster.created_at":          "when this machine sealed it",
	"roster.actor":               "who made it, which is private",
	"roster_case.shred_actor":    "who had it shredded, which is private",
	"roster_case.key_used_at":    "when something else was first sealed under the case's key",
	"incident_notice.entered_at": "when this machine put it into the ledger, beside the time in its bytes",
	"incident_fact.seq":          "the order of recording, beside the as-of",
	"incident_fact.recorded_at":  "when this machine was told",
	"incident_fact.author":       "whose it is, which is private",
	"incident_fact.actor":        "who recorded it, which is private",
}

// TestEveryEdit changes every column of every table that holds what is published, deletes rows, and flips bits of
// every published file, one at a time: `ledger verify` has to find each.
func TestEveryEdit(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	storetest.EachURL(t, func(t *testing.T, url string) {
		e := newEdits(t, url)
		for _, table := range slices.Sorted(func(yield func(string) bool) {
			for name := range publishedTables {
				if !yield(name) {
					return
				}
			}
		}) {
			e.table(t, table, publishedTables[table])
		}
		if tried := e.found + e.refused; tried < 100 {
			t.Errorf("only %d edits of tables were tried", tried)
		}
		if e.store == "" { // the files are the same on either engine
			e.files(t)
		}
		e.mustVerify(t, "after everything was put back")
		t.Logf("%d edits found, %d refused by the database", e.found, e.refused)
	})
}

// edits is an instance with something published, and a handle past the program.
type edits struct {
	data           string
	store          string
	db             *store.DB
	found, refused int
}

func newEdits(t *testing.T, url string) *edits {
	t.Helper()
	dir := t.TempDir()
	e := &edits{data: filepath.Join(dir, "data")}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if strings.HasPrefix(url, "postgres") {
		e.store = url
	} else {
		url = "sqlite:" + filepath.Join(e.data, "shirase.db")
	}
	later := filepath.Join(dir, "later.yaml")
	write(t, later, `
id: shop-2026
zone: "+09:00"
asOf: "2027-01-02T18:30"
facts:
  - {key: action, id: reset, status: slipped, promised: "2027-01-02T18:00", value: {ja: 再設定機能の設置, en: The reset function}}
  - {key: addendum, id: "9", at: "2027-01-02T18:30", value: {ja: 設置は遅れています。, en: It is late.}}
  - {key: excluded, id: foreign, value: {ja: 国外, en: abroad}}
`)
	back := filepath.Join(dir, "back.yaml")
	write(t, back, "id: shop-2026\nzone: \"+09:00\"\nasOf: \"2027-01-03T09:00\"\nfacts: [{key: excluded, id: foreign, retract: true}]\n")
	city := filepath.Join(dir, "city.yaml")
	write(t, city, "id: city\nfacts:\n  - {key: title, value: x}\n  - {key: scope.state, value: investigating}\n")
	old := filepath.Join(dir, "old.yaml")
	write(t, old, "id: old-2020\nfacts:\n  - {key: title, value: x}\n  - {key: data-class, value: email}\n  - {key: data-class, value: nickname}\n  - {key: data-class, value: \"password:hashed\"}\n")
	examples := filepath.Join("..", "..", "examples")
	for _, args := range [][]string{
		{"init"},
		{"incident", "new", "--facts", filepath.Join(examples, "facts.yaml")},
		{"scope", "--export", filepath.Join(examples, "accounts.csv"), "--rules", filepath.Join(examples, "rules.yaml"), "--incident", "shop-2026", "--commit"},
		{"publish", "shop-2026"},
		{"incident", "add", "--facts", later},
		{"notice", "publish", "shop-2026", "--addendum", "9"},
		{"incident", "add", "--facts", back},
		{"notice", "publish", "shop-2026", "--kind", "correction"},
		{"incident", "new", "--facts", city},
		{"publish", "city"},
		{"incident", "new", "--facts", old},
		{"scope", "--export", filepath.Join(examples, "accounts.csv"), "--rules", filepath.Join(examples, "rules.yaml"), "--incident", "old-2020", "--commit"},
		{"publish", "old-2020", "--despite", "made up"},
		{"incident", "retire", "old-2020"},
	} {
		if out, ok := e.run(t, args...); !ok {
			t.Fatalf("%v: %s", args, out)
		}
	}
	var err error
	if e.db, err = store.Open(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.db.Close() })
	e.mustVerify(t, "before any edit")
	return e
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (e *edits) run(t *testing.T, args ...string) (string, bool) {
	t.Helper()
	args = append(args, "--data", e.data)
	if e.store != "" {
		t.Setenv("SHIRASE_STORE", e.store) // it has a password, which is no argument
	}
	var out, errw strings.Builder
	code := run(t.Context(), args, &out, &errw)
	return out.String() + errw.String(), code == exitDone
}

func (e *edits) mustVerify(t *testing.T, when string) {
	t.Helper()
	if out, ok := e.run(t, "ledger", "verify"); !ok {
		t.Fatalf("%s: %s", when, out)
	}
}

// mustFind has the edit found, and the answer say where in the words of where.
func (e *edits) mustFind(t *testing.T, what, where string) {
	t.Helper()
	e.found++
	out, ok := e.run(t, "ledger", "verify")
	if ok {
		t.Errorf("%s: not found", what)
	} else if !strings.Contains(out, where) {
		t.Errorf("%s: found, and %q is not named: %s", what, where, out)
	}
}

// table edits every column of the first, the middle and the last row, and deletes each of them.
func (e *edits) table(t *testing.T, table string, keys []string) {
	columns, rows := e.read(t, table, keys)
	if len(rows) == 0 {
		t.Fatalf("%s is empty", table)
	}
	for _, r := range slices.Compact([]int{0, len(rows) / 2, len(rows) - 1}) {
		row := rows[r]
		for c, column := range columns {
			if unpublishedColumns[table+"."+column] != "" {
				continue
			}
			edited := slices.Clone(row)
			edited[c] = edit(row[c], strings.HasSuffix(column, "bits") || column == "retracted")
			if e.update(t, table, columns, keys, row, edited) {
				e.mustFind(t, fmt.Sprintf("%s row %d, %s: %.40v → %.40v", table, r, column, row[c], edited[c]), "")
				if !e.update(t, table, columns, keys, edited, row) {
					t.Fatalf("%s is not put back", table)
				}
			} else {
				e.refused++
			}
		}
		where, args := match(columns, keys, row, 0)
		if _, err := e.db.ExecContext(t.Context(), "DELETE FROM "+table+where, args...); err != nil {
			e.refused++
			continue
		}
		e.mustFind(t, fmt.Sprintf("%s row %d deleted", table, r), "")
		marks := make([]string, len(row))
		for i := range row {
			marks[i] = fmt.Sprintf("$%d", i+1)
		}
		if _, err := e.db.ExecContext(t.Context(), "INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", row...); err != nil {
			t.Fatal(err)
		}
	}
	e.mustVerify(t, table+" put back")
}

// read gives a table's columns and its rows by key.
func (e *edits) read(t *testing.T, table string, keys []string) (columns []string, out [][]any) {
	t.Helper()
	rows, err := e.db.QueryContext(t.Context(), "SELECT * FROM "+table+" ORDER BY "+strings.Join(keys, ", "))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if columns, err = rows.Columns(); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, refs := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			refs[i] = &values[i]
		}
		if err := rows.Scan(refs...); err != nil {
			t.Fatal(err)
		}
		out = append(out, values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return columns, out
}

// edit gives the least different value.
func edit(v any, flag bool) any {
	switch v := v.(type) {
	case nil:
		return int64(1)
	case bool:
		return !v
	case int64:
		if flag && v < 2 {
			return 1 - v
		}
		return v + 1
	case []byte:
		out := slices.Clone(v)
		out[len(out)/2] ^= 1
		return out
	case string:
		if v == "" {
			return "x"
		}
		last := v[len(v)-1]
		return v[:len(v)-1] + string('a'+(last+1)%26)
	}
	return v
}

// match is the condition that a row has its keys; from is how many binds come before it.
func match(columns, keys []string, row []any, from int) (string, []any) {
	var where []string
	var args []any
	for _, k := range keys {
		args = append(args, row[slices.Index(columns, k)])
		where = append(where, fmt.Sprintf("%s = $%d", k, from+len(args)))
	}
	return " WHERE " + strings.Join(where, " AND "), args
}

// update puts a row in place of another; false where the database refuses.
func (e *edits) update(t *testing.T, table string, columns, keys []string, from, to []any) bool {
	t.Helper()
	var set []string
	for i, c := range columns {
		set = append(set, fmt.Sprintf("%s = $%d", c, i+1))
	}
	where, args := match(columns, keys, from, len(columns))
	res, err := e.db.ExecContext(t.Context(), "UPDATE "+table+" SET "+strings.Join(set, ", ")+where, append(slices.Clone(to), args...)...)
	if err != nil {
		return false
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		t.Fatalf("%s: %d rows changed, %v", table, n, err)
	}
	return true
}

// files flips a bit at the beginning, in the middle and at the end of every file that is published.
func (e *edits) files(t *testing.T) {
	seen := 0
	for _, folder := range []string{"ledger", "layers"} {
		root := filepath.Join(e.data, "files", folder)
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			seen++
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, _ := filepath.Rel(filepath.Join(e.data, "files"), path)
			for _, at := range slices.Compact([]int{0, len(data) / 2, len(data) - 1}) {
				flipped := slices.Clone(data)
				flipped[at] ^= 1
				if err := os.WriteFile(path, flipped, 0o600); err != nil {
					return err
				}
				e.mustFind(t, fmt.Sprintf("%s, byte %d", name, at), filepath.Base(path))
			}
			return os.WriteFile(path, data, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 8 {
		t.Errorf("only %d files are published", seen)
	}
}

// TestDecidedByAnEdit: whoever edits what is decided of keys and incidents would have the next statement say it. It is found
// before.
func TestDecidedByAnEdit(t *testing.T) {
	e := newEdits(t, "sqlite:")
	for edit, undo := range map[string]string{
		`INSERT INTO index_retired (incident, decided_at, actor) VALUES ('shop-2026', 1, 'x')`: `DELETE FROM index_retired WHERE incident = 'shop-2026'`,
		`INSERT INTO index_retired (incident, decided_at, actor) VALUES ('nobody', 1, 'x')`:    `DELETE FROM index_retired WHERE incident = 'nobody'`,
		`UPDATE index_key SET end_at = 1`:             `UPDATE index_key SET end_at = NULL`,
		`UPDATE index_key SET end_at = 1, ended_at=1`: `UPDATE index_key SET end_at = NULL, ended_at = NULL`,
		`UPDATE index_key SET compromised_at = 1`:     `UPDATE index_key SET compromised_at = NULL`,
		`UPDATE roster_case SET shred_at = 1`:         `UPDATE roster_case SET shred_at = NULL`,
	} {
		if _, err := e.db.ExecContext(t.Context(), edit); err != nil {
			t.Fatal(err)
		}
		e.mustFind(t, edit, "")
		if _, err := e.db.ExecContext(t.Context(), undo); err != nil {
			t.Fatal(err)
		}
	}
	e.mustVerify(t, "after everything was put back")
	// A roster is opened by whoever has its key; without it, its file is compared all the same.
	file, err := filepath.Glob(filepath.Join(e.data, "files", "rosters", "shop-2026", "*.age"))
	if err != nil || len(file) != 1 {
		t.Fatalf("%q, %v", file, err)
	}
	key := filepath.Join(e.data+"-keys", "case-shop-2026.key")
	for _, here := range []bool{true, false} {
		if !here {
			if err := os.Rename(key, key+".away"); err != nil {
				t.Fatal(err)
			}
			e.mustVerify(t, "without the case's key")
		}
		data, err := os.ReadFile(file[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, len(data) / 2, len(data) - 1} {
			flipped := slices.Clone(data)
			flipped[at] ^= 1
			if err := os.WriteFile(file[0], flipped, 0o600); err != nil {
				t.Fatal(err)
			}
			e.mustFind(t, fmt.Sprintf("byte %d of a sealed roster", at), "rosters of shop-2026")
		}
		if err := os.WriteFile(file[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e.mustVerify(t, "after everything was put back")
}

// TestEditedFactIsNamed: the incident, the key and what was published of it are said.
func TestEditedFactIsNamed(t *testing.T) {
	e := newEdits(t, "sqlite:")
	if _, err := e.db.ExecContext(t.Context(), `UPDATE incident_fact SET value = '{"number":9,"unit":"accounts","qualifier":"exact"}', amount = 9
		WHERE incident = 'shop-2026' AND fact_key = 'affected.count'`); err != nil {
		t.Fatal(err)
	}
	out, ok := e.run(t, "ledger", "verify")
	if ok || !strings.Contains(out, "incident_fact shop-2026") || !strings.Contains(out, "the fact affected.count, published in shop-2026-v1 as “") {
		t.Errorf("%v: %s", ok, out)
	}
}

// TestImportedIsNotPublished: what others published is never signed here as if it were a notice of theirs.
func TestImportedIsNotPublished(t *testing.T) {
	e := newEdits(t, "sqlite:")
	var out, errw strings.Builder
	a := appAt(e.data, &out, &errw)
	in, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file, err := incident.ParseFactsFile("f", []byte(`{id: other-2020, asOf: "2020-02-03", facts: [{key: title, value: Other}, {key: scope.state, value: investigating}]}`))
	if err != nil {
		t.Fatal(err)
	}
	rows := []incident.Record{{Dataset: "example", ExternalID: "1", ID: file.ID, Facts: file.Facts, AsOf: file.Facts[0].AsOf}}
	_, err = in.incidents.Import(t.Context(), actor.Operator(), func() (incident.Record, error) {
		if len(rows) == 0 {
			return incident.Record{}, io.EOF
		}
		r := rows[0]
		rows = rows[1:]
		return r, nil
	}, incident.ImportOptions{})
	in.close()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"publish", "other-2020"}, {"notice", "publish", "other-2020", "--kind", "first"}} {
		if out, ok := e.run(t, args...); ok || !strings.Contains(out, "it was imported") || !strings.Contains(out, "hint: ") {
			t.Errorf("%v: %v, %s", args, ok, out)
		}
	}
	e.mustVerify(t, "after the refusals")
}
