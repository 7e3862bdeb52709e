// Package response is the private side of an organisation's own incident: the case. Everything that people do in it is an
// entry of one append-only chain of hashes (docs/FORMAT.md, cases), and what a case is follows from its entries: what was
// decided, when and on what knowledge can be shown years later. Entries are sealed under the case's key, so that the whole
// case goes with that key.
//
// Whoever asks is an actor.Actor, and what they may do is asked here, in the function that does it: a case that is not theirs is
// not found.
package response

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/law"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrNotFound says that there is no such case, or nothing of that name in it, or that it is not theirs to know.
	ErrNotFound = errors.New("there is no such case")
	// ErrEntry says that what is to be recorded is not complete, or contradicts itself.
	ErrEntry = errors.New("not recorded")
	// ErrChain says that the entries of a case are not those that were recorded.
	ErrChain = errors.New("the case's record is not what was written")
	// ErrStale says that something has changed since it was read: a *StaleError says how it stands now.
	ErrStale = errors.New("it has changed since it was read")
	// ErrClosed says that a case is closed.
	ErrClosed = errors.New("the case is closed")
	// ErrMoved says that a case, or its facts, changed while it was decided how it ends.
	ErrMoved = errors.New("the case has changed meanwhile")
	// ErrTooLarge says that evidence is larger than is taken.
	ErrTooLarge = errors.New("it is larger than is taken in")
	// ErrRemoved says that an export of accounts was taken away.
	ErrRemoved = errors.New("it was removed")
)

// A StaleError says how something stands that was changed meanwhile: what was to be recorded is not lost with the one who has it,
// and both can be shown.
type StaleError struct {
	What    string // "task 3"
	Version int64  // as it stands; what was read was an earlier one
	By      string
	At      time.Time
	Now     Body // as it stands
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("%s: %v: %s changed it on %s (version %d)", e.What, ErrStale, e.By, e.At.UTC().Format(time.RFC3339), e.Version)
}
func (e *StaleError) Unwrap() error { return ErrStale }
func (e *StaleError) Hint() string  { return "read it again, and change what it says now" }

// Rooms are what cases stand on. Functions may be nil.
type Rooms struct {
	DB        *store.DB
	Dir       *files.Dir // of sealed evidence
	Incidents *incident.Incidents
	Book      *law.Book
	Seal      Sealer
	Playbooks fs.FS  // of one's own, *.yaml; nil: there are none
	Limits    Limits // zero: the usual ones
	// Space gives the bytes that are left on the disk of Dir; negative where nobody knows. nil: nobody asks.
	Space func() (int64, error)
	URL   string           // of this instance, which documents lead to; "" where it is not known
	Now   func() time.Time // nil: time.Now
	// Exercise says that nothing of it is real, and what is written for others has to say so.
	Exercise bool

	// Granted is told, in its transaction, who has declared a case, and has it from then on.
	Granted func(ctx context.Context, tx *sql.Tx, who actor.Actor, id string) error
	// Tell is told, in their transaction, of what somebody should hear.
	Tell func(ctx context.Context, tx *sql.Tx, m Message) error
	// Asked gives how many enquiries of a case came before a moment; false: it has no desk. Reports to authorities say it.
	Asked func(ctx context.Context, id string, before time.Time) (n int64, ok bool, err error)
	// Gone reports whether an error of Seal says that a case was shredded: it waits for nobody any more. nil: none ever is.
	Gone func(err error) bool
	// Held says, in a transaction, that a legal hold is on, and that nothing of a case is to be removed; nil: none ever is.
	Held func(ctx context.Context, q store.Querier, id string) error
	// Outlives gives what of a case goes on after it: what is to be done, and what was learnt.
	Outlives func(ctx context.Context, id string) (prevention, lessons []string, err error)
	// Names says whose pseudonym something is, for those who may see it; "" where nobody knows.
	Names func(ctx context.Context, id string) string
}

// Limits bound what is taken in.
type Limits struct {
	Evidence int64 // bytes of one piece
	All      int64 // bytes of all of one case
	Spare    int64 // bytes that stay free on the disk
}

// Cases is the room: the cases of one store.
type Cases struct {
	Rooms
	now func() time.Time
}

// Sealer gives what a case's columns are sealed under. It makes the case's key where make is true and there was none;
// whoever shreds the case destroys it.
type Sealer func(ctx context.Context, incident string, make bool) (*store.Sealer, error)

// New opens the room and brings its tables up to date.
func New(ctx context.Context, rooms Rooms) (*Cases, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "response", sub); err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	if rooms.Limits.Evidence == 0 {
		rooms.Limits.Evidence = 8 << 30
	}
	if rooms.Limits.All == 0 {
		rooms.Limits.All = 100 << 30
	}
	c := &Cases{Rooms: rooms, now: rooms.Now}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// may asks whether somebody may do something in a case. Of one that is not theirs they hear, to the word, what is said of one that is
// not there: nothing stands before it, and what comes first in every act is this, or get.
func may(who actor.Actor, p actor.Permission, id string) error {
	err := who.May(p, id)
	if errors.Is(err, actor.ErrHidden) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("case %s: %w", id, err)
	}
	return nil
}

// Listed is what a list of cases shows of one.
type Listed struct {
	ID      string
	Entries int64
	Head    string
	// Declared is when it was declared.
	Declared time.Time
}

// List gives the cases that are theirs by id, without opening them.
func (c *Cases) List(ctx context.Context, who actor.Actor) ([]Listed, error) {
	if err := who.Check("list cases"); err != nil {
		return nil, err
	}
	rows, err := c.DB.QueryContext(ctx, `SELECT c.id, c.entries, c.head, e.at FROM response_case c JOIN response_entry e ON e.case_id = c.id AND e.seq = 1 ORDER BY c.id`)
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	defer rows.Close()
	var out []Listed
	for rows.Next() {
		var l Listed
		var at int64
		if err := rows.Scan(&l.ID, &l.Entries, &l.Head, &at); err != nil {
			return nil, fmt.Errorf("list cases: %w", err)
		}
		l.Declared = store.FromMicros(at)
		if who.Sees(l.ID) {
			out = append(out, l)
		}
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Get reads a case from its entries, each of which is verified. That a person looked at it is recorded, once a day.
func (c *Cases) Get(ctx context.Context, who actor.Actor, id string) (*Case, error) {
	return c.see(ctx, who, id, "case")
}

// Over reports whether a case is closed. Nothing else of it is told, so that no look is recorded. Errors: ErrNotFound, and those of the key.
func (c *Cases) Over(ctx context.Context, who actor.Actor, id string) (bool, error) {
	if err := may(who, actor.See, id); err != nil {
		return false, err
	}
	k, err := c.get(ctx, id)
	if err != nil {
		return false, err
	}
	return k.Closed, nil
}

func (c *Cases) see(ctx context.Context, who actor.Actor, id, what string) (*Case, error) {
	if err := may(who, actor.See, id); err != nil {
		return nil, err
	}
	k, err := c.get(ctx, id)
	if err != nil || who.String() == actor.Server().String() || k.saw(who.String(), c.today(), what) {
		return k, err
	}
	return c.add(ctx, who, actor.See, id, func(k *Case) ([]Body, error) {
		if k.saw(who.String(), c.today(), what) {
			return nil, nil
		}
		return []Body{{Seen: &Seen{Day: c.today(), What: what}}}, nil
	})
}

func (c *Cases) today() string { return c.now().UTC().Format(time.DateOnly) }

// saw reports whether it is recorded that somebody looked at the case on a day, or did something in it then.
func (k *Case) saw(by, day, what string) bool {
	for i := len(k.log) - 1; i >= 0; i-- {
		e := k.log[i]
		if e.At[:len(day)] < day {
			return false
		}
		if e.By == by && (e.Body.Seen == nil && what == "case" || e.Body.Seen != nil && e.Body.Seen.What == what) {
			return true
		}
	}
	return false
}

// over reports that a case was shredded.
func (c *Cases) over(err error) bool { return err != nil && c.Gone != nil && c.Gone(err) }

// get reads a case, whoever asks.
func (c *Cases) get(ctx context.Context, id string) (*Case, error) {
	k := newCase(id)
	// Before the transaction: it asks the database too, and many who each hold a connection and wait for another wait for ever.
	sealer, sealing := c.Seal(ctx, id, false)
	err := c.DB.View(ctx, func(tx *sql.Tx) error {
		*k = *newCase(id)
		return c.read(ctx, tx, id, sealer, sealing, k.apply)
	})
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	return k, nil
}

// read gives a case's entries in their order and requires that they are the chain that was written: none missing at the
// end, none changed, none moved. sealing is why there is no sealer.
func (c *Cases) read(ctx context.Context, tx store.Querier, id string, sealer *store.Sealer, sealing error, each func(Entry) error) error {
	var entries int64
	var head string
	err := tx.QueryRowContext(ctx, `SELECT entries, head FROM response_case WHERE id = $1`, id).Scan(&entries, &head)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	if sealing != nil {
		return sealing
	}
	rows, err := tx.QueryContext(ctx, `SELECT seq, hash, sealed FROM response_entry WHERE case_id = $1 ORDER BY seq`, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	v := verifier{id: id}
	for rows.Next() {
		var seq int64
		var hash string
		var sealed []byte
		if err := rows.Scan(&seq, &hash, &sealed); err != nil {
			return err
		}
		data, err := sealer.Open(sealedIn(id, seq), sealed)
		if err != nil {
			return fmt.Errorf("entry %d: %w: %w", seq, ErrChain, err)
		}
		e, err := v.next(data, hash)
		if err != nil {
			return err
		}
		if err := each(e); err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	if v.seq != entries || v.head.String() != head {
		return fmt.Errorf("%w: it ends with entry %d, and %d were written", ErrChain, v.seq, entries)
	}
	return nil
}

func sealedIn(id string, seq int64) string {
	return fmt.Sprintf("response_entry.sealed %s %d", id, seq)
}

// record adds one entry to an open case.
func (c *Cases) record(ctx context.Context, who actor.Actor, p actor.Permission, id string, make func(k *Case) (Body, error)) (*Case, error) {
	return c.add(ctx, who, p, id, func(k *Case) ([]Body, error) {
		b, err := make(k)
		return []Body{b}, err
	})
}

// add appends entries to a case that there is, all or none, in one transaction: make sees the case as it stands and gives what to
// add.
func (c *Cases) add(ctx context.Context, who actor.Actor, p actor.Permission, id string, make func(k *Case) ([]Body, error)) (*Case, error) {
	if err := may(who, p, id); err != nil {
		return nil, err
	}
	return c.write(ctx, who, id, false, make)
}

func (c *Cases) write(ctx context.Context, who actor.Actor, id string, create bool, make func(k *Case) ([]Body, error)) (*Case, error) {
	sealer, err := c.Seal(ctx, id, create)
	if errors.Is(err, files.ErrNotExist) { // no key was ever made
		if there, e := c.there(ctx, id); e == nil && !there {
			err = ErrNotFound
		}
	}
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	var k *Case
	err = c.DB.Update(ctx, func(tx *sql.Tx) error {
		k, err = c.append(ctx, tx, who, id, sealer, create, make)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	return k, nil
}

// There reports whether there is such a case, also one that was shredded. It is for the program: whoever asks has been asked.
func (c *Cases) There(ctx context.Context, id string) (bool, error) { return c.there(ctx, id) }

func (c *Cases) there(ctx context.Context, id string) (bool, error) {
	var n int
	err := c.DB.QueryRowContext(ctx, `SELECT count(*) FROM response_case WHERE id = $1`, id).Scan(&n)
	return n > 0, err
}

// append adds entries in a transaction.
func (c *Cases) append(ctx context.Context, tx *sql.Tx, who actor.Actor, id string, sealer *store.Sealer, create bool, make func(k *Case) ([]Body, error)) (*Case, error) {
	k := newCase(id)
	if err := c.read(ctx, tx, id, sealer, nil, k.apply); err != nil && (!create || !errors.Is(err, ErrNotFound)) {
		return nil, err
	}
	first := k.Entries == 0
	bodies, err := make(k)
	if err != nil || len(bodies) == 0 {
		return k, err
	}
	if first {
		if _, err := tx.ExecContext(ctx, `INSERT INTO response_case (id, entries, head) VALUES ($1, 0, '')`, id); err != nil {
			return nil, err
		}
		if c.Granted != nil {
			if err := c.Granted(ctx, tx, who, id); err != nil {
				return nil, err
			}
		}
	}
	for _, b := range bodies {
		if k.Closed && !b.afterClose() {
			return nil, ErrClosed
		}
		e, err := k.entry(who, c.now(), b)
		if err != nil {
			return nil, err
		}
		data, err := e.canonical()
		if err != nil {
			return nil, err
		}
		before := k.owners()
		if err := k.apply(e); err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO response_entry (case_id, seq, at, hash, sealed) VALUES ($1, $2, $3, $4, $5)`,
			id, e.Seq, store.Micros(c.now()), k.Head.String(), sealer.Seal(sealedIn(id, e.Seq), data)); err != nil {
			return nil, err
		}
		if err := c.tell(ctx, tx, e, before); err != nil {
			return nil, err
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE response_case SET entries = $2, head = $3 WHERE id = $1`, id, k.Entries, k.Head.String())
	return k, err
}
