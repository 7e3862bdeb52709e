package incident

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestChanged: whoever follows is told of what the public sees otherwise, in the transaction that makes it so, of nothing
// else, and can undo it.
func TestChanged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		var told []string
		var refuse error
		changed := func(ctx context.Context, tx *sql.Tx, v *View, id string) error {
			_, shown, err := v.Shown(ctx, id)
			if err != nil {
				return err
			}
			if !shown {
				id = "-" + id
			}
			told = append(told, id)
			return refuse
		}
		s, err := New(ctx, db, changed)
		if err != nil {
			t.Fatal(err)
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			what string
			do   func()
			want string
		}{
			{"an own incident is recorded", func() {
				_, err := s.Create(ctx, by, parse(t, "id: own\nfacts: [{key: title, value: Ours}]"))
				must(err)
			}, ""},
			{"it is published", func() { release(t, s, "own") }, "own"},
			{"a fact is added to it", func() {
				_, err := s.Add(ctx, by, parse(t, "id: own\nfacts: [{key: cause, value: theft}]"))
				must(err)
			}, ""},
			{"rows are imported", func() {
				importAll(t, s, sample("a", "Alpha", "2020-01-01"), sample("b", "Beta", "2020-01-01"), sample("c", "Gamma", "2020-01-01"))
			}, "sample-a sample-b sample-c"},
			{"they are imported again", func() { importAll(t, s, sample("a", "Alpha", "2020-01-01")) }, ""},
			{"one has changed", func() { importAll(t, s, sample("a", "Alpha", "2020-01-02", "email")) }, "sample-a"},
			{"two are one", func() { _, err := s.Merge(ctx, by, "sample-b", "sample-a"); must(err) }, "-sample-b sample-a"},
			{"one is ours", func() { _, err := s.Merge(ctx, by, "sample-c", "own"); must(err) }, ""},
			{"which is published", func() { release(t, s, "own") }, "own -sample-c"},
		} {
			told = nil
			step.do()
			slices.Sort(told)
			want := strings.Fields(step.want)
			slices.Sort(want)
			if !slices.Equal(slices.Compact(told), want) {
				t.Errorf("%s: told of %q, want %q", step.what, told, want)
			}
		}
		refuse = errors.New("no room")
		if _, err := s.Add(ctx, by, parse(t, "id: sample-a\nfacts: [{key: cause, value: theft}]")); !errors.Is(err, refuse) {
			t.Errorf("it could not be taken in, and is recorded: %v", err)
		}
		if inc, err := s.Get(ctx, "sample-a"); err != nil || len(inc.Listed("cause")) != 0 {
			t.Errorf("half of it stays: %+v, %v", inc.Facts, err)
		}
	})
}

// TestViews: a preview and the public's view name the incidents that each shows, and only the preview what is pending.
func TestViews(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		s := room(t, db)
		for _, id := range []string{"told", "draft"} {
			if _, err := s.Create(ctx, by, parse(t, "id: "+id+"\nfacts: [{key: title, value: T}]")); err != nil {
				t.Fatal(err)
			}
		}
		release(t, s, "told")
		importAll(t, s, sample("a", "Alpha", "2020-01-01"), sample("b", "Alpha", "2020-01-01"))
		if _, err := s.Merge(ctx, by, "sample-b", "told"); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			view         *View
			ids, pending string
			shown        map[string]bool
		}{
			{s.Public(), "sample-a sample-b told", "", map[string]bool{"told": true, "draft": false, "sample-a": true, "sample-b": true, "none": false}},
			{s.Preview(nil), "draft sample-a told", "draft sample-b told", map[string]bool{"told": true, "draft": true, "sample-a": true, "sample-b": false, "none": false}},
		} {
			err := db.View(ctx, func(tx *sql.Tx) error {
				v := c.view.In(tx)
				ids, err := v.IDs(ctx)
				if err != nil {
					return err
				}
				pending, err := v.Pending(ctx)
				if err != nil {
					return err
				}
				slices.Sort(ids)
				if strings.Join(ids, " ") != c.ids || strings.Join(pending, " ") != c.pending {
					t.Errorf("drafts %v: %v, pending %v", v.Drafts(), ids, pending)
				}
				if n, err := v.Drafted(ctx); err != nil || (n > 0) != v.Drafts() {
					t.Errorf("drafts %v: %d, %v", v.Drafts(), n, err)
				}
				for id, want := range c.shown {
					if i, is, err := v.Shown(ctx, id); err != nil || is != want || is && i.ID != id {
						t.Errorf("drafts %v: %s shown %v, %v", v.Drafts(), id, is, err)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
