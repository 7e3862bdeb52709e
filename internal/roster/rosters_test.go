package roster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/charset"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// A home is a room with its folders.
type home struct {
	*Rosters
	folder string
}

func newHome(t testing.TB, db *store.DB) *home {
	t.Helper()
	return openHome(t, db, t.TempDir())
}

func openHome(t testing.TB, db *store.DB, folder string) *home {
	t.Helper()
	dir, err := files.Open(filepath.Join(folder, "files"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	r, err := New(t.Context(), db, dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	return &home{r, folder}
}

// rosterFiles are the names of all roster files there are.
func (h *home) rosterFiles(t testing.TB) []string {
	t.Helper()
	names, err := h.dir.List("rosters")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// members describes each member in a line.
func (h *home) members(t testing.TB, r Roster) []string {
	t.Helper()
	lines, err := describe(h.Members(t.Context(), r), r)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func describe(members iter.Seq2[Member, error], r Roster) ([]string, error) {
	var lines []string
	for m, err := range members {
		if err != nil {
			return lines, err
		}
		lines = append(lines, fmt.Sprintf("%s %q %s [%s] %q +%d", m.Identity.Kind, m.Identity.Value,
			strings.Join(r.Sets[m.Set], "+"), m.Locale, m.Accounts, m.MoreAccounts))
	}
	return lines, nil
}

func modelOptions(t testing.TB, export string) Options {
	t.Helper()
	half := 0.5
	return Options{Export: writeFile(t, "export.csv", export), Rules: mustRules(t, modelRules), MaxRejects: &half, TempDir: t.TempDir()}
}

func TestCreate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		ctx := t.Context()
		_, err := h.Latest(ctx, "naver-2013")
		if !errors.Is(err, ErrNone) || !strings.Contains(hint.Of(err), "shirase scope") {
			t.Errorf("Latest before any: %v, %q", err, hint.Of(err))
		}
		o := modelOptions(t, modelExport)
		dry, err := Scope(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now().Truncate(time.Microsecond)
		made, err := h.Create(ctx, actor.Operator(), "naver-2013", o)
		if err != nil {
			t.Fatal(err)
		}
		if countsJSON(t, dry) != countsJSON(t, made.Counts) {
			t.Errorf("dry run %s, commit %s", countsJSON(t, dry), countsJSON(t, made.Counts))
		}
		wantSets := [][]string{{"email", "nickname", "password:hashed"}, {"email", "password:hashed"}}
		if !reflect.DeepEqual(made.Sets, wantSets) || !slices.Equal(made.Index, []identity.Kind{identity.KindEmail}) ||
			made.Incident != "naver-2013" || made.ID == "" || made.Created.Before(before) || made.Created.After(time.Now()) || !made.Shredded.IsZero() {
			t.Errorf("%+v", made)
		}
		want := []string{
			// Account 5's row is the first of the address with a locale; account 1
			// had it first. What account 1 lost was united over its rows.
			`email "user1@example.com" email+nickname+password:hashed [ja] ["1" "5"] +0`,
			`email "user1b@example.com" email+nickname+password:hashed [ja] ["1"] +0`,
			`email "user2@example.com" email+password:hashed [ja] ["2"] +0`,
		}
		if got := h.members(t, made); !slices.Equal(got, want) {
			t.Errorf("members\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		latest, err := h.Latest(ctx, "naver-2013")
		if err != nil || !reflect.DeepEqual(latest, made) {
			t.Errorf("Latest %+v, %v\nCreate %+v", latest, err, made)
		}
		raw, err := os.ReadFile(filepath.Join(h.folder, "files", "rosters", "naver-2013", made.ID+".age"))
		if err != nil || bytes.Contains(raw, []byte("example")) || bytes.Contains(raw, []byte("email")) {
			t.Errorf("the file can be read: %v", err)
		}
	})
}

// TestCreateAgain: the same scope is the same roster; another is another; and the
// first again is current again.
func TestCreateAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		ctx := t.Context()
		create := func(export string) Roster {
			t.Helper()
			r, err := h.Create(ctx, actor.Operator(), "a", modelOptions(t, export))
			if err != nil {
				t.Fatal(err)
			}
			latest, err := h.Latest(ctx, "a")
			if err != nil || !reflect.DeepEqual(latest, r) {
				t.Fatalf("Latest %+v, %v\nCreate %+v", latest, err, r)
			}
			return r
		}
		other := strings.Replace(modelExport, "user2@", "user22@", 1)
		first := create(modelExport)
		if again := create(modelExport); !reflect.DeepEqual(again, first) {
			t.Errorf("again: %+v\nfirst %+v", again, first)
		}
		second := create(other)
		if second.ID == first.ID {
			t.Error("another scope has the same id")
		}
		third := create(modelExport)
		if third.ID != first.ID || third.Created.Before(second.Created) {
			t.Errorf("third %+v\nfirst %+v", third, first)
		}
		if n := len(h.rosterFiles(t)); n != 2 {
			t.Errorf("%d files", n)
		}
		if got := h.members(t, second); !strings.Contains(strings.Join(got, "\n"), "user22@") {
			t.Errorf("the second's members: %q", got)
		}
		// A file that was lost is made again.
		if err := h.dir.Remove(fileName("a", first.ID)); err != nil {
			t.Fatal(err)
		}
		if fourth := create(modelExport); len(h.members(t, fourth)) != 3 {
			t.Error("the lost file was not made again")
		}
		// Another incident has another key, and so another id.
		b, err := h.Create(ctx, actor.Operator(), "b", modelOptions(t, modelExport))
		if err != nil || b.ID == first.ID {
			t.Errorf("%v, %v", b.ID, err)
		}
	})
}

func TestCreateRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		ctx := t.Context()
		for _, c := range []struct {
			incident, export string
			is               error
			want             string
		}{
			{"", modelExport, nil, "an incident's id"},
			{"../x", modelExport, nil, "an incident's id"},
			{"a", "member_id,mail,lang,country,auth,nickname\n1,user1@example.com,,US,,\n", ErrNobody, "of 1 rows 1 are excluded"},
			{"a", "member_id,mail,lang,country,auth,nickname\n1,,,JP,,\n", ErrNobody, "no other has an identity"},
			{"a", "member_id,mail,lang,country,auth,nickname\n1,x,,JP,,\n", ErrTooManyRejects, "1 of 1"},
			{"a", "member_id,country\n1,JP\n", ErrRules, "no column"},
			{"a", "", ErrExport, "empty"},
		} {
			_, err := h.Create(ctx, actor.Operator(), c.incident, modelOptions(t, c.export))
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: %v", c.export, err)
			}
		}
		if names := h.rosterFiles(t); len(names) != 0 {
			t.Errorf("files %q", names)
		}
		if temp, err := os.ReadDir(filepath.Join(h.folder, "files", ".tmp")); err != nil || len(temp) != 0 {
			t.Errorf("temporary files %v, %v", temp, err)
		}
		if _, err := h.Latest(ctx, "a"); !errors.Is(err, ErrNone) {
			t.Errorf("Latest: %v", err)
		}
	})
}

// TestCreateTogether: two that make rosters of one incident at the same time leave
// one of them current, and both whole.
func TestCreateTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		options := make([]Options, 6)
		for i := range options {
			options[i] = modelOptions(t, modelExport+fmt.Sprintf("x%d,user%d@example.com,,JP,,\n", i, 100+i))
		}
		var wg sync.WaitGroup
		made := make([]Roster, len(options))
		errs := make([]error, len(options))
		for i, o := range options {
			wg.Go(func() { made[i], errs[i] = h.Create(t.Context(), actor.Operator(), "a", o) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		latest, err := h.Latest(t.Context(), "a")
		if err != nil || !slices.ContainsFunc(made, func(r Roster) bool { return r.ID == latest.ID }) {
			t.Fatalf("%+v, %v", latest, err)
		}
		for _, r := range made {
			if n := len(h.members(t, r)); n != 4 {
				t.Errorf("%d members", n)
			}
		}
	})
}

func TestSweep(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		first, err := h.Create(t.Context(), actor.Operator(), "a", modelOptions(t, modelExport))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"rosters/a/orphan.age", "rosters/a/x/y", "rosters/ab/other.age"} {
			if err := h.dir.Put(name, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.Create(t.Context(), actor.Operator(), "a", modelOptions(t, modelExport)); err != nil {
			t.Fatal(err)
		}
		if got, want := h.rosterFiles(t), []string{fileName("a", first.ID), "rosters/ab/other.age"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestSweptWhileCommitting: a file that another process sweeps away in the instant between its getting a name and its naming
// gets its name again; one of a case that is shredded in that instant goes.
func TestSweptWhileCommitting(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		other := openHome(t, db, h.folder)
		between := func(files int, do func()) { // when there are as many
			done := false
			h.dir.Watch(func() {
				if names := other.rosterFiles(t); !done && len(names) == files {
					done = true
					do()
				}
			})
		}
		between(1, func() {
			if err := other.sweep(t.Context(), "a"); err != nil {
				t.Error(err)
			}
			if names := other.rosterFiles(t); len(names) > 0 {
				t.Errorf("not swept: %q", names)
			}
		})
		made, err := h.Create(t.Context(), actor.Operator(), "a", modelOptions(t, modelExport))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(h.members(t, made)); n != 3 {
			t.Errorf("%d members", n)
		}
		if err := h.Shred(t.Context(), actor.Operator(), "a"); err != nil {
			t.Fatal(err)
		}
		between(0, func() { // before it has its name
			if err := other.Shred(t.Context(), actor.Operator(), "b"); err != nil {
				t.Error(err)
			}
		})
		if _, err := h.Create(t.Context(), actor.Operator(), "b", modelOptions(t, modelExport)); !errors.Is(err, ErrShredded) {
			t.Errorf("shredded while a roster was committed: %v", err)
		}
		if names := h.rosterFiles(t); len(names) > 0 {
			t.Errorf("left: %q", names)
		}
	})
}

func TestShred(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		ctx := t.Context()
		if err := h.Shred(ctx, actor.Operator(), "a"); !errors.Is(err, ErrNone) {
			t.Errorf("nothing to shred: %v", err)
		}
		made, err := h.Create(ctx, actor.Operator(), "a", modelOptions(t, modelExport))
		if err != nil {
			t.Fatal(err)
		}
		other, err := h.Create(ctx, actor.Operator(), "b", modelOptions(t, modelExport))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Shred(ctx, actor.Operator(), "a"); err != nil {
			t.Fatal(err)
		}
		first, err := h.Latest(ctx, "a")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Shred(ctx, actor.Operator(), "a"); err != nil {
			t.Fatal(err)
		}
		gone := func(when string) {
			t.Helper()
			latest, err := h.Latest(ctx, "a")
			if err != nil || latest.Shredded.IsZero() || !latest.Shredded.Equal(first.Shredded) || countsJSON(t, latest.Counts) != countsJSON(t, made.Counts) {
				t.Errorf("%s: Latest %+v, %v", when, latest, err)
			}
			if _, err := describe(h.Members(ctx, made), made); !errors.Is(err, ErrShredded) {
				t.Errorf("%s: Members: %v", when, err)
			}
			if _, err := h.Create(ctx, actor.Operator(), "a", modelOptions(t, modelExport)); !errors.Is(err, ErrShredded) {
				t.Errorf("%s: Create: %v", when, err)
			}
			if names, err := h.keys.List(); err != nil || !slices.Equal(names, []string{"case-b.key"}) {
				t.Errorf("%s: keys %q, %v", when, names, err)
			}
			if names := h.rosterFiles(t); !slices.Equal(names, []string{fileName("b", other.ID)}) {
				t.Errorf("%s: files %q", when, names)
			}
		}
		gone("after Shred")
		if len(h.members(t, other)) != 3 {
			t.Error("the other incident's roster was hurt")
		}
		// A process that was killed between recording and doing.
		if err := h.keys.Create("case-a.key", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := h.dir.Put(fileName("a", made.ID), []byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(ctx, `UPDATE roster_case SET shredded_at = NULL WHERE incident = 'a'`); err != nil {
			t.Fatal(err)
		}
		h = openHome(t, db, h.folder)
		gone("after the next New")
	})
}

func TestKeyTrouble(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		ctx := t.Context()
		made, err := h.Create(ctx, actor.Operator(), "a", modelOptions(t, modelExport))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(h.folder, "keys", "case-a.key")
		secret, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, is error, remedy string) {
			t.Helper()
			_, err := describe(h.Members(ctx, made), made)
			if !errors.Is(err, is) || !strings.Contains(hint.Of(err), remedy) {
				t.Errorf("%s: Members: %v, %q", what, err, hint.Of(err))
			}
			if _, err := h.Create(ctx, actor.Operator(), "a", modelOptions(t, modelExport)); !errors.Is(err, is) && !errors.Is(is, ErrDamaged) {
				t.Errorf("%s: Create: %v", what, err)
			}
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		check("loose", files.ErrLoose, "chmod 600")
		os.WriteFile(path, []byte("not a key\n"), 0o600)
		os.Chmod(path, 0o600)
		check("not a key", ErrNoKey, "put it back")
		os.Remove(path)
		check("missing", ErrNoKey, "--keys")
		another, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(path, []byte(another.String()), 0o600)
		check("another's", ErrDamaged, "")
		os.WriteFile(path, secret, 0o600)
		if len(h.members(t, made)) != 3 {
			t.Error("the key is back and the roster is not")
		}
	})
}

// TestDamagedFiles: whatever is done to the file of a roster is an error, and no
// end of the list.
func TestDamagedFiles(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		ctx := t.Context()
		create := func(incident, export string) (Roster, []byte) {
			r, err := h.Create(ctx, actor.Operator(), incident, modelOptions(t, export))
			if err != nil {
				t.Fatal(err)
			}
			b, err := h.dir.Get(fileName(incident, r.ID), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			return r, b
		}
		made, file := create("a", modelExport)
		older, olderFile := create("a", strings.Replace(modelExport, "user2@", "user22@", 1))
		_, others := create("b", modelExport)
		harms := map[string][]byte{"another incident's": others, "another roster's of the incident": olderFile,
			"empty": {}, "longer": append(slices.Clone(file), 0), "half": file[:len(file)/2], "not age": []byte("hello, world\n")}
		for i := 0; i < len(file); i += 31 {
			b := slices.Clone(file)
			b[i] ^= 0x10
			harms[fmt.Sprintf("byte %d changed", i)] = b
		}
		for name, b := range harms {
			if err := h.dir.Put(fileName("a", made.ID), b); err != nil {
				t.Fatal(err)
			}
			if _, err := describe(h.Members(ctx, made), made); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := h.dir.Put(fileName("a", made.ID), file); err != nil {
			t.Fatal(err)
		}
		if len(h.members(t, made)) != 3 || len(h.members(t, older)) != 3 {
			t.Error("the files are back, the rosters are not")
		}
		lie := made
		lie.Counts.Affected++
		if _, err := describe(h.Members(ctx, lie), lie); !errors.Is(err, ErrDamaged) {
			t.Errorf("other figures: %v", err)
		}
		lie = made
		lie.Sets = lie.Sets[:1]
		if _, err := describe(h.Members(ctx, lie), lie); !errors.Is(err, ErrDamaged) {
			t.Errorf("other sets: %v", err)
		}
		if err := h.dir.Remove(fileName("a", made.ID)); err != nil {
			t.Fatal(err)
		}
		if _, err := describe(h.Members(ctx, made), made); !errors.Is(err, ErrDamaged) {
			t.Errorf("missing: %v", err)
		}
	})
}

func TestMembersCancelled(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		made, err := h.Create(t.Context(), actor.Operator(), "a", modelOptions(t, modelExport))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := describe(h.Members(ctx, made), made); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		for range h.Members(t.Context(), made) {
			break
		}
	})
}

// plaintext makes the plaintext of a roster file.
func plaintext(t testing.TB, key []byte, incident string, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := newFileWriter(&b, key, fileHeader{incident, o.Rules.classes, ""}, o.Rules.active.text != "")
	if err != nil {
		t.Fatal(err)
	}
	result, err := run(t.Context(), o, w.member)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.finish(&meta{result.counts, o.Rules.index, o.Rules.phoneRegion, setsOf(result.sets, o.Rules.classes), o.Rules.indexedAs(), o.Rules.active.text != ""}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readPlaintext(r io.Reader, key []byte) (members int, err error) {
	f, err := newFileReader(r, key)
	if err != nil {
		return 0, err
	}
	for {
		_, _, ok, err := f.next()
		if err != nil {
			return members, err
		}
		if !ok {
			_, _, err := f.finish()
			return members, err
		}
		members++
	}
}

// FuzzRosterFile: the plaintext is authenticated, so this is about a program that
// wrote it wrong: nothing is taken for a roster but what the writer writes.
func FuzzRosterFile(f *testing.F) {
	key := make([]byte, macSize)
	good := plaintext(f, key, "a", modelOptions(f, modelExport))
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(magic))
	f.Add([]byte(strings.Replace(string(good), "roster 1", "roster 2", 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := readPlaintext(bytes.NewReader(b), key); err == nil && !bytes.Equal(b, good) {
			t.Fatalf("%d members from %q", n, b)
		} else if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v", err)
		}
	})
}

// TestStrictReader: a program that wrote a roster wrong is found out, although its
// file is authentic.
func TestStrictReader(t *testing.T) {
	key := make([]byte, macSize)
	user := func(name string) member {
		return member{rank: 1, value: []byte(name + "@example.com"), mask: 1, locale: []byte("ja"), accounts: [][]byte{[]byte("1")}}
	}
	with := func(change func(*member)) member {
		m := user("b")
		change(&m)
		return m
	}
	counts := func(n int64) meta {
		return meta{Counts: Counts{Excluded: Excluded{}, Identities: map[identity.Kind]int64{identity.KindEmail: n}}}
	}
	for _, c := range []struct {
		name    string
		members []member
		footer  meta
		tail    string
		ok      bool
	}{
		{"right", []member{user("a"), user("b")}, counts(2), "", true},
		{"nobody", nil, meta{Counts: Counts{Excluded: Excluded{}}}, "", true},
		{"out of order", []member{user("b"), user("a")}, counts(2), "", false},
		{"twice", []member{user("a"), user("a")}, counts(2), "", false},
		{"an empty set", []member{user("a"), with(func(m *member) { m.mask = 0 })}, counts(2), "", false},
		{"a class that is not there", []member{user("a"), with(func(m *member) { m.mask = 4 })}, counts(2), "", false},
		{"an unknown kind", []member{user("a"), with(func(m *member) { m.rank = 3 })}, counts(2), "", false},
		{"too many accounts", []member{with(func(m *member) { m.accounts = make([][]byte, maxAccounts+1) })}, counts(1), "", false},
		{"more accounts than can be", []member{with(func(m *member) { m.more = 1 << 63 })}, counts(1), "", false},
		{"too long a member", []member{with(func(m *member) { m.value = make([]byte, maxMember) })}, counts(1), "", false},
		{"members that are not there", nil, counts(2), "", false},
		{"another number", []member{user("a")}, counts(2), "", false},
		{"something after the end", []member{user("a")}, counts(1), "x", false},
	} {
		var b bytes.Buffer
		w, err := newFileWriter(&b, key, fileHeader{"a", []string{"email", "name"}, ""}, false)
		for _, m := range c.members {
			err = errors.Join(err, w.member(&m))
		}
		_, end := w.finish(&c.footer)
		if err := errors.Join(err, end); err != nil {
			t.Fatal(err)
		}
		b.WriteString(c.tail)
		if _, err := readPlaintext(&b, key); c.ok != (err == nil) || err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestFileVersion: a file of a later form is told apart from a damaged one.
func TestFileVersion(t *testing.T) {
	_, err := newFileReader(strings.NewReader("shirase roster 3\n"), nil)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(hint.Of(err), "newer") {
		t.Errorf("%v, %q", err, hint.Of(err))
	}
}

// An accountRow is a row of a generated export.
type accountRow struct{ id, mail, tel, lang, country, nick string }

func randomRows(r *rand.Rand, n int) []accountRow {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	rows := make([]accountRow, n)
	for i := range rows {
		rows[i] = accountRow{
			id:      pick("", "\x01", strings.Repeat(" ", r.IntN(2))+fmt.Sprint(r.IntN(n)), fmt.Sprint(r.IntN(n)), fmt.Sprint(r.IntN(n))),
			mail:    pick("", "x", "User", "user", "user", "user", "ｕｓｅｒ"),
			tel:     pick("", "", "090-1234-%04d", "+8190 1234 %04d", "110"),
			lang:    pick("", "ja", "ja_JP", "en-US", "xx-yy-zz-000000000000000"),
			country: pick("JP", "JP", "JP", "US", ""),
			nick:    pick("", "太郎", "花 子", "改\n行", `"`, "a,b\tc", "髙﨑①"),
		}
		if rows[i].mail != "" && rows[i].mail != "x" {
			rows[i].mail += fmt.Sprint(r.IntN(n)) + "@example.com"
		}
		if strings.Contains(rows[i].tel, "%") {
			rows[i].tel = fmt.Sprintf(rows[i].tel, r.IntN(min(n, 10_000)))
		}
	}
	return rows
}

var columnsOfRow = []string{"id", "mail", "tel", "lang", "country", "nick"}

func (a accountRow) values() []string {
	return []string{a.id, a.mail, a.tel, a.lang, a.country, a.nick}
}

// write writes rows in a format.
func writeRows(t testing.TB, rows []accountRow, format Format) string {
	t.Helper()
	var b strings.Builder
	comma := map[Format]string{CSV: ",", TSV: "\t"}[format]
	line := func(values []string) {
		for i, v := range values {
			if i > 0 {
				b.WriteString(comma)
			}
			if strings.ContainsAny(v, "\",\n\r\t") {
				v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
			}
			b.WriteString(v)
		}
		b.WriteString("\r\n")
	}
	if format != JSONLines {
		line(columnsOfRow)
	}
	for _, r := range rows {
		if format != JSONLines {
			line(r.values())
			continue
		}
		b.WriteByte('{')
		for i, v := range r.values() {
			q, err := jsontext.AppendQuote(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s%q:%s", map[bool]string{true: ","}[i > 0], columnsOfRow[i], q)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

const randomRules = `
columns: {account: id, email: mail, phone: tel, locale: lang}
index: [email, phone, account]
organisation: example
phoneRegion: JP
maxRejects: 1
exclude:
  - {name: foreign, when: 'country == "US"'}
  - {name: quoted, when: 'nick == "\""'}
sets:
  - {when: 'nick != "" and country == "JP"', classes: [email, nickname]}
  - {when: 'nick contains "郎"', classes: [name]}
  - {classes: [email]}
`

// naive is the scope, worked out in memory and by the words of the documentation.
func naive(t testing.TB, rows []accountRow) (Counts, []string) {
	t.Helper()
	counts := Counts{Excluded: Excluded{{Rule: "foreign"}, {Rule: "quoted"}}, Identities: map[identity.Kind]int64{}}
	type person struct {
		classes map[string]bool
		locale  string
		ids     map[identity.Identity]bool
		email   bool
	}
	people, order := map[string]*person{}, []string{}
	locales := map[string]string{"ja": "ja", "ja_JP": "ja-JP", "en-US": "en-US"}
	bad := map[identity.Kind]int64{}
	for i, r := range rows {
		counts.Total++
		badID := r.id == "" || r.id == "\x01"
		switch {
		case r.country == "US":
			counts.Excluded[0].Rows++
			continue
		case r.nick == `"`:
			counts.Excluded[1].Rows++
			continue
		}
		for kind, is := range map[identity.Kind]bool{identity.KindAccount: badID, identity.KindEmail: r.mail == "x", identity.KindPhone: r.tel == "110"} {
			if is {
				bad[kind]++
			}
		}
		if badID && (r.mail == "" || r.mail == "x") && (r.tel == "" || r.tel == "110") {
			counts.Invalid++
			continue
		}
		r.id = strings.TrimSpace(r.id)
		if badID { // an account of its own
			r.id = fmt.Sprint("row ", i)
		}
		p, ok := people[r.id]
		if counts.Duplicates++; !ok {
			counts.Duplicates--
			counts.Affected++
			p = &person{classes: map[string]bool{}, ids: map[identity.Identity]bool{}}
			people[r.id], order = p, append(order, r.id)
		}
		if account, err := identity.NewAccount("example", r.id); err == nil && !badID {
			p.ids[account] = true
		}
		if id, err := identity.ParseEmail(r.mail); err == nil {
			p.ids[id], p.email = true, true
		}
		if id, err := identity.ParsePhone(r.tel, "JP"); err == nil {
			p.ids[id] = true
		}
		switch {
		case r.nick != "" && r.country == "JP":
			p.classes["email"], p.classes["nickname"] = true, true
		case strings.Contains(r.nick, "郎"):
			p.classes["name"] = true
		default:
			p.classes["email"] = true
		}
		if p.locale == "" {
			p.locale = locales[r.lang]
		}
	}
	type united struct {
		classes  map[string]bool
		locale   string
		accounts []string
	}
	all := map[identity.Identity]*united{}
	for _, account := range order {
		p := people[account]
		if !p.email {
			counts.WithoutEmail++
		}
		has := map[identity.Kind]bool{}
		for id := range p.ids {
			has[id.Kind] = true
		}
		for _, kind := range []identity.Kind{identity.KindPhone, identity.KindAccount} { // the others that the rules index
			if !has[kind] {
				if counts.Without == nil {
					counts.Without = map[identity.Kind]int64{}
				}
				counts.Without[kind]++
			}
		}
		for id := range p.ids {
			u := all[id]
			if u == nil {
				u = &united{classes: map[string]bool{}}
				all[id] = u
				counts.Identities[id.Kind]++
			}
			for c := range p.classes {
				u.classes[c] = true
			}
			if u.locale == "" {
				u.locale = p.locale
			}
			if !strings.HasPrefix(account, "row ") {
				u.accounts = append(u.accounts, account)
			}
		}
	}
	if len(bad) > 0 {
		counts.Unreadable = bad
	}
	var ids []identity.Identity
	for id := range all {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b identity.Identity) int { return bytes.Compare(a.Input(), b.Input()) })
	var lines []string
	for _, id := range ids {
		u := all[id]
		var classes []string
		for _, c := range []string{"email", "name", "nickname"} {
			if u.classes[c] {
				classes = append(classes, c)
			}
		}
		lines = append(lines, fmt.Sprintf("%s %q %s [%s] %q +0", id.Kind, id.Value, strings.Join(classes, "+"), u.locale, u.accounts))
	}
	return counts, lines
}

// TestAgainstNaive: any form of the export, dry or committed, in memory or spilled,
// gives what a program that holds everything in memory gives.
func TestAgainstNaive(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		forms := []struct {
			format Format
			enc    charset.Encoding
			how    string
		}{{CSV, charset.UTF8, ""}, {TSV, charset.ShiftJIS, "gzip"}, {JSONLines, charset.EUCJP, "zstd"}, {CSV, charset.UTF16LE, "gzip"}, {JSONLines, charset.UTF8, ""}, {CSV, charset.EUCJP, "zstd"}}
		for seed := range uint64(len(forms)) {
			form := forms[seed]
			n := []int{1, 40, 500, 3000, 300, 60_000}[seed]
			rows := randomRows(rand.New(rand.NewPCG(seed, 1)), n)
			wantCounts, want := naive(t, rows)
			text := writeRows(t, rows, form.format)
			if form.enc == charset.UTF16LE {
				text = "\ufeff" + text
			}
			text = encoded(t, form.enc, text)
			if form.how != "" {
				text = compressed(t, form.how, text)
			}
			o := Options{Export: writeFile(t, "export."+string(form.format), text), Rules: mustRules(t, randomRules),
				TempDir: t.TempDir(), Memory: 1}
			dry, err := Scope(t.Context(), o)
			if err != nil {
				t.Fatalf("%v: %v", form, err)
			}
			if got, want := countsJSON(t, dry), countsJSON(t, wantCounts); got != want {
				t.Errorf("%v: counts\n%s, want\n%s", form, got, want)
			}
			if wantCounts.Affected == 0 {
				continue
			}
			made, err := h.Create(t.Context(), actor.Operator(), fmt.Sprint("case-", seed), o)
			if err != nil {
				t.Fatalf("%v: %v", form, err)
			}
			if got := countsJSON(t, made.Counts); got != countsJSON(t, dry) {
				t.Errorf("%v: commit %s, dry run %s", form, got, countsJSON(t, dry))
			}
			got := h.members(t, made)
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Errorf("%v: member %d of %d: %s\nwant %s of %d", form, i, len(got), got[min(i, len(got)-1)], want[min(i, len(want)-1)], len(want))
					break
				}
			}
			if left, err := os.ReadDir(o.TempDir); err != nil || len(left) != 0 {
				t.Errorf("left in the temporary folder: %v, %v", left, err)
			}
		}
	})
}

// TestSameBytes: the same scope is the same plaintext, whatever the memory, the
// form of the export and the run.
func TestSameBytes(t *testing.T) {
	rows := randomRows(rand.New(rand.NewPCG(7, 7)), 30_000)
	key := make([]byte, macSize)
	var first []byte
	for _, form := range []struct {
		format Format
		memory int64
	}{{CSV, 0}, {CSV, 1}, {TSV, 1}, {JSONLines, 0}} {
		o := Options{Export: writeFile(t, "export."+string(form.format), writeRows(t, rows, form.format)),
			Rules: mustRules(t, randomRules), TempDir: t.TempDir(), Memory: form.memory}
		b := plaintext(t, key, "a", o)
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Errorf("%v: other bytes", form)
		}
	}
}

// TestSharedAddress: an address of very many accounts is one member, and its list
// of accounts is bounded.
func TestSharedAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		var b strings.Builder
		b.WriteString("id,mail\n")
		for i := range maxAccounts + 500 {
			fmt.Fprintf(&b, "%d,none@example.com\n", i)
		}
		made, err := h.Create(t.Context(), actor.Operator(), "a", Options{Export: writeFile(t, "x.csv", b.String()), TempDir: t.TempDir(),
			Rules: mustRules(t, "columns: {account: id, email: mail}\n"+everyone)})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for m, err := range h.Members(t.Context(), made) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; len(m.Accounts) != maxAccounts || m.MoreAccounts != 500 || m.Accounts[0] != "0" || m.Accounts[999] != "999" {
				t.Errorf("%d accounts and %d more", len(m.Accounts), m.MoreAccounts)
			}
		}
		if n != 1 || made.Counts.Affected != maxAccounts+500 {
			t.Errorf("%d members, %d affected", n, made.Counts.Affected)
		}
	})
}

func TestExcludedJSON(t *testing.T) {
	for _, bad := range []string{`[]`, `{"a":"1"}`, `{"a":1`, `{"a":1,"a":2}`, `1`} {
		var e Excluded
		if err := json.Unmarshal([]byte(bad), &e); err == nil {
			t.Errorf("%s: %v", bad, e)
		}
	}
	e := Excluded{{"z", 1}, {"a\"b", 2}}
	if b, err := json.Marshal(e); err != nil || string(b) != `{"z":1,"a\"b":2}` {
		t.Errorf("%s, %v", b, err)
	}
}

func BenchmarkScope(b *testing.B) {
	const n = 100_000
	rows := randomRows(rand.New(rand.NewPCG(1, 1)), n)
	text := writeRows(b, rows, CSV)
	for _, c := range []struct {
		name, text, rules string
	}{
		{"account", text, "columns: {account: id, email: mail}\nmaxRejects: 1\nexclude: [{name: x, when: 'country != \"JP\"'}]\n" + everyone},
		{"no account", text, "columns: {email: mail}\nmaxRejects: 1\n" + everyone},
		{"shift_jis", encoded(b, charset.ShiftJIS, text), "columns: {email: mail}\nmaxRejects: 1\n" + everyone},
		{"gzip", compressed(b, "gzip", text), "columns: {email: mail}\nmaxRejects: 1\n" + everyone},
		{"zstd", compressed(b, "zstd", text), "columns: {email: mail}\nmaxRejects: 1\n" + everyone},
		{"json", writeRows(b, rows, JSONLines), "columns: {email: mail}\nmaxRejects: 1\n" + everyone},
		{"phone", text, "columns: {phone: tel}\nindex: [phone]\nphoneRegion: JP\nmaxRejects: 1\n" + everyone},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := Options{Export: writeFile(b, "export", c.text), Rules: mustRules(b, c.rules), TempDir: b.TempDir()}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Scope(b.Context(), o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
