package response

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// accounts are bytes of an export that has some pieces.
func accounts(n int) []byte {
	return bytes.Repeat([]byte("1001,who-it-was@example.com\n"), n)[:n]
}

// send sends an arrival from where it is to its end, and makes evidence of it.
func (d *desk) send(id string, a *Arrival, data []byte) *Case {
	d.t.Helper()
	var err error
	for arrival := a.ID; a.Received < a.Size; {
		part := data[a.Received:min(a.Received+MaxPiece, a.Size)]
		if a, err = d.Arrive(d.t.Context(), by, id, arrival, a.Received, sumOf(part), bytes.NewReader(part)); err != nil {
			d.t.Fatal(err)
		}
	}
	k, err := d.FinishArrival(d.t.Context(), by, id, a.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	return k
}

// TestArrival: what comes in pieces is sealed, goes on where it was, and is evidence with its hash when all of it is there.
func TestArrival(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		data := accounts(MaxPiece*2 + 12345)
		a, err := d.BeginArrival(ctx, by, k.ID, Evidence{Name: `C:\exports\members.csv`, Size: int64(len(data)), Use: UseAccounts})
		if err != nil || a.Name != "members.csv" {
			t.Fatal(a, err)
		}
		first := data[:MaxPiece]
		refused := func(what string, want error, at int64, sum string, r io.Reader) {
			t.Helper()
			if _, err := d.Arrive(ctx, by, k.ID, a.ID, at, sum, r); !errors.Is(err, want) {
				t.Errorf("%s: %v", what, err)
			}
			is, err := d.Arrival(ctx, by, k.ID, a.ID)
			if err != nil || is.Received != a.Received || int64(len(is.Pieces)) != a.Received/MaxPiece {
				t.Errorf("%s: %d bytes are here, %v", what, is.Received, err)
			}
			if names, err := d.dir.List("evidence"); err != nil || int64(len(names)) != a.Received/MaxPiece {
				t.Errorf("%s: %v stay, %v", what, names, err)
			}
		}
		refused("changed on the way", ErrEntry, 0, sumOf(data[1:]), bytes.NewReader(first))
		refused("broken off", io.ErrUnexpectedEOF, 0, sumOf(first), io.MultiReader(bytes.NewReader(first[:1000]), broken{}))
		refused("too short", ErrEntry, 0, sumOf(first[:9]), bytes.NewReader(first[:9]))
		refused("too long", ErrTooLarge, 0, sumOf(data), bytes.NewReader(data))
		refused("not the next one", ErrStale, MaxPiece, sumOf(first), bytes.NewReader(first))
		if a, err = d.Arrive(ctx, by, k.ID, a.ID, 0, sumOf(first), bytes.NewReader(first)); err != nil || a.Received != MaxPiece {
			t.Fatal(a, err)
		}
		refused("twice", ErrStale, 0, sumOf(first), bytes.NewReader(first))
		if _, err := d.FinishArrival(ctx, by, k.ID, a.ID); !errors.Is(err, ErrEntry) {
			t.Errorf("finished before its end: %v", err)
		}
		// Somebody else goes on, from what the server says is there.
		list, err := d.Arrivals(ctx, by, k.ID)
		if err != nil || len(list) != 1 || list[0].Received != MaxPiece || len(list[0].Pieces) != 1 || list[0].Pieces[0] != sumOf(first) || list[0].BegunBy != by.String() {
			t.Fatalf("%+v, %v", list, err)
		}
		k = d.send(k.ID, list[0], data)
		p := k.Evidence[len(k.Evidence)-1]
		if p.SHA256 != sumOf(data) || p.Size != int64(len(data)) || p.Use != UseAccounts {
			t.Errorf("%+v", p)
		}
		names, err := d.dir.List("evidence")
		if err != nil || len(names) != 3 {
			t.Fatal(names, err)
		}
		for _, name := range names {
			if file, err := d.dir.Get(name, 2*MaxPiece); err != nil || bytes.Contains(file, []byte("who-it-was")) {
				t.Errorf("%s can be read: %v", name, err)
			}
		}
		if err := d.Sweep(ctx, never); err != nil {
			t.Fatal(err)
		}
		r, _, err := d.OpenAccounts(ctx, by, k.ID, p.ID, "a dry run")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if k, err = d.Get(ctx, by, k.ID); err != nil || len(k.piece(p.ID).Custody) != 2 || k.piece(p.ID).Custody[1].Why != "a dry run" {
			t.Errorf("%+v, %v", k.piece(p.ID).Custody, err)
		}
		if list, err := d.Arrivals(ctx, by, k.ID); err != nil || len(list) != 0 {
			t.Errorf("%v still arrive, %v", list, err)
		}
		// A piece that is missing, or in another's place, is found.
		if err := d.dir.Put(names[0], mustGet(t, d, names[1])); err != nil {
			t.Fatal(err)
		}
		if _, err := d.VerifyEvidence(ctx, by, k.ID, p.ID); !errors.Is(err, ErrChain) {
			t.Errorf("pieces in the wrong order: %v", err)
		}
	})
}

func never(context.Context, string) (bool, error) { return false, nil }

func mustGet(t *testing.T, d *desk, name string) []byte {
	t.Helper()
	b, err := d.dir.Get(name, 2*MaxPiece)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestArrivalRoom: what would fill the disk, or is larger than is taken, is not begun; what arrives counts.
func TestArrivalRoom(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		space := int64(10 << 20)
		d.Space = func() (int64, error) { return space, nil }
		d.Limits = Limits{Evidence: 6 << 20, All: 9 << 20, Spare: 3 << 20}
		begin := func(size int64) error {
			_, err := d.BeginArrival(ctx, by, k.ID, Evidence{Name: "a", Size: size})
			return err
		}
		for size, want := range map[int64]error{0: ErrEntry, -1: ErrEntry, 7 << 20: ErrTooLarge} {
			if err := begin(size); !errors.Is(err, want) {
				t.Errorf("%d: %v", size, err)
			}
		}
		if err := begin(4 << 20); err != nil {
			t.Fatal(err)
		}
		if err := begin(4 << 20); !errors.Is(err, ErrSpace) { // the first one has all that may be used
			t.Errorf("a second one: %v", err)
		}
		space = 100 << 20
		if err := begin(6 << 20); !errors.Is(err, ErrTooLarge) { // the case would have too much
			t.Errorf("more than a case may have: %v", err)
		}
		// The disk fills while it comes.
		list, err := d.Arrivals(ctx, by, k.ID)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		space = 3 << 20
		part := accounts(MaxPiece)
		if _, err := d.Arrive(ctx, by, k.ID, list[0].ID, 0, sumOf(part), bytes.NewReader(part)); !errors.Is(err, ErrSpace) {
			t.Errorf("a full disk: %v", err)
		}
		if _, err := d.AddEvidence(ctx, by, k.ID, Evidence{Name: "a", Size: 1 << 20}, strings.NewReader("x")); !errors.Is(err, ErrSpace) {
			t.Errorf("evidence whose size is known: %v", err)
		}
	})
}

// TestArrivalOver: what is given up, or does not come on, or belongs to a case whose key is gone, leaves nothing.
func TestArrivalOver(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		begun := func() *Arrival {
			t.Helper()
			a, err := d.BeginArrival(ctx, by, k.ID, Evidence{Name: "a.csv", Size: MaxPiece * 2, Use: UseAccounts})
			if err == nil {
				part := accounts(MaxPiece)
				a, err = d.Arrive(ctx, by, k.ID, a.ID, 0, sumOf(part), bytes.NewReader(part))
			}
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		nothing := func(what string) {
			t.Helper()
			names, err := d.dir.List("evidence")
			var rows int
			if e := d.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM response_arrival) + (SELECT count(*) FROM response_piece)`).Scan(&rows); e != nil || err != nil || len(names)+rows > 0 {
				t.Errorf("%s: %v and %d rows stay, %v %v", what, names, rows, err, e)
			}
		}
		a := begun()
		if err := d.GiveUpArrival(ctx, by, k.ID, a.ID); err != nil {
			t.Fatal(err)
		}
		nothing("given up")
		if _, err := d.Arrive(ctx, by, k.ID, a.ID, MaxPiece, sumOf(nil), strings.NewReader("")); !errors.Is(err, ErrNotFound) {
			t.Errorf("it goes on: %v", err)
		}
		begun()
		if err := d.Sweep(ctx, func(context.Context, string) (bool, error) { return true, nil }); err != nil {
			t.Fatal(err)
		}
		nothing("its key is gone")
		begun()
		d.now = func() time.Time { return time.Now().Add(arrivalLasts + time.Hour) }
		if err := d.Sweep(ctx, never); err != nil {
			t.Fatal(err)
		}
		nothing("it did not come on")
	})
}

// TestArrivalOfClosed: a case that is closed takes no further piece, and nothing of what was on its way stays; nor does a piece that was
// coming while it was closed.
func TestArrivalOfClosed(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		part := accounts(MaxPiece)
		var begun []*Arrival
		for range 3 {
			a, err := d.BeginArrival(ctx, by, k.ID, Evidence{Name: "a.csv", Size: MaxPiece * 2, Use: UseAccounts})
			if err == nil {
				a, err = d.Arrive(ctx, by, k.ID, a.ID, 0, sumOf(part), bytes.NewReader(part))
			}
			if err != nil {
				t.Fatal(err)
			}
			begun = append(begun, a)
		}
		if _, err := d.close(ctx, staff("p-1", k.ID, actor.Full, actor.Writer), k.ID, "x"); !errors.Is(err, actor.ErrRole) {
			t.Errorf("closed by a writer: %v", err)
		}
		closing := &whenRead{Reader: bytes.NewReader(part), then: func() {
			if _, err := d.close(ctx, by, k.ID, "it was a test"); err != nil {
				t.Error(err)
			}
		}}
		if _, err := d.Arrive(ctx, by, k.ID, begun[0].ID, MaxPiece, sumOf(part), closing); !errors.Is(err, ErrClosed) || !closing.done {
			t.Errorf("a piece that came while it was closed: %v", err)
		}
		if _, err := d.Arrive(ctx, by, k.ID, begun[1].ID, MaxPiece, sumOf(part), bytes.NewReader(part)); !errors.Is(err, ErrClosed) {
			t.Errorf("a further piece: %v", err)
		}
		if _, err := d.FinishArrival(ctx, by, k.ID, begun[2].ID); !errors.Is(err, ErrClosed) {
			t.Errorf("finished: %v", err)
		}
		if _, err := d.BeginArrival(ctx, by, k.ID, Evidence{Name: "b.csv", Size: 1}); !errors.Is(err, ErrClosed) {
			t.Errorf("begun: %v", err)
		}
		if list, err := d.Arrivals(ctx, by, k.ID); err != nil || len(list) != 0 {
			t.Errorf("%v arrive, %v", list, err)
		}
		names, err := d.dir.List("evidence")
		var rows int
		if e := d.db.QueryRowContext(ctx, `SELECT count(*) FROM response_piece`).Scan(&rows); e != nil || err != nil || len(names)+rows > 0 {
			t.Errorf("%v and %d rows stay, %v %v", names, rows, err, e)
		}
	})
}

// whenRead does something before its first byte is read.
type whenRead struct {
	io.Reader
	then func()
	done bool
}

func (w *whenRead) Read(p []byte) (int, error) {
	if !w.done {
		w.done = true
		w.then()
	}
	return w.Reader.Read(p)
}

// TestArrivalsAtOnce: so many are on their way in a case at once, and no more, whoever begins them together; another case has its own.
func TestArrivalsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k, other := d.declare(nil), d.declare(nil)
		errs := make(chan error)
		for range MaxArrivals + 4 {
			go func() {
				_, err := d.BeginArrival(ctx, by, k.ID, Evidence{Name: "a", Size: 10})
				errs <- err
			}()
		}
		refused := 0
		for range MaxArrivals + 4 {
			if err := <-errs; errors.Is(err, ErrArrivals) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		list, err := d.Arrivals(ctx, by, k.ID)
		if err != nil || len(list) != MaxArrivals || refused != 4 {
			t.Fatalf("%d arrive, %d were refused, %v", len(list), refused, err)
		}
		if _, err := d.BeginArrival(ctx, by, other.ID, Evidence{Name: "a", Size: 10}); err != nil {
			t.Errorf("of another case: %v", err)
		}
		if err := d.GiveUpArrival(ctx, by, k.ID, list[0].ID); err != nil {
			t.Fatal(err)
		}
		if _, err := d.BeginArrival(ctx, by, k.ID, Evidence{Name: "a", Size: 10}); err != nil {
			t.Errorf("after one was given up: %v", err)
		}
	})
}

// TestRemoveAccounts: an export of accounts can be removed, by who may and with their passkey; its hash and who had it stay.
func TestRemoveAccounts(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		data := accounts(MaxPiece + 10)
		a, err := d.BeginArrival(ctx, by, k.ID, Evidence{Name: "a.csv", Size: int64(len(data)), Use: UseAccounts})
		if err != nil {
			t.Fatal(err)
		}
		k = d.send(k.ID, a, data)
		export := k.Evidence[0].ID
		if k, err = d.AddEvidence(ctx, by, k.ID, Evidence{Name: "auth.log"}, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		log := k.Evidence[1].ID
		commander := staff("p-1", k.ID, actor.Full, actor.Commander)
		for who, want := range map[*actor.Actor]error{
			{}: actor.ErrNobody, ptr(staff("p-2", "other", actor.Full, actor.Commander)): ErrNotFound, ptr(staff("p-3", k.ID, actor.Full, actor.Writer)): actor.ErrRole,
			ptr(staff("p-4", k.ID, actor.Contributes, actor.Commander)): actor.ErrAccess, &commander: actor.ErrUnconfirmed,
		} {
			if _, err := d.RemoveAccounts(ctx, *who, k.ID, export, "done"); !errors.Is(err, want) {
				t.Errorf("%s: %v", who, err)
			}
		}
		if _, err := d.RemoveAccounts(ctx, by, k.ID, log, "done"); !errors.Is(err, ErrNotFound) {
			t.Errorf("other evidence: %v", err)
		}
		if _, err := d.RemoveAccounts(ctx, by, k.ID, export, ""); !errors.Is(err, ErrEntry) {
			t.Errorf("without a reason: %v", err)
		}
		onHold := errors.New("a legal hold is on")
		d.Held = func(_ context.Context, _ store.Querier, id string) error { return map[string]error{k.ID: onHold}[id] }
		if _, err := d.RemoveAccounts(ctx, by, k.ID, export, "done"); !errors.Is(err, onHold) {
			t.Errorf("what is held is removed: %v", err)
		}
		if now, err := d.Get(ctx, by, k.ID); err != nil || now.Evidence[0].Removed() {
			t.Errorf("what is held is said to be removed: %v", err)
		}
		d.Held = nil
		confirmed := actor.Staff(actor.Member{ID: "p-1", Roles: []actor.Role{actor.Commander}, Access: map[string]actor.Access{k.ID: actor.Full}, Confirms: ActRemove(k.ID, export)}, "console")
		if k, err = d.RemoveAccounts(ctx, confirmed, k.ID, export, "the roster is made"); err != nil || !k.Evidence[0].Removed() || k.Evidence[0].SHA256 != sumOf(data) {
			t.Fatal(err)
		}
		if names, err := d.dir.List("evidence"); err != nil || len(names) != 1 {
			t.Errorf("%v stay, %v", names, err)
		}
		var key []byte
		if err := d.db.QueryRowContext(ctx, `SELECT key FROM response_evidence WHERE seq = $1`, export).Scan(&key); err != nil || len(key) > 0 {
			t.Errorf("its key stays: %v", err)
		}
		if _, _, err := d.OpenAccounts(ctx, by, k.ID, export, ""); !errors.Is(err, ErrRemoved) {
			t.Errorf("it opens: %v", err)
		}
		if _, err := d.VerifyEvidence(ctx, by, k.ID, export); !errors.Is(err, ErrRemoved) {
			t.Errorf("it verifies: %v", err)
		}
		if _, err := d.Verify(ctx, by, k.ID, nil); err != nil {
			t.Error(err)
		}
		if kept, err := d.Kept(ctx, k.ID); err != nil || len(kept.Evidence) != 1 {
			t.Errorf("%v, %v", kept.Evidence, err)
		}
	})
}

func ptr[T any](v T) *T { return &v }

// TestAccountsAreTheWriters: an export of accounts is read and taken in by who works out the scope, and goes out with no archive.
func TestAccountsAreTheWriters(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		k, err := d.AddEvidence(ctx, by, k.ID, Evidence{Name: "a.csv", Use: UseAccounts}, strings.NewReader("mail\na@example.com\n"))
		if err != nil {
			t.Fatal(err)
		}
		n := k.Evidence[0].ID
		arrival, err := d.BeginArrival(ctx, by, k.ID, Evidence{Name: "b.csv", Size: 10, Use: UseAccounts})
		if err != nil {
			t.Fatal(err)
		}
		for name, who := range map[string]actor.Actor{"nobody": {}, "another case's": staff("p-0", "other", actor.Full, actor.Writer), "desk": staff("p-1", k.ID, actor.Full, actor.Desk),
			"auditor": staff("p-2", k.ID, actor.Reads, actor.Auditor), "a reader": staff("p-3", k.ID, actor.Reads, actor.Writer), "administrator": staff("p-4", k.ID, actor.Full, actor.Administrator)} {
			for what, err := range map[string]error{
				"open":   last(d.OpenAccounts(ctx, who, k.ID, n, "")),
				"read":   errOf(d.ReadEvidence(ctx, who, k.ID, n, "read", "", "", io.Discard)),
				"begin":  errOf(d.BeginArrival(ctx, who, k.ID, Evidence{Name: "c", Size: 1, Use: UseAccounts})),
				"arrive": errOf(d.Arrive(ctx, who, k.ID, arrival.ID, 0, sumOf([]byte("0123456789")), strings.NewReader("0123456789"))),
				"finish": errOf(d.FinishArrival(ctx, who, k.ID, arrival.ID)), "give up": d.GiveUpArrival(ctx, who, k.ID, arrival.ID),
				"add": errOf(d.AddEvidence(ctx, who, k.ID, Evidence{Name: "c", Use: UseAccounts}, strings.NewReader("x"))),
			} {
				if !errors.Is(err, actor.ErrRole) && !errors.Is(err, actor.ErrAccess) && !errors.Is(err, ErrNotFound) && !errors.Is(err, actor.ErrNobody) {
					t.Errorf("%s by %s: %v", what, name, err)
				}
			}
		}
		var out bytes.Buffer
		if _, err := d.Export(ctx, by, k.ID, Takeout{Evidence: true}, &out); err != nil || bytes.Contains(out.Bytes(), []byte("evidence/"+fmt.Sprint(n))) {
			t.Errorf("it goes out: %v", err)
		}
		if x, err := VerifyExport(bytes.NewReader(out.Bytes()), int64(out.Len()), nil); err != nil || len(x.Missing) > 0 {
			t.Errorf("%v, %v", x.Missing, err)
		}
	})
}

func errOf[T any](_ T, err error) error { return err }

func last[A, B any](_ A, _ B, err error) error { return err }

// arriveForEver sends pieces for ever.
func arriveForEver(ctx context.Context, c *Cases, step func()) error {
	part := accounts(MaxPiece)
	for {
		a, err := c.BeginArrival(ctx, by, "shop", Evidence{Name: "a.csv", Size: 3 * MaxPiece, Use: UseAccounts})
		for err == nil && a.Received < a.Size {
			step()
			if a, err = c.Arrive(ctx, by, "shop", a.ID, a.Received, sumOf(part), bytes.NewReader(part)); err == nil {
				fmt.Println("piece", a.ID, a.Received)
			}
		}
		if err != nil {
			return err
		}
		step()
		k, err := c.FinishArrival(ctx, by, "shop", a.ID)
		if err != nil {
			return err
		}
		fmt.Println("whole", k.Entries)
	}
}

// TestKilledArrival kills a process while pieces come: what it said is here is here, and the rest goes on from there.
func TestKilledArrival(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		root := t.TempDir()
		c, dir, err := openRoom(ctx, url, root)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Declare(ctx, by, Declaration{ID: "shop", Title: "T", Organisation: "A", Known: moment(t, "2026-08-20+09:00")}); err != nil {
			t.Fatal(err)
		}
		all := bytes.Repeat(accounts(MaxPiece), 3)
		resumed := 0
		for at := 1; at <= 16; at += 3 {
			lines, killed := killtest.Kill(t, at, url, root, "arrivals")
			if !killed {
				t.Fatal("a process that works for ever has ended")
			}
			here := map[string]int64{}
			for _, line := range lines {
				var id string
				var n int64
				if _, err := fmt.Sscanf(line, "piece %s %d", &id, &n); err == nil {
					here[id] = n
				}
			}
			if err := c.Sweep(ctx, never); err != nil {
				t.Fatal(err)
			}
			list, err := c.Arrivals(ctx, by, "shop")
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				if a.Received < here[a.ID] {
					t.Fatalf("killed at %d: %d bytes are here, and it said %d", at, a.Received, here[a.ID])
				}
				d := desk{t: t, Cases: c}
				k := d.send("shop", a, all)
				if p := k.Evidence[len(k.Evidence)-1]; p.SHA256 != sumOf(all) {
					t.Fatalf("killed at %d: it is not what was sent", at)
				}
				resumed++
			}
			k, err := c.get(ctx, "shop")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range k.Evidence {
				if err := c.open(ctx, "shop", &p, discard{}); err != nil {
					t.Fatalf("killed at %d: %v", at, err)
				}
			}
			if names, err := dir.List("evidence"); err != nil || len(names) != 3*len(k.Evidence) {
				t.Fatalf("killed at %d: %d files of %d pieces of evidence, %v", at, len(names), len(k.Evidence), err)
			}
		}
		if resumed == 0 {
			t.Error("nothing was ever left to go on with")
		}
	})
}
