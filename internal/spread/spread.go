// Package spread keeps where people say that the data of an incident circulates: place, kind and state, and never the data itself. What is
// reported is looked at by staff; how many places are known and how many are taken down is told, and not where they are.
package spread

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrInput says that a report is not of the form that is asked for.
	ErrInput = errors.New("it is not taken")
	// ErrData says that a report holds what may be the data itself. It does not repeat it.
	ErrData = errors.New("it seems to hold the data itself, which is never taken")
	// ErrFull says that so much waits that no more is taken for now.
	ErrFull = errors.New("more waits to be read than is taken")
	// ErrNone says that an incident has no such place, or none that is theirs to see.
	ErrNone = errors.New("there is no such place")
)

// Bounds.
const (
	maxPlace = 500 // characters
	waiting  = 200 // places of one incident that nobody has looked at
	inAll    = 2_000
)

// Kinds are the kinds of places.
var Kinds = []string{"forum", "social", "file-sharing", "dark-web", "messenger", "other"}

// States are how a place stands: as it was reported, seen by staff, asked to be taken down, taken down, or nothing that is of this incident.
var States = []string{"reported", "confirmed", "requested", "taken-down", "dismissed"}

// Place is one that was reported.
type Place struct {
	ID, Kind, State, Where string
	Reports                int64
	At                     time.Time
	By                     string    // who has looked at it last; "": nobody
	Decided                time.Time // when
}

// Rooms are what the room stands on.
type Rooms struct {
	DB      *store.DB
	Rosters *roster.Rosters // whose keys places are sealed by
	Now     func() time.Time
	// Read gives what the facts have against a text; nil: nothing ever.
	Read func(ctx context.Context, id string, lang language.Lang, text string) ([]string, error)
	// Wanted says whether a second person has to approve what is posted; nil: never.
	Wanted func(ctx context.Context) (bool, error)
}

// Spread is the room.
type Spread struct{ Rooms }

// New opens the room.
func New(ctx context.Context, rooms Rooms) (*Spread, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = rooms.DB.Migrate(ctx, "spread", sub)
	}
	if err != nil {
		return nil, fmt.Errorf("spread: %w", err)
	}
	if rooms.Now == nil {
		rooms.Now = time.Now
	}
	return &Spread{rooms}, nil
}

// What looks like the data itself: an address of mail, seven digits and more in a row however they are parted (telephones, cards, accounts,
// numbers of identity), a word and a secret beside it as leaks have lines.
var (
	mailLike   = regexp.MustCompile(`[^\s/@:;,<>()]+(?:@|＠|%40)[^\s/@]+\.[^\s/]{2,}`)
	digitsLike = regexp.MustCompile(`[0-9０-９](?:[ \-‐－ー().]?[0-9０-９]){6,}`)
	secretLike = regexp.MustCompile(`(?i)(?:password|passwd|pwd|パスワード|暗証番号)\s*[:：=]`)
	schemeLike = regexp.MustCompile(`^[a-z]+://`)
)

// screen refuses what may be the data itself. Numbers in the path of a link are how places are named (a status, a thread), and are let through; those
// of its query and of any other text are not.
func screen(place string) error {
	text := place
	if schemeLike.MatchString(place) {
		head, _, _ := strings.Cut(place, "?")
		head, _, _ = strings.Cut(head, "#")
		text = strings.TrimPrefix(place, head)
		if mailLike.MatchString(head) {
			return ErrData
		}
	}
	if mailLike.MatchString(text) || digitsLike.MatchString(text) || secretLike.MatchString(text) {
		return ErrData
	}
	return nil
}

// hidden says of a character that it is not seen, or turns what is seen round (Unicode, categories Cc, Cf, Co and Cs, what ends lines, and letters
// and signs that are blank): with one in it the same place would be another one each time.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) || strings.ContainsRune("\u2028\u2029\u034f\u115f\u1160\u2800\u3164\uffa0", r)
}

// Report takes where somebody has seen the data: a link, or how the place is called. The same place is one, however often it is reported.
// Errors: ErrInput, ErrData, ErrFull.
func (s *Spread) Report(ctx context.Context, id, kind, place string) error {
	place = strings.TrimSpace(place)
	switch {
	case !slices.Contains(Kinds, kind):
		return fmt.Errorf("%w: its kind is none of %s", ErrInput, strings.Join(Kinds, ", "))
	case place == "" || utf8.RuneCountInString(place) > maxPlace || !utf8.ValidString(place) || strings.ContainsFunc(place, hidden):
		return fmt.Errorf("%w: a place is one line of at most %d characters", ErrInput, maxPlace)
	}
	if err := screen(place); err != nil {
		return err
	}
	seal, err := s.Rosters.Sealer(ctx, id, true)
	if err != nil {
		return fmt.Errorf("report a place: %w", err)
	}
	key := "p-" + strings.ToLower(rand.Text())[:12]
	err = s.DB.Update(ctx, func(tx *sql.Tx) error {
		tag := seal.Lookup("spread place", []byte(place))
		res, err := tx.ExecContext(ctx, `UPDATE spread_place SET reports = reports + 1 WHERE incident = $1 AND tag = $2`, id, tag)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		var all, own int64
		if err := tx.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE incident = $1) FROM spread_place WHERE state = 'reported'`, id).Scan(&all, &own); err != nil {
			return err
		}
		if all >= inAll || own >= waiting {
			return ErrFull
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO spread_place (id, incident, tag, place, kind, state, reports, at, decided_by, decided_at) VALUES ($1, $2, $3, $4, $5, 'reported', 1, $6, '', 0)`,
			key, id, tag, seal.Seal("spread place "+key, []byte(place)), kind, store.Micros(s.Now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("report a place: %w", err)
	}
	return nil
}

// List gives the places of an incident, those that nobody has looked at first. Errors: ErrNone, for who does not see the case.
func (s *Spread) List(ctx context.Context, who actor.Actor, id string) ([]Place, error) {
	if !who.Sees(id) {
		return nil, ErrNone
	}
	rows, err := s.DB.QueryContext(ctx, `SELECT id, kind, state, place, reports, at, decided_by, decided_at FROM spread_place WHERE incident = $1 ORDER BY CASE state WHEN 'reported' THEN 0 WHEN 'dismissed' THEN 2 ELSE 1 END, at, id`, id)
	if err != nil {
		return nil, fmt.Errorf("list places: %w", err)
	}
	defer rows.Close()
	var out []Place
	var seal *store.Sealer // of a case in which nothing was reported there may be no key yet
	for rows.Next() {
		if seal == nil {
			if seal, err = s.Rosters.Sealer(ctx, id, false); err != nil {
				return nil, fmt.Errorf("list places: %w", err)
			}
		}
		var p Place
		var sealed []byte
		var at, decided int64
		if err := rows.Scan(&p.ID, &p.Kind, &p.State, &sealed, &p.Reports, &at, &p.By, &decided); err != nil {
			return nil, err
		}
		where, err := seal.Open("spread place "+p.ID, sealed)
		if err != nil {
			return nil, err
		}
		p.Where, p.At = string(where), store.FromMicros(at)
		if decided != 0 {
			p.Decided = store.FromMicros(decided)
		}
		out = append(out, p)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Decide says how a place stands. Errors: ErrInput, ErrNone; those of actor.
func (s *Spread) Decide(ctx context.Context, who actor.Actor, id, place, state string) error {
	if err := who.May(actor.Write, id); err != nil {
		return fmt.Errorf("decide on a place: %w", err)
	}
	if !slices.Contains(States, state) {
		return hint.Add(fmt.Errorf("%w: %q is none of the states", ErrInput, state), strings.Join(States, ", "))
	}
	res, err := s.DB.ExecContext(ctx, `UPDATE spread_place SET state = $3, decided_by = $4, decided_at = $5 WHERE incident = $1 AND id = $2`, id, place, state, who.String(), store.Micros(s.Now()))
	if err != nil {
		return fmt.Errorf("decide on a place: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNone)
	}
	return nil
}

// Counts are how many places there are; nobody is told which.
type Counts struct {
	Reported  int64 // and nobody has looked at them
	Known     int64 // confirmed, whatever became of them
	TakenDown int64 // of those
}

// Counts counts the places of an incident.
func (s *Spread) Counts(ctx context.Context, id string) (c Counts, err error) {
	err = s.DB.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE state = 'reported'), count(*) FILTER (WHERE state IN ('confirmed', 'requested', 'taken-down')), count(*) FILTER (WHERE state = 'taken-down') FROM spread_place WHERE incident = $1`, id).
		Scan(&c.Reported, &c.Known, &c.TakenDown)
	if err != nil {
		return c, fmt.Errorf("count places: %w", err)
	}
	return c, nil
}

// Propose gives the fact that follows from what staff has seen, to be recorded by them; false where none does.
func (s *Spread) Propose(ctx context.Context, id string) (incident.Fact, bool, error) {
	c, err := s.Counts(ctx, id)
	f := incident.Fact{Key: "secondary-damage", Item: "spread", Value: incident.Value{Word: "spread", Status: "confirmed"}, Certainty: incident.Confirmed}
	return f, c.Known > 0, err
}
