// Package response is the private side of an organisation's own incident: the case. Everything that people do in it is an
// entry of one append-only chain of hashes (docs/FORMAT.md, cases), and what a case is follows from its entries: what was
// decided, when and on what knowledge can be shown years later. Entries are sealed under the case's key, so that the whole
// case goes with that key.
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
	"shirase/internal/incident"
	"shirase/internal/law"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrNotFound says that there is no such case, or nothing of that name in it.
	ErrNotFound = errors.New("there is no such case")
	// ErrEntry says that what is to be recorded is not complete, or contradicts itself.
	ErrEntry = errors.New("not recorded")
	// ErrChain says that the entries of a case are not those that were recorded.
	ErrChain = errors.New("the case's record is not what was written")
	// ErrStale says that a case has changed since it was read.
	ErrStale = errors.New("the case has changed since it was read")
	// ErrClosed says that a case is closed.
	ErrClosed = errors.New("the case is closed")
)

// Cases is the room: the cases of one store.
type Cases struct {
	db        *store.DB
	incidents *incident.Incidents
	book      *law.Book
	seal      Sealer
	now       func() time.Time
}

// Sealer gives what a case's columns are sealed under. It makes the case's key where make is true and there was none;
// whoever shreds the case destroys it.
type Sealer func(ctx context.Context, incident string, make bool) (*store.Sealer, error)

// New opens the room and brings its tables up to date.
func New(ctx context.Context, db *store.DB, incidents *incident.Incidents, book *law.Book, seal Sealer) (*Cases, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	if err := db.Migrate(ctx, "response", sub); err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	return &Cases{db: db, incidents: incidents, book: book, seal: seal, now: time.Now}, nil
}

// Listed is what a list of cases shows of one.
type Listed struct {
	ID      string
	Entries int64
	Head    string
}

// List gives the cases by id, without opening them.
func (c *Cases) List(ctx context.Context) ([]Listed, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT id, entries, head FROM response_case ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	defer rows.Close()
	var out []Listed
	for rows.Next() {
		var l Listed
		if err := rows.Scan(&l.ID, &l.Entries, &l.Head); err != nil {
			return nil, fmt.Errorf("list cases: %w", err)
		}
		out = append(out, l)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Get reads a case from its entries, each of which is verified.
func (c *Cases) Get(ctx context.Context, id string) (*Case, error) {
	k := newCase(id)
	err := c.db.View(ctx, func(tx *sql.Tx) error {
		*k = *newCase(id)
		return c.read(ctx, tx, id, k.apply)
	})
	if err != nil {
		return nil, fmt.Errorf("read case %s: %w", id, err)
	}
	return k, nil
}

// read gives a case's entries in their order and requires that they are the chain that was written: none missing at the
// end, none changed, none moved.
func (c *Cases) read(ctx context.Context, tx store.Querier, id string, each func(Entry) error) error {
	var entries int64
	var head string
	err := tx.QueryRowContext(ctx, `SELECT entries, head FROM response_case WHERE id = $1`, id).Scan(&entries, &head)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	sealer, err := c.seal(ctx, id, false)
	if err != nil {
		return err
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

// add appends entries to a case, all or none, in one transaction: make sees the case as it stands and gives what to add.
func (c *Cases) add(ctx context.Context, who actor.Actor, id string, create bool, make func(k *Case) ([]Body, error)) (*Case, error) {
	if err := who.Check("record in a case"); err != nil {
		return nil, err
	}
	sealer, err := c.seal(ctx, id, create)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	var k *Case
	err = c.db.Update(ctx, func(tx *sql.Tx) error {
		k = newCase(id)
		if err := c.read(ctx, tx, id, k.apply); err != nil && (!create || !errors.Is(err, ErrNotFound)) {
			return err
		}
		first := k.Entries == 0
		bodies, err := make(k)
		if err != nil {
			return err
		}
		if first {
			if _, err := tx.ExecContext(ctx, `INSERT INTO response_case (id, entries, head) VALUES ($1, 0, '')`, id); err != nil {
				return err
			}
		}
		for _, b := range bodies {
			e, err := k.entry(who, c.now(), b)
			if err != nil {
				return err
			}
			data, err := e.canonical()
			if err != nil {
				return err
			}
			if err := k.apply(e); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO response_entry (case_id, seq, at, hash, sealed) VALUES ($1, $2, $3, $4, $5)`,
				id, e.Seq, store.Micros(c.now()), k.Head.String(), sealer.Seal(sealedIn(id, e.Seq), data)); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE response_case SET entries = $2, head = $3 WHERE id = $1`, id, k.Entries, k.Head.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	return k, nil
}
