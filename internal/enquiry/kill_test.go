package enquiry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func TestMain(m *testing.M) { killtest.Main(m, sendAndDie) }

// sendAndDie is the process that is killed: it sends what is due. What the mail server took is appended to a file, as by a server that is not killed with it.
func sendAndDie(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	defer db.Close()
	rooms, _, _, err := openRooms(ctx, db, args[1])
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, args[3])
	if err != nil {
		return err
	}
	rooms.Now = func() time.Time { return at }
	taken, err := os.OpenFile(args[2], os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer taken.Close()
	rooms.Deliver = func(_ context.Context, l Letter) (Outcome, string) {
		step()
		b, err := json.Marshal([]string{l.To, l.ID})
		if err == nil {
			_, err = taken.Write(append(b, '\n'))
		}
		if err != nil {
			return Later, err.Error()
		}
		step()
		return Taken, ""
	}
	d, err := New(ctx, rooms)
	if err != nil {
		return err
	}
	d.step = step
	_, err = d.Send(ctx)
	return err
}

// TestKill: killed again and again while one answer goes to many: nobody is lost, nobody gets it twice who is not listed, and what is sent again has its Message-ID.
func TestKill(t *testing.T) {
	const n = 120
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx, by := t.Context(), actor.Operator()
		db, err := store.Open(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		folder := t.TempDir()
		w := newWorld(t, db, folder)
		w.put("hello", "こんにちは。", "Hello.")
		for i := range n {
			w.asks("affected", "x", fmt.Sprintf("a%d@example.com", i))
		}
		for _, l := range w.mails() {
			_, err := w.Confirm(ctx, linkIn.FindStringSubmatch(l.Text)[1])
			w.ok(err)
		}
		id, err := w.NewBatch(ctx, by, shop, Choice{Topic: "affected"}, Draft{Canned: "hello"})
		w.ok(err)
		p, err := w.Plan(ctx, by, shop, AskedBatch{Batch: id})
		w.ok(err)
		w.ok(w.Start(ctx, by, p, nil))
		server := filepath.Join(folder, "taken")
		kills := 0
		run := func(at int) bool {
			_, killed := killtest.Kill(t, at, url, folder, server, w.clock.Format(time.RFC3339))
			w.clock = w.clock.Add(lease + time.Minute) // as long as a process may hold what it had
			return killed
		}
		for round := 0; run(1 + rand.IntN(45)); round++ {
			if kills++; round > 100 {
				t.Fatal("it does not end")
			}
		}
		if kills == 0 {
			t.Fatal("it was never killed")
		}
		b, err := w.GetBatch(ctx, by, shop, id)
		w.ok(err)
		if b.Counts["handed-over"]+b.Counts["unknown"] != n || b.Counts["unknown"] == 0 {
			t.Fatalf("%+v", b.Counts)
		}
		unknown, err := w.Uncertain(ctx, by, shop)
		w.ok(err)
		listed := map[string]bool{}
		for _, u := range unknown {
			listed["q."+u.Message] = true
		}
		took := func() map[string]map[string]int {
			t.Helper()
			data, err := os.ReadFile(server)
			w.ok(err)
			out := map[string]map[string]int{}
			for line := range bytes.Lines(data) {
				var pair [2]string
				w.ok(json.Unmarshal(line, &pair))
				if out[pair[0]] == nil {
					out[pair[0]] = map[string]int{}
				}
				out[pair[0]][pair[1]]++
			}
			return out
		}
		once, missing := took(), 0
		for to, ids := range once {
			for m, k := range ids {
				if k > 1 {
					t.Fatalf("%s has %d of one mail before anybody decided (%v)", to, k, listed[m])
				}
			}
		}
		if missing = n - len(once); missing > len(unknown) {
			t.Fatalf("%d have no mail, and %d are listed", missing, len(unknown))
		}
		_, err = w.Resolve(ctx, by, shop, true)
		w.ok(err)
		if run(1 << 20) {
			t.Fatal("killed at a step that does not come")
		}
		doubles := 0
		for to, ids := range took() {
			if len(ids) != 1 {
				t.Fatalf("%s: %d Message-IDs", to, len(ids))
			}
			for m, k := range ids {
				if k > 2 || k == 2 && !listed[m] {
					t.Fatalf("%s has %d mails, and listed is %v", to, k, listed[m])
				}
				doubles += k - 1
			}
		}
		if got := took(); len(got) != n || doubles != len(unknown)-missing {
			t.Errorf("%d of %d have it, %d twice, %d were unknown, %d missing", len(got), n, doubles, len(unknown), missing)
		}
		if b, err = w.GetBatch(ctx, by, shop, id); err != nil || b.State != "done" || b.Counts["handed-over"] != n {
			t.Errorf("%+v, %v", b, err)
		}
		t.Logf("%d kills, %d unknown, %d of them without a mail", kills, len(unknown), missing)
	})
}
