package incident

import (
	"errors"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestChange: of two who have read the same fact, the second is told; and what would stand is shown before anything is recorded.
func TestChange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		s, err := New(ctx, db, nil)
		if err != nil {
			t.Fatal(err)
		}
		read := func(src string) []Fact {
			t.Helper()
			f, err := ParseFactsFile("facts.yaml", []byte("id: shop\nzone: \"+09:00\"\nfacts: ["+src+"]"))
			if err != nil {
				t.Fatal(err)
			}
			return f.Facts
		}
		inc, err := s.Create(ctx, actor.Operator(), &FactsFile{ID: "shop", Facts: read(`{key: affected.count, value: 1200, unit: persons, asOf: "2026-08-20T10:00"}`)})
		if err != nil {
			t.Fatal(err)
		}
		was := inc.Version("affected.count", "")
		next := read(`{key: affected.count, value: 3400, unit: persons, asOf: "2026-08-21T10:00"}`)
		if seen, err := s.With(ctx, "shop", next...); err != nil || *seen.Facts[0].Value.Number != 3400 {
			t.Errorf("%+v, %v", seen, err)
		}
		if inc, err = s.Get(ctx, "shop"); err != nil || inc.Version("affected.count", "") != was {
			t.Errorf("a look records something: %v", err)
		}
		if _, err := s.Change(ctx, actor.Actor{}, "shop", Edit{next[0], was}); !errors.Is(err, actor.ErrNobody) {
			t.Errorf("by nobody: %v", err)
		}
		if inc, err = s.Change(ctx, actor.Operator(), "shop", Edit{next[0], was}); err != nil || *inc.Facts[0].Value.Number != 3400 {
			t.Fatalf("%+v, %v", inc, err)
		}
		if _, err := s.Change(ctx, actor.Operator(), "shop", Edit{next[0], was}); !errors.Is(err, ErrChanged) {
			t.Errorf("of a fact that has changed: %v", err)
		}
		first := read(`{key: cause, value: intrusion}`)[0]
		if _, err := s.Change(ctx, actor.Operator(), "shop", Edit{first, ""}); err != nil {
			t.Error(err)
		}
		if _, err := s.Change(ctx, actor.Operator(), "shop", Edit{first, ""}); !errors.Is(err, ErrChanged) {
			t.Errorf("a second first one: %v", err)
		}
		if _, err := s.Change(ctx, actor.Operator(), "none", Edit{first, ""}); !errors.Is(err, ErrNotFound) {
			t.Errorf("of an incident that is not there: %v", err)
		}
	})
}
