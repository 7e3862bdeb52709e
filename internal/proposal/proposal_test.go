package proposal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/killtest"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMain is also the child that TestKilled kills.
func TestMain(m *testing.M) { killtest.Main(m, approveForEver) }

// world is a room with two acts: "say" becomes true in one transaction, "burn" in several steps.
type world struct {
	*Proposals
	t     *testing.T
	facts string // what bytes follow from
	done  []string
	notes []string
	fail  error
	step  func(string) error // within Do
	key   *store.Sealer      // of the case
	away  error              // in its place
}

const schema = `CREATE TABLE IF NOT EXISTS said (n BIGINT NOT NULL, what TEXT NOT NULL)`

func newWorld(t *testing.T, db *store.DB) *world {
	w := &world{t: t, facts: "one"}
	plan := func(_ context.Context, _ actor.Actor, incident string, request []byte) (Plan, error) {
		return Plan{Bytes: []byte(incident + string(request) + w.facts), Effect: Effect{Says: language.Text{JA: "言う", EN: "says it"}, People: 1692496, Unit: "accounts"}}, w.fail
	}
	var err error
	if w.key, err = store.NewSealer(make([]byte, store.KeySize)); err != nil {
		t.Fatal(err)
	}
	w.Proposals, err = New(t.Context(), Rooms{DB: db, Sealer: func(context.Context, string) (*store.Sealer, error) { return w.key, w.away }, Staffed: func(context.Context) (bool, error) { return true, nil }, Approvers: func(context.Context) (int, error) { return 1, nil },
		Note: func(_ context.Context, _ *sql.Tx, who actor.Actor, p *Proposal) error {
			if p.Incident != "" {
				w.notes = append(w.notes, string(p.State)+" by "+who.ID())
			}
			return nil
		},
		Acts: map[string]Act{
			"say": {Single: true, Plan: plan, Do: func(ctx context.Context, who actor.Actor, incident string, request []byte, digest string, settle func(*sql.Tx) error) (any, error) {
				p, err := plan(ctx, who, incident, request)
				if err != nil {
					return nil, err
				}
				if p.Digest() != digest {
					return nil, ErrChanged
				}
				err = db.Update(ctx, func(tx *sql.Tx) error {
					if w.step != nil {
						if err := w.step("say"); err != nil {
							return err
						}
					}
					w.done = append(w.done, "said")
					return settle(tx)
				})
				return map[string]string{"said": incident}, err
			}},
			"burn": {Keys: true, Plan: plan, Do: func(ctx context.Context, _ actor.Actor, _ string, _ []byte, _ string, settle func(*sql.Tx) error) (any, error) {
				if settle != nil {
					t.Error("what has no single transaction gets settle")
				}
				w.facts = "burnt" // from here on its plan is another
				if w.step != nil {
					if err := w.step("burn"); err != nil {
						return nil, err
					}
				}
				w.done = append(w.done, "burnt")
				return nil, nil
			}},
		}})
	if err != nil {
		t.Fatal(err)
	}
	w.now = func() time.Time { return time.Date(2026, 8, 22, 3, 0, 0, 0, time.UTC) }
	return w
}

func each(t *testing.T, do func(t *testing.T, w *world)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { do(t, newWorld(t, db)) })
}

// person is a member of the staff whose passkey has confirmed an act.
func person(id, confirms string, access actor.Access, roles ...actor.Role) actor.Actor {
	return actor.Staff(actor.Member{ID: id, Roles: roles, Access: map[string]actor.Access{"shop": access}, Confirms: confirms, ApproverSince: time.Unix(1000, 0)}, "console")
}

func all(id, confirms string, roles ...actor.Role) actor.Actor {
	return actor.Staff(actor.Member{ID: id, Roles: roles, Access: map[string]actor.Access{actor.Every: actor.Full}, Confirms: confirms, ApproverSince: time.Unix(1000, 0)}, "console")
}

func (w *world) propose(kind string) *Proposal {
	w.t.Helper()
	incident, who := "shop", person("p1", "", actor.Contributes, actor.Commander)
	if kind == "burn" {
		incident, who = "", all("p1", "", actor.Administrator)
	}
	x, err := w.Propose(w.t.Context(), who, kind, incident, map[string]int{"n": 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

func approver(x *Proposal) actor.Actor { return all("p2", x.Act(), actor.Approver) }

// TestApprove: a second person approves exactly what they were shown, once, and it is done.
func TestApprove(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, kind := range []string{"say", "burn"} {
			w.done, w.facts = nil, "one"
			x := w.propose(kind)
			if x.Effect.People != 1692496 || x.State != Proposed || len(w.done) != 0 {
				t.Fatalf("%+v %v", x, w.done)
			}
			y, err := w.Approve(t.Context(), approver(x), x.ID, x.Digest)
			if err != nil || y.State != Done || len(w.done) != 1 || y.Approver != "p2 by console" || !y.Since.Equal(time.Unix(1000, 0)) {
				t.Fatalf("%s: %+v, %v, %v", kind, y, w.done, err)
			}
			if _, err := w.Approve(t.Context(), approver(x), x.ID, x.Digest); !errors.Is(err, ErrOver) || len(w.done) != 1 {
				t.Errorf("%s: approved twice: %v, %v", kind, err, w.done)
			}
			if err := w.Resume(t.Context(), actor.Server()); err != nil || len(w.done) != 1 {
				t.Errorf("%s: done twice: %v, %v", kind, err, w.done)
			}
		}
		if want := []string{"proposed by p1", "approved by p2", "done by p2"}; !slices.Equal(w.notes, want) {
			t.Errorf("noted %q, want %q", w.notes, want)
		}
	})
}

// TestRefused: everybody else, everything else, and every other time.
func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		x := w.propose("say")
		held := actor.Staff(actor.Member{ID: "p2", Roles: []actor.Role{actor.Approver}, Access: map[string]actor.Access{"shop": actor.Full}, Confirms: x.Act(), Held: time.Unix(1, 0)}, "console")
		for name, c := range map[string]struct {
			who    actor.Actor
			digest string
			want   error
		}{
			"nobody":                  {actor.Actor{}, x.Digest, actor.ErrNobody},
			"the host":                {actor.Operator(), x.Digest, actor.ErrRole},
			"the server":              {actor.Server(), x.Digest, actor.ErrRole},
			"who proposed it":         {person("p1", x.Act(), actor.Full, actor.Commander, actor.Approver), x.Digest, ErrSame},
			"without a fresh passkey": {person("p2", "", actor.Full, actor.Approver), x.Digest, actor.ErrUnconfirmed},
			"a passkey for another":   {person("p2", "approve "+strings.Repeat("0", 64), actor.Full, actor.Approver), x.Digest, actor.ErrUnconfirmed},
			"having seen other bytes": {person("p2", "approve "+strings.Repeat("0", 64), actor.Full, actor.Approver), strings.Repeat("0", 64), ErrChanged},
			"a new approver":          {held, x.Digest, actor.ErrHeld},
			"who only reads the case": {person("p2", x.Act(), actor.Reads, actor.Approver), x.Digest, actor.ErrAccess},
			"who does not see it":     {person("p2", x.Act(), actor.None, actor.Approver), x.Digest, ErrNotFound},
			"an administrator":        {all("p2", x.Act(), actor.Administrator), x.Digest, ErrNotFound},
			"an auditor":              {person("p2", x.Act(), actor.Full, actor.Auditor), x.Digest, actor.ErrRole},
			"another commander":       {person("p2", x.Act(), actor.Full, actor.Commander), x.Digest, actor.ErrRole},
			"the desk":                {person("p2", x.Act(), actor.Full, actor.Desk), x.Digest, actor.ErrRole},
			"a writer":                {person("p2", x.Act(), actor.Full, actor.Writer), x.Digest, actor.ErrRole},
			"somebody without a name": {person("", x.Act(), actor.Full, actor.Approver), x.Digest, actor.ErrNobody},
		} {
			if _, err := w.Approve(ctx, c.who, x.ID, c.digest); !errors.Is(err, c.want) || len(w.done) != 0 {
				t.Errorf("approved by %s: %v, want %v", name, err, c.want)
			}
		}
		if now, err := w.Get(ctx, actor.Operator(), x.ID); err != nil || now.State != Proposed {
			t.Fatalf("%+v, %v", now, err)
		}
		// Who may propose.
		for _, role := range actor.Roles() {
			for access := actor.None; access <= actor.Full; access++ {
				who := person("p3", "", access, role)
				_, err := w.Propose(ctx, who, "say", "shop", 1)
				if want := who.May(actor.Propose, "shop"); (want == nil) != (err == nil) || errors.Is(want, actor.ErrHidden) != errors.Is(err, ErrNotFound) {
					t.Errorf("proposed by a %s with access %s: %v", role, access, err)
				}
				if access == actor.None && role != actor.Auditor {
					if list, err := w.List(ctx, who, true); err != nil || len(list) != 0 {
						t.Errorf("a %s without access lists %d, %v", role, len(list), err)
					}
					if _, err := w.Withdraw(ctx, who, x.ID, ""); !errors.Is(err, ErrNotFound) {
						t.Errorf("withdrawn by a %s without access: %v", role, err)
					}
				}
			}
		}
		if _, err := w.Propose(ctx, actor.Actor{}, "say", "shop", 1); !errors.Is(err, actor.ErrNobody) {
			t.Errorf("proposed by nobody: %v", err)
		}
		if _, err := w.Propose(ctx, actor.Operator(), "sing", "shop", 1); !errors.Is(err, ErrKind) {
			t.Errorf("an unknown kind: %v", err)
		}
		if _, err := w.Propose(ctx, person("p1", "", actor.Full, actor.Commander), "burn", "", 1); !errors.Is(err, actor.ErrRole) {
			t.Errorf("keys by a commander: %v", err)
		}
		b := w.propose("burn")
		if _, err := w.Approve(ctx, person("p2", b.Act(), actor.Full, actor.Approver), b.ID, b.Digest); !errors.Is(err, ErrNotFound) {
			t.Errorf("keys by an approver of one case: %v", err)
		}
		if _, err := w.Withdraw(ctx, person("p4", "", actor.Full, actor.Auditor), x.ID, ""); !errors.Is(err, actor.ErrRole) {
			t.Errorf("withdrawn by an auditor: %v", err)
		}
		if y, err := w.Withdraw(ctx, actor.Operator(), x.ID, "wrong"); err != nil || y.State != Withdrawn || y.Why != "wrong" {
			t.Errorf("%+v, %v", y, err)
		}
		if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); !errors.Is(err, ErrOver) || len(w.done) != 0 {
			t.Errorf("approved when it was withdrawn: %v", err)
		}
		y := w.propose("say")
		w.now = func() time.Time { return time.Date(2026, 8, 29, 3, 0, 0, 0, time.UTC) }
		if _, err := w.Approve(ctx, approver(y), y.ID, y.Digest); !errors.Is(err, ErrOver) || !strings.Contains(err.Error(), "expired") {
			t.Errorf("approved a week later: %v", err)
		}
	})
}

// TestChanged: what is not the same, to the byte, is void; and so is a row that somebody edited.
func TestChanged(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, kind := range []string{"say", "burn"} {
			w.facts = "one"
			x := w.propose(kind)
			w.facts = "two"
			if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); !errors.Is(err, ErrChanged) || len(w.done) != 0 {
				t.Fatalf("%s: %v", kind, err)
			}
			w.facts = "one" // also when it is the same again
			if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); !errors.Is(err, ErrOver) || len(w.done) != 0 {
				t.Errorf("%s: void, and approved: %v", kind, err)
			}
			if y, err := w.Get(ctx, actor.Operator(), x.ID); err != nil || y.State != Void || y.Why == "" {
				t.Errorf("%s: %+v, %v", kind, y, err)
			}
		}
		// It changes between approval and act.
		x := w.propose("say")
		w.fail = nil
		if err := w.approve(ctx, approver(x), x); err != nil {
			t.Fatal(err)
		}
		w.facts = "three"
		if err := w.Resume(ctx, actor.Server()); !errors.Is(err, ErrChanged) || len(w.done) != 0 {
			t.Errorf("changed after the approval: %v", err)
		}
		if y, err := w.Get(ctx, actor.Operator(), x.ID); err != nil || y.State != Void {
			t.Errorf("%+v, %v", y, err)
		}
		y := w.propose("say")
		if _, err := w.DB.ExecContext(ctx, `UPDATE proposal SET bytes = $2 WHERE id = $1`, y.ID, []byte("other")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Approve(ctx, approver(y), y.ID, y.Digest); !errors.Is(err, ErrChanged) {
			t.Errorf("an edited row: %v", err)
		}
	})
}

// TestInterrupted: what is approved is done, once, whenever it becomes possible.
func TestInterrupted(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, kind := range []string{"say", "burn"} {
			w.facts, w.done = "one", nil
			x := w.propose(kind)
			down := errors.New("the disk is full")
			w.step = func(string) error { return down }
			if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); !errors.Is(err, down) || !strings.Contains(err.Error(), "is approved") {
				t.Fatalf("%s: %v", kind, err)
			}
			y, err := w.Get(ctx, actor.Operator(), x.ID)
			if err != nil || y.State != map[string]State{"say": Approved, "burn": Started}[kind] || !strings.Contains(y.Why, "disk") {
				t.Fatalf("%s: %+v, %v", kind, y, err)
			}
			if err := w.Resume(ctx, actor.Server()); !errors.Is(err, down) {
				t.Errorf("%s: %v", kind, err)
			}
			w.step = nil
			if err := w.Resume(ctx, actor.Server()); err != nil {
				t.Fatal(err)
			}
			if y, err = w.Get(ctx, actor.Operator(), x.ID); err != nil || y.State != Done || len(w.done) != 1 {
				t.Errorf("%s: %+v, %v, %v", kind, y, w.done, err)
			}
		}
	})
}

// TestTogether: of several who approve at once, it is done once.
func TestTogether(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		x := w.propose("say")
		var wait sync.WaitGroup
		var mu sync.Mutex
		ok := 0
		for i := range 6 {
			wait.Go(func() {
				who := all(fmt.Sprint("q", i), x.Act(), actor.Approver)
				if _, err := w.Approve(context.WithoutCancel(t.Context()), who, x.ID, x.Digest); err == nil {
					mu.Lock()
					ok++
					mu.Unlock()
				} else if !errors.Is(err, ErrOver) {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if ok != 1 {
			t.Errorf("%d approved it", ok)
		}
		if y, err := w.Get(t.Context(), actor.Operator(), x.ID); err != nil || y.State != Done {
			t.Errorf("%+v, %v", y, err)
		}
	})
}

// TestAlone: one person alone approves what they proposed after a delay, where that was said a day before and is recorded.
func TestAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		start := w.now()
		at := func(d time.Duration) { w.now = func() time.Time { return start.Add(d) } }
		admin := all("p1", RuleAct(true, 2*time.Hour), actor.Administrator)
		for name, c := range map[string]struct {
			who   actor.Actor
			delay time.Duration
			want  error
		}{"a commander": {person("p1", RuleAct(true, 2*time.Hour), actor.Full, actor.Commander), 2 * time.Hour, actor.ErrRole}, "without a passkey": {all("p1", "", actor.Administrator), 2 * time.Hour, actor.ErrUnconfirmed},
			"too short": {actor.Operator(), time.Minute, ErrRule}, "too long": {actor.Operator(), 1000 * time.Hour, ErrRule}, "nobody": {actor.Actor{}, 2 * time.Hour, actor.ErrNobody}} {
			if _, err := w.SetRule(ctx, c.who, true, c.delay); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.Approvers = func(context.Context) (int, error) { return 2, nil }
		if _, err := w.SetRule(ctx, admin, true, 2*time.Hour); !errors.Is(err, ErrRule) {
			t.Errorf("where there are two: %v", err)
		}
		w.Approvers = func(context.Context) (int, error) { return 1, nil }
		if r, err := w.SetRule(ctx, admin, true, 2*time.Hour); err != nil || !r.Applies.Equal(start.Add(24*time.Hour)) || r.By != "p1 by console" {
			t.Fatalf("%+v, %v", r, err)
		}
		early := w.propose("say")
		if !early.Alone.IsZero() {
			t.Error("a rule that does not apply yet applies")
		}
		at(25 * time.Hour)
		x := w.propose("say")
		if !x.Alone.Equal(start.Add(27 * time.Hour)) {
			t.Fatalf("alone from %s", x.Alone)
		}
		self := person("p1", x.Act(), actor.Full, actor.Commander, actor.Approver)
		if _, err := w.Approve(ctx, self, x.ID, x.Digest); !errors.Is(err, ErrEarly) {
			t.Errorf("at once: %v", err)
		}
		at(27 * time.Hour)
		if _, err := w.Approve(ctx, person("p1", early.Act(), actor.Full, actor.Commander, actor.Approver), early.ID, early.Digest); !errors.Is(err, ErrSame) {
			t.Errorf("one that was proposed before: %v", err)
		}
		if _, err := w.Approve(ctx, self, x.ID, x.Digest); err != nil || len(w.done) != 1 {
			t.Errorf("after the delay: %v", err)
		}
		if _, err := w.SetRule(ctx, actor.Operator(), false, 0); err != nil {
			t.Fatal(err)
		}
		if y := w.propose("say"); !y.Alone.IsZero() {
			t.Error("a second person is wanted again, and not at once")
		}
		if rules, err := w.Rules(ctx); err != nil || len(rules) != 2 {
			t.Errorf("%+v, %v", rules, err)
		}
	})
}

// TestAloneEnds: that one person alone may approve ends with its reason, and with the rule, also for what is proposed already.
func TestAloneEnds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, start, n := t.Context(), w.now(), 1
		at := func(d time.Duration) { w.now = func() time.Time { return start.Add(d) } }
		w.Approvers = func(context.Context) (int, error) { return n, nil }
		if _, err := w.SetRule(ctx, actor.Operator(), true, 2*time.Hour); err != nil {
			t.Fatal(err)
		}
		at(25 * time.Hour)
		x := w.propose("say")
		self := func(x *Proposal) actor.Actor {
			return person("p1", x.Act(), actor.Full, actor.Commander, actor.Approver)
		}
		at(28 * time.Hour)
		if err := w.MayApprove(ctx, self(x), x); err != nil {
			t.Fatalf("alone: %v", err)
		}
		n = 3
		if y := w.propose("say"); !y.Alone.IsZero() {
			t.Error("proposed where three can approve, and one may alone")
		}
		if _, err := w.Approve(ctx, self(x), x.ID, x.Digest); !errors.Is(err, ErrSame) || len(w.done) != 0 {
			t.Errorf("alone where three can: %v", err)
		}
		n = 1
		if _, err := w.SetRule(ctx, actor.Operator(), false, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Approve(ctx, self(x), x.ID, x.Digest); !errors.Is(err, ErrSame) || len(w.done) != 0 {
			t.Errorf("alone where a second person is wanted again: %v", err)
		}
		// It is asked again when the approval is recorded.
		if err := w.approve(ctx, self(x), x); !errors.Is(err, ErrSame) {
			t.Errorf("recorded: %v", err)
		}
		if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); err != nil || len(w.done) != 1 {
			t.Errorf("a second person: %v", err)
		}
	})
}

// TestHostWaits: what is proposed from the host is of nobody knows whom, and whoever approves it may be the same person: it waits,
// whoever approves, and for the delay of one person alone where that is the rule.
func TestHostWaits(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, start := t.Context(), w.now()
		at := func(d time.Duration) { w.now = func() time.Time { return start.Add(d) } }
		w.HostWait = time.Hour
		host := func() *Proposal {
			t.Helper()
			x, err := w.Propose(ctx, actor.Operator(), "say", "shop", 1)
			if err != nil || !x.Host() {
				t.Fatalf("%+v, %v", x, err)
			}
			return x
		}
		x := host()
		if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); !errors.Is(err, ErrEarly) || len(w.done) != 0 {
			t.Fatalf("at once: %v", err)
		}
		if err := w.approve(ctx, approver(x), x); !errors.Is(err, ErrEarly) {
			t.Errorf("recorded at once: %v", err)
		}
		if y := w.propose("say"); y.Host() {
			t.Error("a member is the host")
		} else if _, err := w.Approve(ctx, approver(y), y.ID, y.Digest); err != nil || len(w.done) != 1 {
			t.Errorf("of a member: %v", err)
		}
		if _, err := w.DB.ExecContext(ctx, `UPDATE proposal SET alone_from = 0 WHERE id = $1`, x.ID); err != nil { // as it was kept before
			t.Fatal(err)
		}
		if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); !errors.Is(err, ErrEarly) {
			t.Errorf("an older one: %v", err)
		}
		at(time.Hour)
		if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); err != nil || len(w.done) != 2 {
			t.Errorf("an hour later: %v", err)
		}
		if _, err := w.SetRule(ctx, actor.Operator(), true, 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		at(26 * time.Hour)
		x = host()
		at(28 * time.Hour)
		if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); !errors.Is(err, ErrEarly) || len(w.done) != 2 {
			t.Errorf("within the delay of one alone: %v", err)
		}
		at(50 * time.Hour)
		if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); err != nil || len(w.done) != 3 {
			t.Errorf("after it: %v", err)
		}
	})
}

// TestOfTheServer: what the server proposes, as it follows from something, can be approved, though the server is nobody of the staff.
func TestOfTheServer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Gone = func(_ context.Context, person string) (bool, error) { return person != "p1" && person != "p2", nil }
		x, err := w.Propose(ctx, actor.Server(), "say", "shop", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); err != nil || len(w.done) != 1 {
			t.Errorf("%v, %v", err, w.done)
		}
	})
}

// TestOvertaken: who was removed has nothing carried out, and an approval does not last for ever.
func TestOvertaken(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, start, gone := t.Context(), w.now(), ""
		w.Gone = func(_ context.Context, person string) (bool, error) { return person == gone, nil }
		x := w.propose("say")
		gone = "p1"
		if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); !errors.Is(err, ErrOver) || len(w.done) != 0 {
			t.Errorf("of who was removed: %v", err)
		}
		down := errors.New("the disk is full")
		for _, c := range []struct {
			gone  string
			later time.Duration
		}{{"p1", 0}, {"p2", 0}, {"", lasts}} {
			for _, kind := range []string{"say", "burn"} {
				gone, w.done, w.facts = "", nil, "one"
				w.now = func() time.Time { return start }
				x := w.propose(kind)
				w.step = func(string) error { return down }
				if _, err := w.Approve(ctx, approver(x), x.ID, x.Digest); !errors.Is(err, down) {
					t.Fatal(err)
				}
				w.step, gone = nil, c.gone
				w.now = func() time.Time { return start.Add(c.later) }
				err := w.Resume(ctx, actor.Server())
				y, e := w.Get(ctx, actor.Operator(), x.ID)
				if e != nil {
					t.Fatal(e)
				}
				// What is begun has to end.
				if kind == "say" && (!errors.Is(err, ErrOver) || y.State != Void || y.Why == "" || len(w.done) != 0) || kind == "burn" && (err != nil || y.State != Done) {
					t.Errorf("%s, %q gone, %s later: %s, %v, %v", kind, c.gone, c.later, y.State, w.done, err)
				}
			}
		}
	})
}

// approveForEver proposes and approves for ever: each writes a line into a file for what it did, in several steps.
func approveForEver(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	p, err := killed(ctx, db, args[1], step)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		step()
		kind := []string{"say", "burn"}[i%2]
		x, err := p.Propose(ctx, actor.Operator(), kind, "shop", fmt.Sprint(args[2], " ", i))
		if err != nil {
			return err
		}
		step()
		who := all("p2", x.Act(), actor.Approver)
		if _, err := p.Approve(ctx, who, x.ID, x.Digest); err != nil {
			return err
		}
		fmt.Println(x.ID)
	}
}

func killed(ctx context.Context, db *store.DB, dir string, step func()) (*Proposals, error) {
	plan := func(_ context.Context, _ actor.Actor, incident string, request []byte) (Plan, error) {
		return Plan{Bytes: append([]byte(incident), request...)}, nil
	}
	return New(ctx, Rooms{DB: db, Acts: map[string]Act{
		"say": {Single: true, Plan: plan, Do: func(ctx context.Context, _ actor.Actor, _ string, request []byte, _ string, settle func(*sql.Tx) error) (any, error) {
			step()
			err := db.Update(ctx, func(tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, `INSERT INTO said (n, what) VALUES (1, $1)`, string(request)); err != nil {
					return err
				}
				step()
				return settle(tx)
			})
			step()
			return nil, err
		}},
		"burn": {Plan: plan, Do: func(ctx context.Context, _ actor.Actor, _ string, request []byte, _ string, _ func(*sql.Tx) error) (any, error) {
			step()
			name := filepath.Join(dir, fmt.Sprintf("%x", request))
			err := os.WriteFile(name, nil, 0o600)
			step()
			return nil, err
		}},
	}, Staffed: func(context.Context) (bool, error) { return true, nil }, Approvers: func(context.Context) (int, error) { return 2, nil }})
}

// TestKilled kills a process that approves, at each of its steps: what was said is done is done once, and what was approved is done by
// whoever comes next.
func TestKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		db, err := store.Open(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if _, err := db.ExecContext(ctx, schema); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		p, err := killed(ctx, db, dir, func() {})
		if err != nil {
			t.Fatal(err)
		}
		p.now = func() time.Time { return time.Now().Add(claims) } // whoever had claimed it is dead
		done := 0
		for at := 1; at <= 14; at++ {
			said, killed := killtest.Kill(t, at, url, dir, fmt.Sprint(at))
			if !killed {
				t.Fatal("it ended by itself")
			}
			done += len(said)
			if err := p.Resume(ctx, actor.Server()); err != nil {
				t.Fatalf("killed at %d: %v", at, err)
			}
			list, err := p.List(ctx, actor.Operator(), true)
			if err != nil {
				t.Fatal(err)
			}
			says, burns := 0, 0
			for _, x := range list {
				switch {
				case x.State == Proposed:
				case x.State != Done:
					t.Fatalf("killed at %d: %s is %s: %s", at, x.Kind, x.State, x.Why)
				case x.Kind == "say":
					says++
				default:
					burns++
				}
			}
			var rows int
			if err := db.QueryRowContext(ctx, `SELECT count(*) FROM said`).Scan(&rows); err != nil || rows != says {
				t.Fatalf("killed at %d: %d were said, %d are done: %v", at, rows, says, err)
			}
			if names, err := os.ReadDir(dir); err != nil || len(names) != burns || says+burns < done {
				t.Fatalf("killed at %d: %d burnt, %d are done, %d were told: %v", at, len(names), burns, done, err)
			}
		}
		if done == 0 {
			t.Error("it was never killed after it had done anything")
		}
	})
}
