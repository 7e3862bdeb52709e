package collect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/collect/fetch"
	"shirase/internal/collect/read"
	"shirase/internal/collect/webtest"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// openRoom opens the room at a time, over the store and the folder of others before it.
func openRoom(ctx context.Context, db *store.DB, folder, allow string, now time.Time) (*Collection, error) {
	dir, err := files.Open(folder)
	if err != nil {
		return nil, err
	}
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		return nil, err
	}
	in, err := incident.New(ctx, db, archive.Changed)
	if err != nil {
		return nil, err
	}
	all, err := archive.New(ctx, db, in)
	if err != nil {
		return nil, err
	}
	at := func() time.Time { return now }
	return New(ctx, Rooms{DB: db, Dir: dir, Keys: keys, Incidents: in, Archive: all, Agent: "shirase/test", Now: at, Resolver: nowhere, Reader: &read.Reader{},
		Web: fetch.New(fetch.Options{Agent: "shirase/test", Pause: -1, Allow: []netip.AddrPort{netip.MustParseAddrPort(allow)}, Timeout: 20 * time.Second, Max: 4 << 20, Now: at})})
}

// collectAll is the process that is killed: it does all that is due at its time.
func collectAll(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	defer db.Close()
	now, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return err
	}
	room, err := openRoom(ctx, db, args[1], args[2], time.Unix(now, 0))
	if err != nil {
		return err
	}
	room.step = step
	var failed error
	room.Round(ctx, func(err error) { failed = err })
	return failed
}

// TestKill kills whoever reads a source and its pages after each step in turn: in the end every page was read, is preserved byte for byte, and
// lies in the inbox once.
func TestKill(t *testing.T) {
	const pages = 8
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		db, err := store.Open(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		folder, web := t.TempDir(), webtest.New(t)
		if err := os.Mkdir(filepath.Join(folder, "keys"), 0o700); err != nil {
			t.Fatal(err)
		}
		var feed strings.Builder
		sent := map[string]string{} // digest by address
		for i, n := range webtest.Notices(pages) {
			path, body := fmt.Sprintf("/n/%d.html", i), "<html><title>"+n.Title()+"</title><main><p>"+strings.ReplaceAll(n.Text(), "\n", "</p><p>")+"</p></main></html>"
			web.Put(path, &webtest.Page{Data: []byte(body), Media: "text/html; charset=utf-8"})
			sum := sha256.Sum256([]byte(body))
			sent[web.URL+path] = hex.EncodeToString(sum[:])
			fmt.Fprintf(&feed, "<item><title>%s</title><link>%s%s</link></item>", n.Title(), web.URL, path)
		}
		web.Put("/rss.xml", &webtest.Page{Data: []byte(`<rss version="2.0"><channel>` + feed.String() + "</channel></rss>"), Media: "application/rss+xml"})
		now := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
		room, err := openRoom(ctx, db, folder, web.Allow.String(), now)
		if err != nil {
			t.Fatal(err)
		}
		srcs, err := ParseSources("s.yaml", []byte("sources:\n  - {kind: feed, url: \""+web.URL+"/rss.xml\", every: 720h}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := room.AddSources(ctx, actor.Operator(), srcs); err != nil {
			t.Fatal(err)
		}
		kills := 0
		for round := 0; ; round++ {
			now = now.Add(time.Hour) // the lease of who was killed has ended
			_, killed := killtest.Kill(t, 1+round%4, url, folder, web.Allow.String(), strconv.FormatInt(now.Unix(), 10))
			if !killed {
				break
			}
			if kills++; kills > 20*pages {
				t.Fatal("it does not end")
			}
		}
		if kills < pages {
			t.Fatalf("it was killed %d times", kills)
		}
		list, err := room.List(ctx, actor.Operator(), true)
		if err != nil || len(list) != pages {
			t.Fatalf("%d items of %d pages: %v", len(list), pages, err)
		}
		for _, i := range list {
			data, err := room.Bytes(ctx, actor.Operator(), i.Document)
			if err != nil {
				t.Errorf("%s: %v", i.URL, err)
			}
			if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != sent[i.URL] {
				t.Errorf("%s: other bytes are preserved than were sent, or it lies there twice", i.URL)
			}
			delete(sent, i.URL)
			if l, err := room.Show(ctx, actor.Operator(), i.ID); err != nil || len(l.Entries) < 4 {
				t.Errorf("%s proposes nothing: %v", i.URL, err)
			}
		}
		var waiting int
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM collect_found WHERE state <> 'done'`).Scan(&waiting); err != nil || waiting != 0 {
			t.Errorf("%d pages wait still: %v", waiting, err)
		}
		t.Logf("%d kills, %d pages", kills, pages)
	})
}
