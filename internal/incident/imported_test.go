package incident

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/hint"
	"shirase/internal/killtest"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// rows returns records one by one, and errors where one is nil.
func rows(list ...Record) func() (Record, error) {
	return func() (Record, error) {
		if len(list) == 0 {
			return Record{}, io.EOF
		}
		rec := list[0]
		list = list[1:]
		return rec, nil
	}
}

func sample(external, organisation, day string, classes ...string) Record {
	at, err := ParseMoment(day, time.UTC)
	if err != nil {
		panic(err)
	}
	rec := Record{Dataset: "sample", ExternalID: external, ID: "sample-" + strings.ToLower(external), Licence: "CC0", Attribution: "A sample",
		URL: "https://example.com/" + external, AsOf: at, ReadNow: true, Place: Place{File: "sample.json", Line: 7}}
	rec.Facts = []Fact{
		{Key: "organisation", Value: Value{Text: language.Same(organisation)}, Certainty: Confirmed, Source: "sample"},
		{Key: "title", Value: Value{Text: language.Both("件名", "title")}, Certainty: Confirmed, Source: "sample"},
		{Key: "discovered", Value: Value{Time: at}, Certainty: Confirmed, Source: "sample"},
		{Key: "source", Item: "sample", Value: Value{URL: rec.URL, Licence: "CC0"}, Certainty: Confirmed},
	}
	for _, c := range classes {
		rec.Facts = append(rec.Facts, Fact{Key: "data-class", Item: c, Value: Value{Word: c}, Certainty: Confirmed, Source: "sample"})
	}
	return rec
}

func importAll(t *testing.T, s *Incidents, list ...Record) (ImportCounts, []string) {
	t.Helper()
	var refused []string
	counts, err := s.Import(t.Context(), by, rows(list...), ImportOptions{Reject: func(row *RowError) error {
		refused = append(refused, row.Error())
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return counts, refused
}

func TestImport(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		if _, err := s.Create(t.Context(), by, parse(t, `{id: sample-own, facts: [{key: title, value: ours}]}`)); err != nil {
			t.Fatal(err)
		}
		bad := sample("bad", "Bad", "2020-01-01", "email")
		bad.Facts[4].Value.Word = "no-such-class"
		hidden := sample("hidden", "A\u202eB", "2020-01-01")
		list := []Record{sample("a", "Alpha", "2020-01-01", "email", "name"), bad, hidden, sample("own", "Own", "2020-01-01"), sample("a", "Alpha", "2021-01-01")}
		counts, refused := importAll(t, s, list...)
		if counts != (ImportCounts{Read: 5, Imported: 1, Rejected: 4}) {
			t.Fatalf("%+v", counts)
		}
		for _, want := range []string{"sample.json:7: data-class email: value.word: there is no data class", "organisation: value.text.ja: holds the invisible character U+202E",
			"another incident has the id sample-own", "comes a second time"} {
			if !slices.ContainsFunc(refused, func(r string) bool { return strings.Contains(r, want) }) {
				t.Errorf("nothing says %q: %q", want, refused)
			}
		}
		if counts, _ := importAll(t, s, list[0]); counts != (ImportCounts{Read: 1, Unchanged: 1}) {
			t.Errorf("a second run: %+v", counts)
		}
		origin, ok, err := s.Provenance(t.Context(), "sample-a")
		if err != nil || !ok || origin.Attribution != "A sample" || origin.Licence != "CC0" || origin.Dataset != "sample" {
			t.Errorf("origin %+v %v %v", origin, ok, err)
		}
		inc, err := s.Get(t.Context(), "sample-a")
		if err != nil || inc.Listed("source")[0].Value.Fetched.IsZero() {
			t.Errorf("the source does not say when it was read: %v", err)
		}

		// What an operator adds stays; what the data set takes back goes.
		if _, err := s.Add(t.Context(), by, parse(t, `{id: sample-a, facts: [{key: data-class, value: phone}, {key: title, value: Ours, asOf: "2022-01-01"}]}`)); err != nil {
			t.Fatal(err)
		}
		counts, _ = importAll(t, s, sample("a", "Alpha", "2021-05-05", "email", "address"))
		if counts != (ImportCounts{Read: 1, Updated: 1}) {
			t.Errorf("a changed row: %+v", counts)
		}
		if inc, err = s.Get(t.Context(), "sample-a"); err != nil || !slices.Equal(inc.Classes(), []string{"email", "phone", "address"}) || inc.Title(language.EN) != "Ours" {
			t.Errorf("classes %v, title %q, %v", inc.Classes(), inc.Title(language.EN), err)
		}
		if counts, refused = importAll(t, s, sample("a", "Older", "2019-01-01")); counts.Rejected != 1 || !strings.Contains(refused[0], "older than what is recorded") {
			t.Errorf("an older row: %+v %v", counts, refused)
		}
	})
}

func TestImportReportsAndEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		n := 0
		broken := errors.New("broken")
		counts, err := s.Import(t.Context(), by, func() (Record, error) {
			if n++; n > 3*importBatch {
				return Record{}, broken
			}
			return sample(fmt.Sprint("r", n), "Alpha", "2020-01-01"), nil
		}, ImportOptions{})
		if !errors.Is(err, broken) || counts.Imported != 3*importBatch {
			t.Errorf("%+v, %v", counts, err)
		}
	})
}

func TestMerge(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		ctx := t.Context()
		if _, err := s.Create(ctx, by, parse(t, `
id: alpha-2020
facts:
  - {key: organisation, value: アルファ株式会社}
  - {key: alias, id: en, value: Alpha}
  - {key: discovered, value: "2020-01-11", source: own}
  - {key: data-class, value: email}
`)); err != nil {
			t.Fatal(err)
		}
		other := sample("b", "Alpha, Inc.", "2020-01-01", "email", "name")
		importAll(t, s, other, sample("c", "Alpha Inc", "2020-06-01"), sample("d", "Beta", "2020-01-01"))
		if _, err := s.Merge(ctx, by, "alpha-2020", "sample-b"); !errors.Is(err, ErrMerge) || hint.Of(err) == "" {
			t.Errorf("an own incident was merged away: %v", err)
		}
		done, err := s.Merge(ctx, by, "sample-b", "alpha-2020")
		if err != nil || len(done.Kept) != 1 || done.Kept[0].Key != "discovered" {
			t.Fatalf("%+v, %v", done, err)
		}
		inc, err := s.Get(ctx, "sample-b")
		if err != nil || inc.ID != "alpha-2020" || !slices.Equal(inc.Classes(), []string{"email", "name"}) || len(inc.Listed("source")) != 1 || len(inc.Listed("alias")) != 2 {
			t.Errorf("%+v, %v", inc, err)
		}
		if f, _ := inc.Fact("discovered"); f.Source != "own" {
			t.Errorf("what the target said was replaced: %+v", f)
		}
		if _, err := s.Merge(ctx, by, "sample-b", "alpha-2020"); !errors.Is(err, ErrMerge) {
			t.Errorf("merged twice: %v", err)
		}
		if list := everything(t, s); len(list) != 3 {
			t.Errorf("%d incidents are listed", len(list))
		}
		// A later change of what was merged arrives.
		if counts, _ := importAll(t, s, sample("b", "Alpha, Inc.", "2020-02-01", "email", "phone")); counts.Updated != 1 {
			t.Errorf("%+v", counts)
		}
		if inc, err = s.Get(ctx, "alpha-2020"); err != nil || !slices.Equal(inc.Classes(), []string{"email", "phone"}) {
			t.Errorf("%v, %v", inc.Classes(), err)
		}
	})
}

const killRows = 3000

// killRecords returns the rows of TestImportKill, and calls step before each.
func killRecords(step func()) func() (Record, error) {
	n := 0
	return func() (Record, error) {
		if n++; n > killRows {
			return Record{}, io.EOF
		}
		step()
		return sample(fmt.Sprint("k", n), fmt.Sprint("Organisation ", n), "2020-01-01", "email", "name"), nil
	}
}

// TestMain is also the child that TestImportKill kills: it imports.
func TestMain(m *testing.M) {
	killtest.Main(m, func(args []string, step func()) error {
		ctx := context.Background()
		db, err := store.Open(ctx, args[0])
		if err != nil {
			return err
		}
		s, err := New(ctx, db, nil)
		if err != nil {
			return err
		}
		_, err = s.Import(ctx, by, killRecords(step), ImportOptions{Progress: func(int64) { step() }})
		return err
	})
}

// TestImportKill kills an import while it reads, in its transactions and between them: what is there is whole, and run
// again the import ends whole.
func TestImportKill(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s := room(t, db)
		const batch = importBatch + 1 // steps: its rows, and one when it is stored
		there := 0
		for i, at := range []int{
			1, 1 + rand.IntN(batch), 1*batch - 1, // while the first batch is read, and while it is stored
			1 * batch, 2*batch - 1, 3*batch + rand.IntN(batch), 4*batch - 1, 6*batch - 1, 6*batch - 1, 9 * batch, 12*batch - 1, 13*batch + 1 + rand.IntN(batch-2),
		} {
			if _, killed := killtest.Kill(t, at, url); !killed {
				t.Fatalf("the import has ended before step %d", at)
			}
			var whole, incidents, imports int
			if err := db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM (SELECT incident FROM incident_fact GROUP BY incident HAVING count(*) = 6) w),
				(SELECT count(*) FROM incident), (SELECT count(*) FROM incident_import)`).Scan(&whole, &incidents, &imports); err != nil {
				t.Fatal(err)
			}
			if whole != incidents || imports != incidents {
				t.Fatalf("kill %d: %d incidents, %d of them whole, %d with their origin", i+1, incidents, whole, imports)
			}
			if least := at / batch * importBatch; incidents < max(least, there) || incidents%importBatch != 0 {
				t.Fatalf("kill %d, at step %d: %d incidents, where %d were stored before", i+1, at, incidents, max(least, there))
			}
			there = incidents
		}
		counts, err := s.Import(t.Context(), by, killRecords(func() {}), ImportOptions{})
		if err != nil || counts.Read != killRows || counts.Imported+counts.Unchanged != killRows || counts.Unchanged != int64(there) {
			t.Errorf("%+v, %v; %d were there", counts, err, there)
		}
		if counts, err = s.Import(t.Context(), by, killRecords(func() {}), ImportOptions{}); err != nil || counts.Unchanged != killRows {
			t.Errorf("%+v, %v", counts, err)
		}
	})
}
