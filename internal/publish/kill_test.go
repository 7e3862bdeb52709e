package publish

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shirase/internal/archive"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/killtest"
	"shirase/internal/ledger"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMain is also the children that TestKill, TestEndsKilled and TestShredKilled kill.
func TestMain(m *testing.M) {
	killtest.Main(m, func(args []string, step func()) error {
		switch args[3] {
		case "ends":
			return endingChild(args, step)
		case "shred":
			return shreddingChild(args, step)
		}
		return publishForEver(args, step)
	})
}

// publishForEver publishes one title after another for ever.
func publishForEver(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	dir, err := files.Open(filepath.Join(args[1], "files"))
	if err != nil {
		return err
	}
	keys, err := files.OpenKeys(filepath.Join(args[1], "keys"))
	if err != nil {
		return err
	}
	p := &Publisher{Rooms: Rooms{DB: db, Dir: dir, Keys: keys}, instance: Instance{PhoneRegion: "JP"}, now: time.Now}
	if p.Incidents, err = incident.New(ctx, db, archive.Changed); err != nil {
		return err
	}
	if _, err = archive.New(ctx, db, p.Incidents); err != nil {
		return err
	}
	if p.Rosters, err = roster.New(ctx, db, dir, keys); err != nil {
		return err
	}
	if p.Index, err = index.New(ctx, db, dir); err != nil {
		return err
	}
	// As New does, with a step on either side of what makes an entry public.
	p.ledger, err = ledger.New(ctx, db, dir, args[2], ledger.Witnesses{}, func(ctx context.Context, tx *sql.Tx, size int64) error {
		step()
		defer step()
		return p.Incidents.Serve(ctx, tx, size)
	})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		file, err := incident.ParseFactsFile("facts.yaml", fmt.Appendf(nil, "id: shop\nfacts: [{key: title, value: Title %s %d}]", args[3], i))
		if err != nil {
			return err
		}
		step()
		if _, err := p.Incidents.Add(ctx, by, file); err != nil {
			return err
		}
		prop, err := p.Propose(ctx, by, Request{Incident: "shop"})
		if err != nil {
			return err
		}
		step()
		pub := &Publication{}
		if err := p.ledger.Update(ctx, func(tx *sql.Tx) error {
			if err := p.commit(ctx, tx, by, prop, pub); err != nil {
				return err
			}
			step()
			return nil
		}); err != nil {
			return err
		}
		step()
		if err := p.ledger.Sync(ctx); err != nil {
			return err
		}
		step()
	}
}

// TestKill kills a publisher before, within and after each of its transactions: what everybody then sees is of one moment,
// the page's title is the statement's and the newest notice's, and everything verifies.
func TestKill(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		w := newWorld(t, db)
		w.record(agreeing)
		if _, _, err := w.Run(t.Context(), by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		published := map[string]bool{}
		for at := 1; at <= 16; at++ {
			if _, killed := killtest.Kill(t, at, url, w.root, w.skey, fmt.Sprint(at)); !killed {
				t.Fatal("a process that publishes for ever has ended")
			}
			// Before anybody starts again: what the dead process had served, and nothing else.
			before := w.moment(t)
			w.open(db)
			after := w.moment(t)
			if after < before {
				t.Errorf("kill at step %d: statement %d was public, and now %d", at, before, after)
			}
			published[fmt.Sprint(after)] = true
			w.mustVerify()
		}
		if len(published) < 4 {
			t.Errorf("only %d publications came through", len(published))
		}
	})
}

// moment reads everything that is public at once, and requires that it is of one moment; it gives the statement's number.
// What a killed process had asked its database to commit may be committed while it is read: then it is read again.
func (w *world) moment(t *testing.T) int64 {
	t.Helper()
	for {
		before, err := w.ledger.Served(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seq, wrong := w.read(t, before)
		after, err := w.ledger.Served(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if after != before {
			continue
		}
		if wrong != "" {
			t.Error(wrong)
		}
		return seq
	}
}

// read reads what is public while size entries are served, and says what is not of one moment.
func (w *world) read(t *testing.T, size int64) (seq int64, wrong string) {
	t.Helper()
	ctx := t.Context()
	inc, err := w.Incidents.Public().Get(ctx, "shop")
	if err != nil {
		t.Fatal(err)
	}
	notices, err := w.Incidents.Public().Notices(ctx, "shop")
	if err != nil || len(notices) == 0 {
		t.Fatalf("%d notices, %v", len(notices), err)
	}
	last := notices[len(notices)-1]
	h := index.NewHost(w.Index, w.Log(), nil)
	st := h.Statement(ctx)
	found, err := w.archive.Search(ctx, archive.Query{Text: `"` + inc.Title("en") + `"`})
	if err != nil {
		t.Fatal(err)
	}
	title := inc.Title("en")
	if st == nil || st.Incident("shop").Title["en"] != title || !strings.Contains(last.Text.EN, title) || last.LedgerIndex >= size || found.Total != 1 {
		wrong = fmt.Sprintf("the page says %q, the statement %q, notice %d of %d served entries; %d found", title, st.Incident("shop").Title["en"], last.LedgerIndex, size, found.Total)
	}
	return st.Seq, wrong
}
