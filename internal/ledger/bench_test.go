package ledger

import (
	"database/sql"
	"testing"

	"shirase/internal/store"
)

// BenchmarkAppend appends to a log in one transaction; the figure is without
// the commit and without Sync.
func BenchmarkAppend(b *testing.B) {
	skey, _ := newTestKey(b)
	db := sqlite(b)
	l := open(b, db, openDir(b, b.TempDir()), skey)
	err := l.Update(b.Context(), func(tx *sql.Tx) error {
		for i := int64(0); b.Loop(); i++ {
			kind, data := document(i)
			if _, _, err := l.Append(b.Context(), tx, kind, data); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPublish is what one publication takes: append, commit, sync.
func BenchmarkPublish(b *testing.B) {
	skey, _ := newTestKey(b)
	db := sqlite(b)
	l := open(b, db, openDir(b, b.TempDir()), skey)
	for i := int64(0); b.Loop(); i++ {
		grow(b, l, db, i+1, true)
		if err := l.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is per entry.
func BenchmarkVerify(b *testing.B) {
	skey, vkey := newTestKey(b)
	db := sqlite(b)
	dir := openDir(b, b.TempDir())
	l := open(b, db, dir, skey)
	const size = 2000
	grow(b, l, db, size, false)
	if err := l.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		db   *store.DB
	}{{"files", nil}, {"files and database", db}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				verify(b, dir, vkey, c.db)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/size, "ns/entry")
		})
	}
}
