package roster

import (
	"errors"
	"strings"
	"testing"

	"filippo.io/age"

	"shirase/internal/actor"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// Files are verified without a key, and keys by what is sealed under them.
func TestVerify(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		ctx := t.Context()
		var made []Roster
		for _, id := range []string{"a", "b", "c"} {
			r, err := h.Create(ctx, actor.Operator(), id, modelOptions(t, modelExport))
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, r)
		}
		want := func(when string, whole, unrecorded int64, wrong ...string) {
			t.Helper()
			got, err := VerifyFiles(ctx, db, h.dir)
			if err != nil || got.Whole != whole || got.Unrecorded != unrecorded || len(got.Wrong) != len(wrong) {
				t.Fatalf("%s: %+v, %v", when, got, err)
			}
			for i, w := range wrong {
				if !errors.Is(got.Wrong[i], ErrDamaged) || !strings.Contains(got.Wrong[i].Error(), w) {
					t.Errorf("%s: %v", when, got.Wrong[i])
				}
			}
		}
		want("at first", 3, 0)
		if err := h.VerifyKeys(ctx); err != nil {
			t.Error(err)
		}
		b, err := h.dir.Get(fileName("a", made[0].ID), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-1] ^= 1
		if err := h.dir.Put(fileName("a", made[0].ID), b); err != nil {
			t.Fatal(err)
		}
		want("a changed bit", 2, 0, "other bytes than were sealed")
		// Lost, and made again: it is another file, of the same roster.
		if err := h.dir.Remove(fileName("a", made[0].ID)); err != nil {
			t.Fatal(err)
		}
		want("a lost file", 2, 0, "is missing")
		if again, err := h.Create(ctx, actor.Operator(), "a", modelOptions(t, modelExport)); err != nil || again.ID != made[0].ID {
			t.Fatalf("made again: %+v, %v", again, err)
		}
		want("made again, perhaps by two at once", 2, 1)
		if err := h.Shred(ctx, actor.Operator(), "b"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(ctx, `UPDATE roster SET sha256 = '' WHERE incident = 'c'`); err != nil {
			t.Fatal(err)
		}
		want("one shredded, one of an earlier version", 0, 2)

		if err := h.VerifyKeys(ctx); err != nil {
			t.Error(err)
		}
		other, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(h.keys.Destroy("case-a.key"), h.keys.Destroy("case-c.key"), h.keys.Create("case-c.key", []byte(other.String()))); err != nil {
			t.Fatal(err)
		}
		err = h.VerifyKeys(ctx)
		if !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "case a") || !strings.Contains(err.Error(), "holds another key") || strings.Contains(err.Error(), other.String()) {
			t.Errorf("one key lost, one another: %v", err)
		}
	})
}
