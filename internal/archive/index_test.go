package archive

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/incident"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// stands reports whether a phrase stands among tokens: what the index has to find, said as plainly as can be.
func stands(tokens []string, p phrase) bool {
	for at := 0; at+len(p.tokens) <= len(tokens); at++ {
		ok := true
		for i, want := range p.tokens {
			got := tokens[at+i]
			ok = ok && (got == want || p.prefix && i == len(p.tokens)-1 && strings.HasPrefix(got, want))
		}
		if ok {
			return true
		}
	}
	return false
}

// chance makes texts of few words, so that they stand in each other's neighbourhood in every way.
type chance struct{ *rand.Rand }

var pieces = strings.Fields("京 都 東京 京都府 東京都 ア アア ｱｱ ゴ ｺﾞ NAVER naver ＮＡＶＥＲ ネイバー ﾈｲﾊﾞｰ nav n ver 1,692 1692 1 の の、 ー 한국 é e Ä 々 ab a-b 𠮷 𠮷野")

func (r chance) text(most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteString(pieces[r.IntN(len(pieces))])
		b.WriteString([]string{"", "", " ", "、", "・"}[r.IntN(5)])
	}
	return b.String()
}

func (r chance) query() string {
	var terms []string
	for range 1 + r.IntN(3) {
		t := r.text(3)
		if r.IntN(4) == 0 {
			t = `"` + t + `"`
		}
		terms = append(terms, t)
	}
	return strings.Join(terms, " ")
}

// TestTextIndex: what the index finds is what stands in the texts, in several blocks, made and not yet made, texts
// changed and taken away, for a server that has read along and for one that reads everything now.
func TestTextIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		room(t, db)
		r := chance{rand.New(rand.NewPCG(1, 2))}
		const size = 2*blockSize + 600
		texts := map[int64][2][]string{} // title, all
		along := &fullText{}
		for version := int64(1); version <= 6; version++ {
			err := db.Update(t.Context(), func(tx *sql.Tx) error {
				a := refreshing{tx: tx, version: version}
				for range 300 {
					num := int64(1 + r.IntN(2*blockSize/3)*3) // some several times
					if version > 3 {
						num = int64(2*blockSize + 1 + r.IntN(600))
					}
					title := indexed([]string{r.text(3), r.text(3)})
					all := indexed([]string{r.text(3), r.text(12)})
					if len(title) > 0 {
						all = append(append(slices.Clone(title), gap), all...)
					}
					if r.IntN(10) == 0 {
						title, all = nil, nil
					}
					texts[num] = [2][]string{title, all}
					if err := a.putText(t.Context(), num, entryText{spaced(title), spaced(all)}); err != nil {
						return err
					}
				}
				return a.settle(t.Context())
			})
			if err != nil {
				t.Fatal(err)
			}
			now := &fullText{}
			err = db.View(t.Context(), func(tx *sql.Tx) error {
				if err := along.read(t.Context(), tx, version); err != nil {
					return err
				}
				return now.read(t.Context(), tx, version)
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 40 {
				for _, p := range phrases(r.query()) {
					for who, x := range map[string]*fullText{"one that read along": along, "one that reads now": now} {
						set := x.having(p, size)
						for num, text := range texts {
							if inTitle, anywhere := set.title.has(int32(num-1)), set.anywhere.has(int32(num-1)); inTitle != stands(text[0], p) || anywhere != stands(text[1], p) {
								t.Fatalf("version %d, %s: %v in %d %q: title %v, anywhere %v", version, who, p, num, text, inTitle, anywhere)
							}
						}
						if n := set.anywhere.count(); n > len(texts) {
							t.Fatalf("%v: %d of %d texts", p, n, len(texts))
						}
					}
				}
			}
			if version == 6 && (len(now.blocks) != 3 || len(now.fresh) == 0) {
				t.Errorf("%d blocks, %d texts beside them", len(now.blocks), len(now.fresh))
			}
		}
	})
}

// TestSearchScanned: searches give what reading all incidents one by one gives: the same ones in the same order, with
// the same counts.
func TestSearchScanned(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		r := chance{rand.New(rand.NewPCG(3, 4))}
		names := []string{"ネイバー", "NAVER", "京都府", "東京ガス", "Ab-1692", "ゴアア"}
		var files []*incident.FactsFile
		for i := range 330 {
			year := 2000 + r.IntN(5)
			f := fmt.Sprintf("id: i%d\nfacts:\n  - {key: organisation, value: %q}\n  - {key: disclosed, value: \"%d-0%d-01\"}\n", i, names[r.IntN(len(names))], year, 1+r.IntN(9))
			if title := r.text(3); title != "" {
				f += fmt.Sprintf("  - {key: title, value: %q}\n", title)
			}
			if text := r.text(9); text != "" {
				f += fmt.Sprintf("  - {key: action, id: a, value: {ja: %q, en: %q}, status: taken, at: \"2010-01-01\"}\n", text, "Did "+r.text(4))
			}
			files = append(files, parse(t, f))
		}
		along := room(t, db) // a server that searches, and so reads, in between
		for half := range slices.Chunk(files, len(files)/2) {
			search(t, along, "q=naver")
			recordAll(t, s, half...)
		}
		// All that were recorded as ネイバー are found by NAVER from here on.
		fill(t, s, small...)
		type read struct {
			Entry
			title, all []string
		}
		var all []read
		err := s.Public().EachEntry(t.Context(), func(e Entry) error { all = append(all, read{Entry: e}); return nil })
		if err != nil {
			t.Fatal(err)
		}
		err = db.View(t.Context(), func(tx *sql.Tx) error {
			for i := range all {
				shown, there, err := s.Public().In(tx).Shown(t.Context(), all[i].ID)
				if err != nil || !there {
					return fmt.Errorf("%s: %v, %w", all[i].ID, there, err)
				}
				d, err := documentOf(t.Context(), tx, shown, all[i].OrganisationID)
				if err != nil {
					return err
				}
				all[i].title, all[i].all = indexed(d.title), indexed(append(d.title, d.body...))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Public().Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		found := 0
		for range 150 {
			text, year := r.query(), 2000+r.IntN(5)
			q := Query{Text: text, Years: []int{year}, Limit: MaxLimit}
			p := phrases(text)
			if len(p) == 0 {
				continue
			}
			inAll := func(tokens []string) bool {
				return !slices.ContainsFunc(p, func(p phrase) bool { return !stands(tokens, p) })
			}
			var want []read
			years := map[string]int{fmt.Sprint(year): 0}
			for _, e := range all {
				if inAll(e.all) {
					years[yearOf(e.Date)]++
					if e.Date.Year() == year {
						want = append(want, e)
					}
				}
			}
			slices.SortStableFunc(want, func(x, y read) int {
				if a, b := inAll(x.title), inAll(y.title); a != b {
					if a {
						return -1
					}
					return 1
				}
				return y.Date.Compare(x.Date)
			})
			res, err := s.Public().Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if other, err := along.Public().Search(t.Context(), q); err != nil || !reflect.DeepEqual(other, res) {
				t.Fatalf("%s: a server that read along finds %+v, %v; one that did not %+v", q.Values().Encode(), other, err, res)
			}
			var got, wanted []string
			for _, e := range res.Entries {
				got = append(got, e.ID)
			}
			for _, e := range want[:min(len(want), MaxLimit)] {
				wanted = append(wanted, e.ID)
			}
			if res.Total != len(want) || !slices.Equal(got, wanted) {
				t.Fatalf("%s: %d %v, want %d %v", q.Values().Encode(), res.Total, got, len(want), wanted)
			}
			found += len(want)
			for _, v := range res.Facets[0].Values {
				if v.Count != years[v.Word] {
					t.Fatalf("%s: %d of %s, want %d", q.Values().Encode(), v.Count, v.Word, years[v.Word])
				}
			}
			if len(res.Facets[0].Values) != len(years) {
				t.Fatalf("%s: years %v, want %v", q.Values().Encode(), res.Facets[0].Values, years)
			}
		}
		if found < 300 {
			t.Errorf("only %d found in all", found)
		}
		model := all[slices.IndexFunc(all, func(e read) bool { return e.ID == "naver-2013" })].OrganisationID
		of := search(t, s, "organisation="+model).Total
		for _, name := range []string{"naver", "ﾈｲﾊﾞｰ", "LINE"} {
			if n := search(t, s, url.Values{"q": {name}, "organisation": {model}}.Encode()).Total; n != of || n < 50 {
				t.Errorf("%s finds %d of the organisation's %d", name, n, of)
			}
		}
	})
}

// TestBlockDamaged: no bytes that are stored crash a search, and changed ones are noticed.
func TestBlockDamaged(t *testing.T) {
	good := merge(nil, map[int]entryText{0: {" a ", " a b "}, 3: {"", " a 京都 都 "}})
	if b, err := parseBlock(good); err != nil || b.docs() != 4 {
		t.Fatalf("%v", err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x41
		if _, err := parseBlock(bad); err == nil {
			t.Errorf("byte %d", i)
		}
		if _, err := parseBlock(good[:i]); err == nil {
			t.Errorf("%d bytes alone", i)
		}
	}
}

// TestArchiveMigrated: a store of the version that kept full text in the engine opens, with everything found again and
// every number as it was.
func TestArchiveMigrated(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		before := fstest.MapFS{}
		for _, name := range []string{"00001_incident.sql", "00002_import.sql", "00003_archive.sql"} {
			data, err := os.ReadFile(filepath.Join("..", "incident", "migrations", name))
			if err != nil {
				t.Fatal(err)
			}
			before[name] = &fstest.MapFile{Data: data}
		}
		if err := db.Migrate(ctx, "incident", before); err != nil {
			t.Fatal(err)
		}
		text := `CREATE TABLE %s (num BIGINT NOT NULL PRIMARY KEY, words TEXT NOT NULL)`
		if strings.HasSuffix(t.Name(), "sqlite") {
			text = `CREATE VIRTUAL TABLE %s USING fts5(words, content='', contentless_delete=1, tokenize='ascii', prefix='1 2')`
		}
		err := db.Update(ctx, func(tx *sql.Tx) error {
			for _, table := range []string{"incident_text", "incident_text_title"} {
				if _, err := tx.ExecContext(ctx, fmt.Sprintf(text, table)); err != nil {
					return err
				}
			}
			for i, f := range append(slices.Clone(small), string(incident.ModelCase())) {
				file := parse(t, f)
				if _, err := tx.ExecContext(ctx, `INSERT INTO incident (id, created_at) VALUES ($1, $2)`, file.ID, i); err != nil {
					return err
				}
				for at := range file.Facts {
					f := file.Facts[at]
					if f.AsOf.IsZero() {
						f.AsOf = incident.Moment{Time: time.Unix(0, 0).UTC(), Precision: incident.Minute}
					}
					value, err := json.Marshal(f.Value, json.Deterministic(true))
					if err != nil {
						return err
					}
					if _, err := tx.ExecContext(ctx, `INSERT INTO incident_fact (incident, seq, fact_key, item, certainty, source, as_of, as_of_form,
						recorded_at, author, retracted, value) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '', $9, $10)`, file.ID, at+1, f.Key, f.Item,
						string(f.Certainty), f.Source, store.Micros(f.AsOf.Time), f.AsOf.String(), f.Retracted, string(value)); err != nil {
						return err
					}
				}
			}
			for _, statement := range []string{`INSERT INTO incident_entry (num, incident, organisation, changed, data) VALUES (7, 'quiet', '', 1, '{}')`,
				`UPDATE incident_archive SET version = 1, form = 2, engine = 'any'`} {
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s := room(t, db)
		for query, want := range map[string]string{"": "shop naver-2020 quiet naver-2013", "q=ネイバー": "naver-2020 naver-2013", "q=京": "quiet shop", "class=password": "naver-2013"} {
			if got := ids(search(t, s, query)); got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		if list, err := s.Public().Entries(ctx, []string{"quiet"}); err != nil || len(list) != 1 || list[0].num != 7 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}
