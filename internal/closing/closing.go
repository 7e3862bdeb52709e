// Package closing is how a case ends: what is still open in all rooms, and what of that keeps it from being closed; the tasks and lessons
// that outlive it; what is kept of it because laws want that; and legal holds. What it keeps is outside of the case's key, and stays when
// that is destroyed: so no text is taken that looks as if it named somebody, or names whom the case has.
//
// It is the use case over cases, enquiries, campaigns, the gate and the reset. The key itself is destroyed, and the end certified, by
// internal/publish.
package closing

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"
	"unicode"
	"unicode/utf8"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/contain/gate"
	"shirase/internal/contain/reset"
	"shirase/internal/enquiry"
	"shirase/internal/hint"
	"shirase/internal/proposal"
	"shirase/internal/reach"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/spread"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrNotFound says that there is no such case, task or hold, or that the case is not theirs to know.
	ErrNotFound = response.ErrNotFound
	// ErrOpen says that something keeps a case open.
	ErrOpen = errors.New("something keeps the case open")
	// ErrHeld says that a legal hold is on.
	ErrHeld = errors.New("a legal hold is on: nothing of the case may be destroyed")
	// ErrEnding says that a case's key is destroyed, or is being.
	ErrEnding = errors.New("the case's key is destroyed, or is being: nothing can be held any more")
	// ErrInput says that something cannot be taken as it was given.
	ErrInput = errors.New("that cannot be taken")
	// ErrIdentifies says that a text looks as if it named somebody: it would outlive the case, and its key.
	ErrIdentifies = errors.New("that names somebody, or looks like an address or a number, and would outlive the case")
	// ErrStale says that a task has changed since it was read.
	ErrStale = response.ErrStale
)

// A Message is somebody to be told of something.
type Message struct {
	Case, About string
	To          []string // names, as tasks have them
	Key         string   // told once
}

// Rooms are what the closing stands on. Rooms that are nil have nothing open.
type Rooms struct {
	DB        *store.DB
	Cases     *response.Cases
	Desk      *enquiry.Desk
	Reach     *reach.Reach
	Gate      *gate.Gate
	Resets    *reset.Resets
	Spread    *spread.Spread
	Proposals *proposal.Proposals
	Rosters   *roster.Rosters
	// Waiting counts the questions of an incident that wait for an answer by mail; nil: none are answered so.
	Waiting func(ctx context.Context, id string) (int64, error)
	// Staffed says whether there is, or was, anybody who can be a second person; nil: never.
	Staffed func(ctx context.Context) (bool, error)
	// Tell is told, in its transaction, of what somebody should hear; nil: nobody hears anything.
	Tell func(ctx context.Context, tx *sql.Tx, m Message) error
	// Certificate gives the certificate of a case that was shredded; nil where there is none, as of what an earlier version shredded.
	Certificate func(ctx context.Context, id string) (*Certified, error)
	// Ending reports whether a case's key is destroyed, or is being, in a transaction; nil: it never is.
	Ending func(ctx context.Context, q store.Querier, id string) (bool, error)
	Now    func() time.Time
}

// Closing is the use case.
type Closing struct{ Rooms }

// New opens it and brings its tables up to date.
func New(ctx context.Context, rooms Rooms) (*Closing, error) {
	if err := migrate(ctx, rooms.DB); err != nil {
		return nil, err
	}
	if rooms.Now == nil {
		rooms.Now = time.Now
	}
	c := &Closing{rooms}
	if err := c.sweep(ctx); err != nil {
		return nil, fmt.Errorf("closing: %w", err)
	}
	return c, nil
}

func migrate(ctx context.Context, db *store.DB) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = db.Migrate(ctx, "closing", sub)
	}
	if err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	return nil
}

// may asks whether somebody may do something in a case; of one that is not theirs they hear what is said of one that is not there.
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

// mine asks that there is such a case: what is written here stays for ever, and is of something.
func (c *Closing) mine(ctx context.Context, who actor.Actor, p actor.Permission, id string) error {
	if err := may(who, p, id); err != nil {
		return err
	}
	there, err := c.Cases.There(ctx, id)
	if err == nil && !there {
		err = fmt.Errorf("case %s: %w", id, ErrNotFound)
	}
	return err
}

const maxText = 2000

// nobody asks that texts which outlive a case name nobody who is in it: nobody of its newest roster, by account, address or telephone, nobody
// who asked, and no party's contact. It reads the roster, where a text has anything that may be one of these. Once the key is gone nobody can
// be compared. Errors: ErrIdentifies.
func (c *Closing) nobody(ctx context.Context, id string, texts ...string) error {
	s := &response.Screen{}
	for _, t := range texts {
		s.Look(t)
	}
	k, err := c.Cases.Get(ctx, actor.Server(), id)
	if errors.Is(err, roster.ErrShredded) {
		return nil
	}
	if err == nil {
		err = c.persons(ctx)(k, s)
	}
	if err != nil {
		return fmt.Errorf("case %s: %w", id, err)
	}
	for _, t := range texts {
		if s.Text(t) != t {
			return hint.Add(fmt.Errorf("case %s: %w", id, ErrIdentifies), "it names somebody who is in the case, or whoever asked; what names people belongs into the case, and goes with its key")
		}
	}
	return nil
}

// persons tells a screen whom there are in a case.
func (c *Closing) persons(ctx context.Context) func(k *response.Case, s *response.Screen) error {
	return func(k *response.Case, s *response.Screen) error {
		for _, p := range k.Parties {
			s.Name(p.Contact)
		}
		if c.Desk != nil {
			if err := c.Desk.People(ctx, k.ID, func(p enquiry.Person) {
				for _, x := range []string{p.Name, p.Address, p.Telephone} {
					s.Name(x)
				}
			}); err != nil {
				return err
			}
		}
		if c.Rosters == nil || s.Empty() {
			return nil
		}
		ro, err := c.Rosters.Latest(ctx, k.ID)
		if errors.Is(err, roster.ErrNone) {
			return nil
		}
		if err != nil {
			return err
		}
		for m, err := range c.Rosters.Members(ctx, ro) {
			if err != nil {
				return err
			}
			switch m.Identity.Kind {
			case identity.KindEmail:
				s.Mail(m.Identity.Value)
			case identity.KindPhone:
				s.Telephone(m.Identity.Value)
			}
			for _, a := range m.Accounts {
				s.Account(a)
			}
		}
		return nil
	}
}

// textOK takes one or several lines that look as if they named nobody.
func textOK(what, s string, wanted bool) error {
	switch {
	case wanted && s == "":
		return fmt.Errorf("%w: %s is wanted", ErrInput, what)
	case !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxText:
		return fmt.Errorf("%w: %s has at most %d characters", ErrInput, what, maxText)
	case response.Identifies(s):
		return hint.Add(fmt.Errorf("%s: %w", what, ErrIdentifies), "write it without; what names people belongs into the case, and goes with its key")
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return fmt.Errorf("%w: %s has a control character", ErrInput, what)
		}
	}
	return nil
}
