package incident

import (
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestContradictions has each contradiction found, named with its facts in both languages, and not found where a
// coarser or a rougher time leaves room for both.
func TestContradictions(t *testing.T) {
	for _, c := range []struct {
		facts string
		want  []string
	}{
		{`{key: window.start, value: "2026-04-02T10:00"}, {key: window.end, value: "2026-04-01T10:00"}`, []string{"window-reversed"}},
		{`{key: window.end, value: "2026-04-02T10:00"}, {key: contained, value: "2026-04-02T09:59"}`, []string{"window-after-containment"}},
		{`{key: window.end, value: "2026-04-02T10:00"}, {key: contained, value: "2026-04-02"}`, nil},
		{`{key: window.end, value: "2026-04-02T10:00"}, {key: contained, value: "2026-04-02T09:30", qualifier: about}`, nil},
		{`{key: window.start, value: "2026-04-03"}, {key: discovered, value: "2026-04-02"}`, []string{"discovered-before-window"}},
		{`{key: window.start, value: "2026-04-02"}, {key: discovered, value: "2026-04"}`, nil},
		{`{key: discovered, value: "2026-04-03"}, {key: disclosed, value: "2026-04-02"}`, []string{"disclosed-before-discovered"}},
		{`{key: discovered, value: "2026-04-02"}, {key: disclosed, value: "2026-04-02"}`, nil},
		{`{key: discovered, value: "2026-04-03"}, {key: regulator-notified, value: "2026-04-02"}`, []string{"notified-before-discovered"}},
		{`{key: disclosed, value: "2026-04-03"}, {key: addendum, id: "1", at: "2026-04-02T10:00", value: x}`, []string{"addendum-before-disclosure"}},
		{`{key: disclosed, value: "2026-04-02"}, {key: addendum, id: "1", at: "2026-04-02T10:00", value: x}`, nil},
		{`{key: contained, value: "2026-04-07", asOf: "2026-04-06"}`, []string{"known-too-early"}},
		{`{key: affected.count, value: 11, unit: accounts}, {key: base.count, value: 10, unit: accounts}`, []string{"affected-above-base"}},
		{`{key: affected.count, value: 11, unit: accounts}, {key: base.count, value: 10, unit: persons}`, nil},
		{`{key: affected.count, value: 103, unit: accounts}, {key: base.count, value: 100, unit: accounts, qualifier: about}`, nil},
		{`{key: affected.count, value: 6, unit: accounts}, {key: base.count, value: 10, unit: accounts}, {key: excluded, value: x, count: 5, unit: accounts}`, []string{"excluded-above-base"}},
		{`{key: affected.count, value: 7, unit: accounts}, {key: attempts.count, value: 7, unit: attempts}`, []string{"attempts-as-victims"}},
		{`{key: action, value: x, status: kept, promised: "2026-04-02T18:00", at: "2026-04-02T18:01"}`, []string{"kept-late"}},
		{`{key: action, value: x, status: kept, promised: "2026-04-02T21:00", qualifier: about, at: "2026-04-02T21:09"}`, nil},
		{`{key: action, value: x, status: kept, promised: "2026-04-02", at: "2026-04-02T23:59"}`, nil},
		{`{key: action, value: x, status: slipped, promised: "2026-04-02T18:00", at: "2026-04-02T17:00"}`, []string{"slipped-in-time"}},
		{`{key: action, value: x, status: planned, promised: "2026-04-02"}`, []string{"?promise-open"}},
		{`{key: action, value: x, status: planned, promised: "2026-04-09"}`, nil},
		{`{key: service, id: a, value: x, status: stopped}, {key: service, id: b, value: x, status: resumed}`, []string{"two-statuses"}},
		{`{key: cause, value: unknown, certainty: unknown}`, []string{"?unknown"}},
		{`{key: scope.state, value: final}, {key: affected.count, value: 7, unit: persons, qualifier: about}`, []string{"?final-but-about"}},
	} {
		file := parse(t, "id: a\nzone: \"+09:00\"\nasOf: \"2026-04-08T09:00\"\nfacts: ["+c.facts+"]\n")
		found := contradictions(Incident{ID: "a", Facts: current(file.Facts)}, file.Facts, time.Date(2026, 4, 8, 0, 0, 0, 0, time.UTC))
		var got []string
		for _, f := range found {
			code := f.Code
			if f.Open {
				code = "?" + code
			}
			got = append(got, code)
			if f.Text.JA == "" || f.Text.EN == "" || len(f.Facts) == 0 || strings.Contains(f.Text.EN, "%!") || !strings.HasSuffix(f.Text.JA, "。") || !strings.HasSuffix(f.Text.EN, ".") {
				t.Errorf("%s: %+v", c.facts, f)
			}
			t.Log(f.Text.JA, f.Text.EN)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.facts, got, c.want)
		}
	}
}

// TestTwoSources has two exact figures as of the same time found, though the page shows one.
func TestTwoSources(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		ctx := t.Context()
		if _, err := s.Create(ctx, by, parse(t, `{id: a, zone: "+09:00", facts: [{key: affected.count, value: 7, unit: persons, source: notice, asOf: "2026-03-01"}]}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Add(ctx, by, parse(t, `{id: a, zone: "+09:00", facts: [{key: affected.count, value: 8, unit: persons, source: press, asOf: "2026-03-01"}]}`)); err != nil {
			t.Fatal(err)
		}
		found, err := s.Contradictions(ctx, "a")
		if err != nil || len(found) != 1 || found[0].Code != "two-values" || len(found[0].Facts) != 2 {
			t.Fatalf("%+v, %v", found, err)
		}
		for _, want := range []string{"7人", "8人", "notice", "press", "2026年3月1日"} {
			if !strings.Contains(found[0].Text.JA, want) {
				t.Errorf("%q does not name %s", found[0].Text.JA, want)
			}
		}
		past, err := s.History(ctx, "a")
		if err != nil || len(past) != 1 || len(past[0].Facts) != 2 || !past[0].Changed() {
			t.Errorf("history %+v, %v", past, err)
		}
	})
}

// TestModelHasNoContradiction: the model case leaves two promises open, and contradicts itself nowhere.
func TestModelHasNoContradiction(t *testing.T) {
	file := parse(t, string(ModelCase()))
	found := contradictions(Incident{ID: file.ID, Facts: current(file.Facts)}, file.Facts, time.Date(2026, 4, 8, 0, 0, 0, 0, time.UTC))
	for _, f := range found {
		if !f.Open {
			t.Errorf("%+v", f)
		}
	}
	if len(found) != 2 {
		t.Errorf("%d open questions", len(found))
	}
}
