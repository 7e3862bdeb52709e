// Package sitetest makes rooms with something in them to show: for the tests of the pages, in this module and in that of
// the browser's.
package sitetest

import (
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/incident/datasets"
	"shirase/internal/language"
	"shirase/internal/store"
)

// What a ledger would say: its key, and the proof of an entry.
const (
	Key   = "notice.example/shirase+4d5b1f35+AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
	Proof = "c2sp.org/tlog-proof@v1\nindex 118\nq83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=\n\nnotice.example/shirase\n119\nASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8=\n\n— notice.example/shirase TVsfNQ==\n"
)

// Open is an incident under investigation.
const Open = `
id: example-city
zone: "+09:00"
asOf: "2026-04-02T10:00"
facts:
  - {key: organisation, value: {ja: 例示市, en: Example City}}
  - {key: title, value: {ja: 委託先のランサムウェア被害, en: Ransomware at a contractor}}
  - {key: cause, value: ransomware}
  - {key: scope.state, value: investigating}
  - {key: disclosed, value: "2026-04-02"}
  - {key: affected.count, value: 88, unit: persons, qualifier: about}
  - {key: data-class, value: name, certainty: possible}
  - {key: data-class, value: address, certainty: possible}
`

// Elsewhere is one that is recorded from elsewhere, and not sealed here.
const Elsewhere = `
id: example-shop
asOf: "2026-05-17"
facts:
  - {key: organisation, value: {ja: 例示商店, en: Example Shop}}
  - {key: title, value: {ja: 会員ページの設定の誤り, en: Member pages misconfigured}}
  - {key: cause, value: misconfiguration}
  - {key: disclosed, value: "2026-05"}
  - {key: affected.count, value: 20000, unit: persons, qualifier: about}
  - {key: data-class, value: name}
  - {key: data-class, value: purchase-history}
  - {key: source, id: release, value: "https://shop.example/news/1", fetched: "2026-05-18", licence: CC BY 4.0,
     sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, quote: 会員ページの設定に誤りがあり、第三者から閲覧できる状態でした。}
  - {key: reply, id: "1", at: "2026-05-20", value: {ja: 設定は5月16日に改め、閲覧の記録を調べています。, en: The setting was mended on 16 May and we are going through the access logs.}}
`

// Corrected is an incident whose figure was wrong: its notice was corrected, an addendum withdrawn, and the
// text written anew.
const Corrected = `
id: example-school
zone: "+09:00"
asOf: "2026-06-01T10:00"
facts:
  - {key: organisation, value: {ja: 例示学園, en: Example School}}
  - {key: title, value: {ja: 名簿の誤送信, en: A register sent to the wrong recipients}}
  - {key: cause, value: misdirected-mail}
  - {key: disclosed, value: "2026-06-01"}
  - {key: affected.count, value: 500, unit: persons, qualifier: about}
  - {key: data-class, value: name}
  - {key: affected.count, value: 549, unit: persons, asOf: "2026-06-02T16:00"}
  - {key: addendum, id: "1", at: "2026-06-02T18:00", asOf: "2026-06-02T18:00", value: {ja: 全員に連絡しました。, en: Everybody has been told.}}
`

// World is rooms with incidents in them, some of which were published.
type World struct {
	Incidents *incident.Incidents
	Archive   *archive.Archive
	Statement *check.Statement // nil where there are no incidents

	db      *store.DB
	entries int64 // of a ledger
}

// New makes a world of facts files, each published as [sequence] says.
func New(t testing.TB, factsFiles ...string) *World {
	t.Helper()
	ctx := t.Context()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &World{db: db, entries: 118}
	if w.Incidents, err = incident.New(ctx, db, archive.Changed); err != nil {
		t.Fatal(err)
	}
	if w.Archive, err = archive.New(ctx, db, w.Incidents); err != nil {
		t.Fatal(err)
	}
	for _, src := range factsFiles {
		file, err := incident.ParseFactsFile("facts.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		if file.ID == "example-shop" { // what others published
			w.Record(t, file)
			continue
		}
		i, err := w.Incidents.Create(ctx, actor.Operator(), file)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range sequence(i.ID) {
			d.Figures = compose.Figures{Time: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Accounts: 27_000, URL: "https://notice.example/", Demonstration: true}
			n, err := compose.Notice(ctx, w.Incidents, i.ID, d)
			if err != nil {
				t.Fatal(err)
			}
			w.Publish(t, n)
		}
	}
	if len(factsFiles) > 0 {
		w.Statement = Statement()
	}
	return w
}

// Full are the facts of the model case and of every other kind of incident.
func Full() []string {
	return []string{string(incident.ModelCase()), Open, Elsewhere, Corrected}
}

// Real imports the data sets that are there, and skips the test where they are not.
func (w *World) Real(t testing.TB) {
	t.Helper()
	dir := os.Getenv("SHIRASE_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	for _, name := range []string{"hibp-breaches.json", "washington-ag-2026-08-13.csv"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Skipf("%s is not there: name its folder in SHIRASE_TEST_DATA", name)
		}
		defer f.Close()
		r, err := datasets.Open(name, f, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Incidents.Import(t.Context(), actor.Operator(), r.Next, incident.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// sequence is what is published of each incident: of most a first notice, of the model case what followed it, of one
// that was recorded from elsewhere nothing.
func sequence(id string) []compose.Draft {
	text := language.Text{JA: "追記に誤りがあったため、取り下げます。連絡がついたのは、{{affected.count}}のうち一部です。", EN: "The addendum was wrong. Only some of the {{affected.count}} have been told."}
	switch id {
	case "naver-2013":
		return []compose.Draft{{Kind: incident.KindFirst, AsOf: time.Date(2013, 7, 19, 7, 0, 0, 0, time.UTC)},
			{Kind: incident.KindAddendum, Item: "1"}, {Kind: incident.KindAddendum, Item: "2"}, {Kind: incident.KindAddendum, Item: "3"},
			{Kind: incident.KindAddendum, Item: "4"}, {Kind: incident.KindAddendum}}
	case "example-school":
		return []compose.Draft{{Kind: incident.KindFirst, AsOf: time.Date(2026, 6, 1, 1, 0, 0, 0, time.UTC)},
			{Kind: incident.KindCorrection, AsOf: time.Date(2026, 6, 2, 7, 0, 0, 0, time.UTC)}, {Kind: incident.KindAddendum, Item: "1"},
			{Kind: incident.KindRetraction, About: 3, Text: text}, {Kind: incident.KindRevision}}
	case "example-shop":
		return nil
	}
	return []compose.Draft{{Kind: incident.KindFirst}}
}

// Publish records a notice as the ledger's next entry, and serves it.
func (w *World) Publish(t testing.TB, n incident.Notice) {
	t.Helper()
	if err := w.db.Update(t.Context(), func(tx *sql.Tx) error {
		return errors.Join(w.Incidents.RecordNotice(t.Context(), tx, n, w.entries), w.Incidents.Serve(t.Context(), tx, w.entries+1))
	}); err != nil {
		t.Fatal(err)
	}
	w.entries++
}

// Record imports an incident as what others published.
func (w *World) Record(t testing.TB, file *incident.FactsFile) {
	t.Helper()
	done := false
	_, err := w.Incidents.Import(t.Context(), actor.Operator(), func() (incident.Record, error) {
		if done {
			return incident.Record{}, io.EOF
		}
		done = true
		return incident.Record{Dataset: "press", ExternalID: file.ID, ID: file.ID, Facts: file.Facts, AsOf: file.Facts[0].AsOf}, nil
	}, incident.ImportOptions{Reject: func(row *incident.RowError) error { return row }})
	if err != nil {
		t.Fatal(err)
	}
}

// Statement says of the incidents what would be published of them.
func Statement() *check.Statement {
	root := check.Hash{0xab, 0xcd, 1, 2, 3}
	return &check.Statement{
		V: 1, Seq: 42, Time: check.At(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)), Expires: check.At(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)),
		PhoneRegion: "JP", Keys: []check.Key{{ID: "k1", LocatorBits: 16}},
		Layers: []check.Layer{{ID: root, Key: "k1", N: 1692496, Bits: 10, Root: root, Pad: 24576,
			Sources: []check.Source{{Incident: "naver-2013", Revision: "1", N: 1692496, Root: root}}}},
		Incidents: []check.Incident{
			{ID: "example-city", Organisation: "例示市", Title: map[string]string{"ja": "委託先のランサムウェア被害", "en": "Ransomware at a contractor"},
				Revision: "0", State: check.Investigating, AsOf: check.At(time.Date(2026, 4, 2, 1, 0, 0, 0, time.UTC))},
			{ID: "naver-2013", Organisation: "LINE株式会社", Title: map[string]string{"ja": "NAVER会員情報への不正アクセス", "en": "Unauthorised access to NAVER accounts"},
				Revision: "1", State: check.Final, AsOf: check.At(time.Date(2013, 7, 19, 7, 0, 0, 0, time.UTC)),
				Counts: map[string]int64{"email": 1692490}, Sets: [][]string{{"email", "nickname", "password:hashed"}}},
		},
	}
}
