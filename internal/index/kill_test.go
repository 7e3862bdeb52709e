package index

import (
	"bytes"
	"context"
	"database/sql"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"shirase/internal/files"
	"shirase/internal/killtest"
	"shirase/internal/ledger"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMain is also the children that are killed.
func TestMain(m *testing.M) {
	killtest.Main(m, func(args []string, step func()) error {
		if len(args) > 2 {
			return ending(args, step)
		}
		return child(args, step)
	})
}

const killMembers = 6000

// child seals and publishes.
func child(args []string, step func()) error {
	ctx, url, root := context.Background(), args[0], args[1]
	db, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	dir, err := files.Open(filepath.Join(root, "files"))
	if err != nil {
		return err
	}
	dir.Watch(step)
	keys, err := files.OpenKeys(filepath.Join(root, "keys"))
	if err != nil {
		return err
	}
	skey, err := keys.Load("ledger.key")
	if err != nil {
		return err
	}
	l, err := ledger.New(ctx, db, dir, string(skey), ledger.Witnesses{})
	if err == nil {
		err = l.Sync(ctx)
	}
	if err != nil {
		return err
	}
	x, err := New(ctx, db, dir)
	if err != nil {
		return err
	}
	x.minChunk = 300
	for _, id := range []string{"alpha", "beta"} {
		s, err := x.Seal(ctx, keys, id, roster(id, killMembers), nil)
		if err != nil {
			return err
		}
		step()
		if id == "beta" { // a draft that is given up: its fold is named by nothing
			other, err := x.Seal(ctx, keys, "given-up", roster("given-up", 300), nil)
			if err != nil {
				return err
			}
			if _, err := x.Draft(ctx, keys, frame(l), subject("given-up"), other); err != nil {
				return err
			}
			step()
		}
		commit := func(*sql.Tx) error { step(); return nil } // and then the commit
		if _, err := publishIn(ctx, l, x, keys, subject(id), s, commit); err != nil {
			return err
		}
		if err := x.Sweep(ctx); err != nil {
			return err
		}
		step()
	}
	return nil
}

// TestKilled kills a publisher and starts it again, until it has ended: the
// layers are those of an undisturbed run, every statement is whole, and nothing
// is sealed twice under one revision. Whenever it dies, every layer that a revision or a statement names is there, and what
// nothing names is gone in the end.
func TestKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		b := newBed(t, db)
		kills := 0
		for within := 16; ; {
			_, killed := killtest.Kill(t, 1+rand.IntN(within), url, b.root)
			b.allThere()
			if !killed {
				break
			}
			if kills++; kills == 10 { // there are some 200 steps, and publishing, which is not done by halves, takes 20 at once
				within = 50
			} else if kills > 200 {
				t.Fatal("it never ends")
			}
		}
		t.Logf("killed %d times", kills)
		if kills < 10 {
			t.Fatal("it was done after fewer steps than it has")
		}
		// An undisturbed run under the same key, in folders of its own.
		clean := filepath.Join(t.TempDir(), "clean")
		if err := os.CopyFS(filepath.Join(clean, "keys"), os.DirFS(filepath.Join(b.root, "keys"))); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{clean, filepath.Join(clean, "keys")} {
			os.Chmod(dir, 0o700)
		}
		keyFiles, _ := filepath.Glob(filepath.Join(clean, "keys", "*.key"))
		for _, f := range keyFiles {
			os.Chmod(f, 0o600)
		}
		other, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "clean.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		u := openBed(t, other, clean)
		if _, err := u.NewKey(t.Context(), u.keys, DefaultLocatorBits); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"alpha", "beta"} {
			u.publish(id, roster(id, killMembers))
		}
		if _, err := u.Seal(t.Context(), u.keys, "given-up", roster("given-up", 300), nil); err != nil {
			t.Fatal(err)
		}
		for _, path := range u.layerFiles() {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(b.root, "files", "layers", filepath.Base(path)))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("layer %s is not that of an undisturbed run: %v", filepath.Base(path), err)
			}
		}
		if len(u.layerFiles()) != len(b.layerFiles()) {
			t.Errorf("%d layers where an undisturbed run has %d", len(b.layerFiles()), len(u.layerFiles()))
		}
		st, _, _, err := b.Statement(t.Context())
		if err != nil || st.Incident("alpha").Revision != "1" || st.Incident("beta").Revision != "1" {
			t.Fatalf("%+v, %v", st, err)
		}
		if _, err := b.Verify(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Verify(t.Context(), b.dir, b.ledger.VKey(), db, nil); err != nil {
			t.Fatal(err)
		}
	})
}
