package roster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const activeExport = "id,mail,used\n1,a@x.jp,2026-05-01\n2,b@x.jp,2019-01-01\n2,b2@x.jp,2026-02-01\n3,c@x.jp,\n4,a@x.jp,2010-01-01\n5,d@x.jp,2018-12-31\n"

func activeRules(active string) string {
	return "columns: {account: id, email: mail}\nsets: [{classes: [email]}]\n" + active
}

// Of who is in use the roster keeps one bit a person: of any of their rows, and of any of their accounts.
func TestActive(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		create := func(incident, active string) (Roster, []string) {
			t.Helper()
			made, err := h.Create(t.Context(), actor.Operator(), incident, Options{Export: writeFile(t, "export.csv", activeExport), Rules: mustRules(t, activeRules(active)), TempDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			var in []string
			for m, err := range h.Members(t.Context(), made) {
				if err != nil {
					t.Fatal(err)
				}
				if m.Active {
					in = append(in, m.Identity.Value)
				}
			}
			return made, in
		}
		made, in := create("a", `active: 'used >= "2026"'`)
		if want := []string{"a@x.jp", "b2@x.jp", "b@x.jp"}; !made.Activity || made.Counts.Active != 2 || made.Counts.Affected != 5 || !slices.Equal(in, want) {
			t.Errorf("%v %+v, in use are %q", made.Activity, made.Counts, in)
		}
		if again, err := h.Latest(t.Context(), "a"); err != nil || !again.Activity || again.Counts.Active != 2 {
			t.Error(again, err)
		}
		if plain, in := create("b", ""); plain.Activity || plain.Counts.Active != 0 || len(in) != 0 {
			t.Errorf("rules that do not say who is in use: %+v %q", plain, in)
		}
	})
}

// A roster of rules that do not say who is in use is what it always was, byte for byte.
func TestActiveForm(t *testing.T) {
	key := make([]byte, macSize)
	of := func(active string) []byte {
		return plaintext(t, key, "a", Options{Export: writeFile(t, "export.csv", activeExport), Rules: mustRules(t, activeRules(active)), TempDir: t.TempDir()})
	}
	plain, active := of(""), of(`active: 'used >= "2026"'`)
	if !bytes.HasPrefix(plain, []byte(magic)) || bytes.Contains(plain, []byte("activ")) || !bytes.HasPrefix(active, []byte(magicActive)) || len(active) <= len(plain) {
		t.Errorf("%q\n%q", plain, active)
	}
	for _, b := range [][]byte{plain, active} {
		if n, err := readPlaintext(bytes.NewReader(b), key); err != nil || n != 5 {
			t.Error(n, err)
		}
	}
	if bytes.Contains(active, []byte("2026")) {
		t.Error("the roster keeps when an account was used")
	}
	for _, c := range []struct {
		name  string
		write bool
		foot  bool
	}{{"a footer that does not know of it", true, false}, {"members that do not say it", false, true}} {
		var b bytes.Buffer
		w, err := newFileWriter(&b, key, fileHeader{"a", []string{"email"}, ""}, c.write)
		err = errors.Join(err, w.member(&member{rank: 1, value: []byte("a@x.jp"), mask: 1, active: true}))
		_, end := w.finish(&meta{Counts: Counts{Excluded: Excluded{}, Identities: map[identity.Kind]int64{identity.KindEmail: 1}}, Activity: c.foot})
		if err := errors.Join(err, end); err != nil {
			t.Fatal(err)
		}
		if _, err := readPlaintext(&b, key); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Who cannot be asked is written to later, and stays in the scope; a rule that is wrong is told of where it stands.
func TestActiveFails(t *testing.T) {
	half := 0.5
	o := Options{Export: writeFile(t, "e.csv", "id,mail,days\n1,a@x.jp,3\n2,b@x.jp,never\n3,c@x.jp,400\n"), Rules: mustRules(t, activeRules("active: 'int(days) < 30'")),
		MaxRejects: &half, TempDir: t.TempDir(), Rejects: t.TempDir() + "/rejects.csv"}
	c, err := Scope(t.Context(), o)
	if err != nil || c.Affected != 3 || c.Active != 1 || c.Invalid != 0 {
		t.Fatal(c, err)
	}
	if list, err := os.ReadFile(o.Rejects); err != nil || !strings.Contains(string(list), "3,active,rule") || strings.Contains(string(list), "never") {
		t.Errorf("%s %v", list, err)
	}
	for src, want := range map[string]string{
		"active: ' '":           "rules.yaml:3: active: it is empty",
		"active: 'used >= '":    "rules.yaml:3: active: at character",
		"active: 'all(a, {1})'": "rules.yaml:3: active: at character",
		"active: [x]":           "rules.yaml:3",
	} {
		if _, err := ParseRules("rules.yaml", []byte(activeRules(src)), []string{"email"}); !errors.Is(err, ErrRules) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", src, err)
		}
	}
	rs := mustRules(t, activeRules("active: 'use == \"1\"'"))
	if _, err := Scope(context.Background(), Options{Export: writeFile(t, "e.csv", "id,mail,used\n1,a@x.jp,1\n"), Rules: rs, TempDir: t.TempDir()}); !errors.Is(err, ErrRules) || !strings.Contains(err.Error(), "rules.yaml:3: active") {
		t.Errorf("%v", err)
	}
}
