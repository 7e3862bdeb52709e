package scope

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/killtest"
	"shirase/internal/law"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

var by = actor.Operator()

// TestMain is also the child that TestKilled kills.
func TestMain(m *testing.M) { killtest.Main(m, runForEver) }

const rules = "columns: {account: id, email: mail}\nexclude:\n  - {name: foreign, when: 'country != \"JP\"'}\nsets:\n  - {classes: [email]}\n"

// world is the room over an instance's folder.
type world struct {
	*Scopes
	dir *files.Dir
}

func open(ctx context.Context, url, root string) (*world, error) {
	db, err := store.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	dir, err := files.Open(filepath.Join(root, "files"))
	if err != nil {
		return nil, err
	}
	keys, err := files.OpenKeys(filepath.Join(root, "keys"))
	if err != nil {
		return nil, err
	}
	incidents, err := incident.New(ctx, db, archive.Changed)
	if err != nil {
		return nil, err
	}
	if _, err = archive.New(ctx, db, incidents); err != nil {
		return nil, err
	}
	rosters, err := roster.New(ctx, db, dir, keys)
	if err != nil {
		return nil, err
	}
	book, err := law.Open()
	if err != nil {
		return nil, err
	}
	cases, err := response.New(ctx, response.Rooms{DB: db, Dir: dir, Incidents: incidents, Book: book, Seal: rosters.Sealer})
	if err != nil {
		return nil, err
	}
	s, err := New(ctx, Rooms{DB: db, Rosters: rosters, Cases: cases, Incidents: incidents, Temp: root, PhoneRegion: "JP",
		Hold: func(id, what string) (func(), error) { return dir.Hold("locks/"+id, what) }})
	return &world{s, dir}, err
}

func each(t *testing.T, do func(t *testing.T, w *world)) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w, err := open(t.Context(), url, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Wait(); w.dir.Close(); w.DB.Close() })
		do(t, w)
	})
}

// declare opens a case with an export of n rows, a tenth of them from abroad.
func (w *world) declare(ctx context.Context, id string, n int) (export int64, err error) {
	m, err := incident.ParseMoment("2026-08-20+09:00", nil)
	if err != nil {
		return 0, err
	}
	if _, err := w.Cases.Declare(ctx, by, response.Declaration{ID: id, Title: "T", Organisation: "A", Known: m}); err != nil {
		return 0, err
	}
	var b strings.Builder
	b.WriteString("id,mail,country\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,m%d@mail.example,%s\n", i, i, map[bool]string{true: "TW", false: "JP"}[i%10 == 0])
	}
	k, err := w.Cases.AddEvidence(ctx, by, id, response.Evidence{Name: "a.csv", Use: response.UseAccounts}, strings.NewReader(b.String()))
	if err != nil {
		return 0, err
	}
	return k.Evidence[0].ID, nil
}

func (w *world) case1(t *testing.T, n int) int64 {
	t.Helper()
	export, err := w.declare(t.Context(), "shop", n)
	if err != nil {
		t.Fatal(err)
	}
	return export
}

// TestPermissions: the wrong role, the wrong case, nobody: for all that the room does.
func TestPermissions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		export := w.case1(t, 20)
		dry, err := w.DryRun(ctx, by, "shop", export, rules, 0)
		if err != nil {
			t.Fatal(err)
		}
		w.Wait()
		made, err := w.Commit(ctx, by, "shop", dry.Seq)
		if err != nil {
			t.Fatal(err)
		}
		w.Wait()
		w.Folder = t.TempDir()
		if err := os.WriteFile(filepath.Join(w.Folder, "a.csv"), []byte("id,mail\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		acts := map[string]struct {
			p  actor.Permission
			do func(who actor.Actor, id string) error
		}{
			"rules": {actor.See, func(who actor.Actor, id string) error { _, err := w.Rules(ctx, who, id, 0); return err }},
			"runs":  {actor.See, func(who actor.Actor, id string) error { _, err := w.Runs(ctx, who, id, 9); return err }},
			"run":   {actor.See, func(who actor.Actor, id string) error { _, err := w.Run(ctx, who, id, dry.Seq); return err }},
			"compare": {actor.See, func(who actor.Actor, id string) error {
				_, err := w.Compare(ctx, who, id, made.Seq, made.Seq)
				return err
			}},
			"proposals": {actor.See, func(who actor.Actor, id string) error { _, err := w.Proposals(ctx, who, id, made.Seq); return err }},
			"save":      {actor.Write, func(who actor.Actor, id string) error { _, err := w.SaveRules(ctx, who, id, rules, 0); return err }},
			"folder":    {actor.Write, func(who actor.Actor, id string) error { _, err := w.InFolder(ctx, who, id); return err }},
			"take":      {actor.Write, func(who actor.Actor, id string) error { _, err := w.TakeFile(ctx, who, id, "a.csv"); return err }},
			"cancel":    {actor.Write, func(who actor.Actor, id string) error { return w.Cancel(ctx, who, id, dry.Seq) }},
			"dry run": {actor.Write, func(who actor.Actor, id string) error {
				_, err := w.DryRun(ctx, who, id, export, rules, 0)
				w.Wait()
				return err
			}},
			"commit": {actor.Write, func(who actor.Actor, id string) error {
				_, err := w.Commit(ctx, who, id, dry.Seq)
				w.Wait()
				return err
			}},
			"accept": {actor.Write, func(who actor.Actor, id string) error {
				read, err := w.Proposals(ctx, by, "shop", made.Seq)
				if err != nil {
					t.Fatal(err)
				}
				return w.Accept(ctx, who, id, made.Seq, []Accepted{{Name: "affected.count", Was: read[0].Was}})
			}},
		}
		for name, act := range acts {
			if err := act.do(actor.Actor{}, "shop"); !errors.Is(err, actor.ErrNobody) {
				t.Errorf("%s by nobody: %v", name, err)
			}
			for _, role := range actor.Roles() {
				for _, access := range []actor.Access{actor.None, actor.Reads, actor.Full} {
					who := actor.Staff(actor.Member{ID: "p-1", Roles: []actor.Role{role}, Access: map[string]actor.Access{"shop": access, "other": actor.Full}}, "console")
					err, may := act.do(who, "shop"), who.May(act.p, "shop")
					switch {
					case errors.Is(may, actor.ErrHidden) && !errors.Is(err, ErrNotFound), may == nil && err != nil, may != nil && err == nil:
						t.Errorf("%s by a %s, access %s: %v, and actor says %v", name, role, access, err, may)
					}
				}
			}
		}
		// Samples are for who writes the scope.
		auditor := actor.Staff(actor.Member{ID: "p-2", Roles: []actor.Role{actor.Auditor}}, "console")
		if r, err := w.Run(ctx, auditor, "shop", dry.Seq); err != nil || len(r.Study.Samples) != 2 || r.Study.Samples[0].Picked != nil {
			t.Errorf("%+v, %v", r.Study.Samples, err)
		}
	})
}

// TestTwoAtOnce: who comes second is told who is at it, and nothing is recorded of them; a run that is cancelled leaves nothing.
func TestTwoAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		export := w.case1(t, 30_000)
		var second error
		var seq int64
		var once sync.Once
		started := make(chan struct{})
		w.Space = func() (int64, error) { // within the run: it stands still meanwhile
			once.Do(func() {
				<-started
				_, second = w.DryRun(ctx, by, "shop", export, rules, 0)
				if err := w.Cancel(ctx, by, "shop", seq); err != nil {
					t.Error(err)
				}
			})
			return -1, nil
		}
		r, err := w.DryRun(ctx, by, "shop", export, rules, 0)
		if err != nil {
			t.Fatal(err)
		}
		seq = r.Seq
		close(started)
		w.Wait()
		if !errors.Is(second, files.ErrHeld) || !strings.Contains(second.Error(), "a dry run of the scope of shop") {
			t.Errorf("a second one: %v", second)
		}
		list, err := w.Runs(ctx, by, "shop", 9)
		if err != nil || len(list) != 1 || list[0].State != Cancelled || list[0].Counts.Total != 0 {
			t.Fatalf("%+v, %v", list, err)
		}
		if _, err := w.Commit(ctx, by, "shop", seq); !errors.Is(err, ErrNotDone) {
			t.Errorf("a roster of a run that was cancelled: %v", err)
		}
		if _, err := w.Rosters.Latest(ctx, "shop"); !errors.Is(err, roster.ErrNone) {
			t.Errorf("it left a roster: %v", err)
		}
	})
}

// TestStale: who saves rules has read the ones that are there; who records a fact knows how it stands.
func TestStale(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		export := w.case1(t, 20)
		dry, err := w.DryRun(ctx, by, "shop", export, rules, 0)
		if err != nil {
			t.Fatal(err)
		}
		w.Wait()
		other := strings.Replace(rules, "!=", "==", 1)
		if _, err := w.SaveRules(ctx, by, "shop", other, 0); !errors.Is(err, ErrStale) {
			t.Errorf("rules over rules that were not read: %v", err)
		}
		if _, err := w.DryRun(ctx, by, "shop", export, other, 0); !errors.Is(err, ErrStale) {
			t.Errorf("and tried: %v", err)
		}
		if now, err := w.Rules(ctx, by, "shop", 0); err != nil || now.Seq != 1 || now.Text != rules {
			t.Errorf("%+v, %v", now, err)
		}
		if r, err := w.SaveRules(ctx, by, "shop", other, 1); err != nil || r.Seq != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		made, err := w.Commit(ctx, by, "shop", dry.Seq)
		if err != nil {
			t.Fatal(err)
		}
		w.Wait()
		read, err := w.Proposals(ctx, by, "shop", made.Seq)
		if err != nil {
			t.Fatal(err)
		}
		count := Accepted{Name: "affected.count", Was: read[0].Was}
		if err := w.Accept(ctx, by, "shop", made.Seq, []Accepted{count}); err != nil {
			t.Fatal(err)
		}
		if err := w.Accept(ctx, by, "shop", made.Seq, []Accepted{{Name: "base.count"}, count}); !errors.Is(err, incident.ErrChanged) {
			t.Errorf("a fact that has changed since: %v", err)
		}
		inc, err := w.Incidents.Get(ctx, "shop")
		if _, has := inc.Fact("base.count"); err != nil || has {
			t.Errorf("half of it was recorded: %v", err)
		}
	})
}

// TestDiskFills: a run ends before the disk is full, and says so.
func TestDiskFills(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		export := w.case1(t, 20_000)
		w.Spare, w.Space = 1000, func() (int64, error) { return 999, nil }
		r, err := w.DryRun(t.Context(), by, "shop", export, rules, 0)
		if err != nil {
			t.Fatal(err)
		}
		w.Wait()
		if r, err = w.Run(t.Context(), by, "shop", r.Seq); err != nil || r.State != Failed || !strings.Contains(r.Error, response.ErrSpace.Error()) || r.Remedy == "" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestShredded: shredding the case takes the export, rules and outcomes with it.
func TestShredded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		export := w.case1(t, 50)
		if _, err := w.DryRun(ctx, by, "shop", export, rules, 0); err != nil {
			t.Fatal(err)
		}
		w.Wait()
		a, err := w.Cases.BeginArrival(ctx, by, "shop", response.Evidence{Name: "b.csv", Size: 10, Use: response.UseAccounts})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Rosters.Shred(ctx, by, "shop"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Cases.OpenAccounts(ctx, by, "shop", export, "x"); !errors.Is(err, roster.ErrShredded) {
			t.Errorf("the export opens: %v", err)
		}
		if _, err := w.Cases.Arrive(ctx, by, "shop", a.ID, 0, "", strings.NewReader("0123456789")); !errors.Is(err, roster.ErrShredded) {
			t.Errorf("it goes on: %v", err)
		}
		if _, err := w.Rules(ctx, by, "shop", 0); !errors.Is(err, roster.ErrShredded) {
			t.Errorf("the rules open: %v", err)
		}
		if _, err := w.Runs(ctx, by, "shop", 9); !errors.Is(err, roster.ErrShredded) {
			t.Errorf("the runs open: %v", err)
		}
		if err := w.Cases.Sweep(ctx, func(context.Context, string) (bool, error) { return true, nil }); err != nil {
			t.Fatal(err)
		}
		if names, err := w.dir.List("evidence"); err != nil || len(names) > 0 {
			t.Errorf("%v stay, %v", names, err)
		}
	})
}

// runForEver tries rules and makes rosters for ever.
func runForEver(args []string, step func()) error {
	ctx := context.Background()
	w, err := open(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	w.dir.Watch(step)
	w.Scopes.Rooms.Moved = step
	export, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		text := rules
		if i%2 == 1 {
			text = strings.Replace(rules, "!=", "==", 1)
		}
		now, err := w.Rules(ctx, by, "shop", 0)
		if err != nil {
			return err
		}
		r, err := w.DryRun(ctx, by, "shop", export, text, now.Seq)
		if err != nil {
			return err
		}
		w.Wait()
		if r, err = w.Commit(ctx, by, "shop", r.Seq); err != nil {
			return err
		}
		w.Wait()
		fmt.Println("made", r.Seq)
	}
}

// TestKilled kills a process in dry runs and commits: the next one says of each run how it ended, and the roster is whole.
func TestKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		root := t.TempDir()
		w, err := open(ctx, url, root)
		if err != nil {
			t.Fatal(err)
		}
		export := w.case1(t, 9000)
		interrupted := 0
		for at := 2; at <= 26; at += 6 {
			if _, killed := killtest.Kill(t, at, url, root, strconv.FormatInt(export, 10)); !killed {
				t.Fatal("a process that works for ever has ended")
			}
			if err := w.Settle(ctx); err != nil {
				t.Fatal(err)
			}
			list, err := w.Runs(ctx, by, "shop", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range list {
				switch {
				case r.State == Running, r.State == Failed:
					t.Fatalf("killed at %d: run %d is %s: %s", at, r.Seq, r.State, r.Error)
				case r.State == Interrupted:
					interrupted++
				case r.Commit && r.Roster == "":
					t.Fatalf("killed at %d: run %d is done, and has no roster", at, r.Seq)
				}
			}
			made, err := w.Rosters.Latest(ctx, "shop")
			if err != nil && !errors.Is(err, roster.ErrNone) {
				t.Fatal(err)
			}
			if err == nil {
				n := int64(0)
				for _, err := range w.Rosters.Members(ctx, made) {
					if err != nil {
						t.Fatalf("killed at %d: %v", at, err)
					}
					n++
				}
				if n != made.Counts.Identities["email"] {
					t.Fatalf("killed at %d: %d members of %v", at, n, made.Counts.Identities)
				}
			}
		}
		if interrupted == 0 {
			t.Error("no run was ever interrupted")
		}
	})
}

// TestProposed: rows are never called accounts, and what is recorded already is not proposed.
func TestProposed(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	inc := incident.Incident{Facts: []incident.Fact{
		{Key: "affected.count", Certainty: incident.Confirmed, Value: incident.Value{Number: number(7), Unit: "accounts", Qualifier: "exact"}},
		{Key: "base.count", Certainty: incident.Confirmed, Value: incident.Value{Number: number(12), Unit: "accounts", Qualifier: "exact"}}}}
	r := Run{Outcome: Outcome{Accounts: true, Counts: roster.Counts{Total: 12, Affected: 7, Excluded: roster.Excluded{{Rule: "海外", Rows: 5}}}, Sets: [][]string{{"email", "nickname"}, {"email"}}}}
	var got []string
	for _, p := range proposed(inc, r) {
		got = append(got, fmt.Sprintf("%s %d %s %s %v", p.Key, p.Number, p.Unit, p.Word, p.Same))
	}
	want := "affected.count 7 accounts  true|base.count 12 records  false|excluded 5 records  false|data-class 0  email false|data-class 0  nickname false"
	if strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
	r.Accounts = false // every row is an account
	if p := proposed(inc, r); p[1].Unit != "accounts" || !p[1].Same {
		t.Errorf("%+v", p[1])
	}
}
