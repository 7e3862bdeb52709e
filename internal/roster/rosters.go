package roster

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/go-json-experiment/json"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// A Roster is the sealed list of a case's affected identities; here is what is
// known of it without opening it.
type Roster struct {
	ID       string // of the content: the same scope of a case has the same id
	Incident string
	Part     string // whose part of the scope it is: a party's id; "" for the whole
	Created  time.Time
	Shredded time.Time // zero unless it was

	Counts      Counts
	Index       []identity.Kind // the kinds that go into the public index, sorted
	PhoneRegion string          // that numbers without a country code were read in; "" for none
	Sets        [][]string      // exposure sets that occur: classes sorted, sets sorted

	Organisation string // the id that account ids stand under in the index; "" where none are indexed, or of an earlier version
	Activity     bool   // it says of whom an account is in use
}

// A Member is one identity of a roster.
type Member struct {
	Identity identity.Identity
	Set      uint16 // index into Roster.Sets: what all rows of the person say, united
	Locale   string // BCP 47, of the first row that has one; "" for unknown
	Active   bool   // one of their accounts is in use; false too where the roster does not say (Roster.Activity)

	// Accounts are the organisation's ids of the accounts that have the
	// identity, by their first row in the export: at most 1,000, further ones
	// are counted. None where the rules name no account column.
	Accounts     []string
	MoreAccounts int64
}

// Rosters is the room: the rosters of one store.
type Rosters struct {
	db   *store.DB
	dir  *files.Dir
	keys *files.Keys
	now  func() time.Time

	// Again are the cases whose key or rosters were there again, although they are shredded, when the room was opened, which destroyed
	// them anew: somebody brought them back from a copy.
	Again []string
}

// New opens the room: it brings its tables up to date, and finishes what was being
// shredded when a process died; what was brought back of a case that is shredded is
// destroyed again. Rosters are files below "rosters" of dir; the key
// of a case is "case-<incident>.key" of keys.
func New(ctx context.Context, db *store.DB, dir *files.Dir, keys *files.Keys) (*Rosters, error) {
	return NewBy(ctx, db, dir, keys, time.Now)
}

// NewBy is New where the room reads the time by another clock, as in an exercise.
func NewBy(ctx context.Context, db *store.DB, dir *files.Dir, keys *files.Keys, now func() time.Time) (*Rosters, error) {
	r, err := open(ctx, db, dir, keys)
	if err != nil {
		return nil, err
	}
	r.now = now
	if err := r.finishShredding(ctx); err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	return r, nil
}

func migrate(ctx context.Context, db *store.DB) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return db.Migrate(ctx, "roster", sub)
}

// Create works out the scope as [Scope] does and makes the result the incident's
// current roster. It is sealed from the first byte, under the case's key, which is
// made where there is none. A process that is killed leaves the roster that was
// current before, or the new one. Where the current one has the same content
// already, it stays and is returned.
//
// Errors: those of Scope; ErrNobody, ErrShredded, ErrNoKey.
func (r *Rosters) Create(ctx context.Context, who actor.Actor, incident string, o Options) (Roster, error) {
	if err := who.May(actor.Write, incident); err != nil {
		return Roster{}, fmt.Errorf("make a roster: %w", err)
	}
	made, err := r.create(ctx, who, incident, "", o)
	if err != nil {
		return Roster{}, fmt.Errorf("roster of %s: %w", incident, err)
	}
	return made, nil
}

// CreatePart is Create for one party's part of the scope: it is kept beside the whole, under the same key, and nothing is ever
// published from it. part is 1 to 64 of a-z, 0-9 and -.
func (r *Rosters) CreatePart(ctx context.Context, who actor.Actor, incident, part string, o Options) (Roster, error) {
	if err := who.Check("make a roster"); err != nil {
		return Roster{}, err
	}
	if !validIncident(part) {
		return Roster{}, errors.New("a part's id is 1 to 64 of a-z, 0-9 and -")
	}
	made, err := r.create(ctx, who, incident, part, o)
	if err != nil {
		return Roster{}, fmt.Errorf("roster of %s, part %s: %w", incident, part, err)
	}
	return made, nil
}

func (r *Rosters) create(ctx context.Context, who actor.Actor, incident, part string, o Options) (Roster, error) {
	if !validIncident(incident) {
		return Roster{}, errors.New("an incident's id is 1 to 64 of a-z, 0-9 and -")
	}
	if err := r.sweep(ctx, incident); err != nil {
		return Roster{}, err
	}
	key, err := r.caseKey(ctx, incident)
	if err != nil {
		return Roster{}, err
	}
	mac, err := macKey(key)
	if err != nil {
		return Roster{}, err
	}
	w, err := r.dir.Create(fileName(incident, "new"))
	if err != nil {
		return Roster{}, err
	}
	defer w.Close()
	sum := sha256.New()
	sealed, err := age.Encrypt(io.MultiWriter(w, sum), key.Recipient())
	if err != nil {
		return Roster{}, fmt.Errorf("sealing: %w", err)
	}
	out, err := newFileWriter(sealed, mac, fileHeader{incident, o.Rules.classes, part}, o.Rules.active.text != "")
	if err != nil {
		return Roster{}, fmt.Errorf("sealing: %w", err)
	}
	result, err := run(ctx, o, out.member)
	if err != nil {
		return Roster{}, err
	}
	m := &meta{result.counts, o.Rules.index, result.region, setsOf(result.sets, o.Rules.classes), o.Rules.indexedAs(), o.Rules.active.text != ""}
	if err := m.checkSomebody(); err != nil {
		return Roster{}, err
	}
	id, err := out.finish(m)
	if err == nil {
		err = sealed.Close()
	}
	if err != nil {
		return Roster{}, fmt.Errorf("sealing: %w", err)
	}
	return r.commit(ctx, who, named{incident, part, id}, m, w, hex.EncodeToString(sum.Sum(nil)))
}

// checkSomebody refuses a roster that would have everybody told "not in scope".
func (m *meta) checkSomebody() error {
	for _, kind := range m.Index {
		if m.Counts.Identities[kind] > 0 {
			return nil
		}
	}
	return hint.Add(fmt.Errorf("%w: of %d rows %d are excluded, %d invalid, and no other has an identity to be found by",
		ErrNobody, m.Counts.Total, m.Counts.Excluded.Rows(), m.Counts.Invalid), "check the rules' exclude and columns with a dry run")
}

// named says which roster a file is: of an incident, of a part of it, and of a content.
type named struct{ incident, part, id string }

// commit makes a written file the current roster: the file gets its name, and then
// the transaction names it, where it is still there. A sweep of another process may
// have taken it for one that a dead process left; then it gets its name again.
func (r *Rosters) commit(ctx context.Context, who actor.Actor, as named, m *meta, w *files.Writer, sum string) (Roster, error) {
	text, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		return Roster{}, err
	}
	for {
		made, err := r.name(ctx, who, as, m, string(text), w, sum)
		if !errors.Is(err, errSwept) {
			return made, err
		}
	}
}

// errSwept says that a file was removed between its getting a name and its naming.
var errSwept = errors.New("the roster's file was swept away meanwhile")

// kept requires that a roster's file is there. It reads nothing of it.
func (r *Rosters) kept(incident, id string) error {
	there, err := r.dir.Exists(fileName(incident, id))
	if err == nil && !there {
		err = errSwept
	}
	return err
}

// name is one try of commit.
func (r *Rosters) name(ctx context.Context, who actor.Actor, as named, m *meta, text string, w *files.Writer, sum string) (made Roster, err error) {
	incident, id := as.incident, as.id
	if current, err := r.LatestPart(ctx, incident, as.part); err == nil && current.ID == id {
		if err := r.kept(incident, id); !errors.Is(err, errSwept) {
			return current, err
		}
	} else if err != nil && !errors.Is(err, ErrNone) {
		return Roster{}, err
	}
	if err := w.CommitAs(fileName(incident, id)); err != nil {
		return Roster{}, err
	}
	err = r.db.Update(ctx, func(tx *sql.Tx) error {
		seq, err := lockCase(ctx, tx, incident)
		if err != nil {
			return err
		}
		if err := r.kept(incident, id); err != nil {
			return err
		}
		if seq, err = current(ctx, tx, incident, as.part, seq); err != nil {
			return err
		}
		if made, err = rosterAt(ctx, tx, incident, seq); err == nil && made.ID == id {
			// It was made again where its file was lost, perhaps by two at once: whose file has the name is not known.
			_, err := tx.ExecContext(ctx, `UPDATE roster SET sha256 = '' WHERE incident = $1 AND seq = $2 AND sha256 <> $3`, incident, seq, sum)
			return err
		} else if err != nil && !errors.Is(err, ErrNone) {
			return err
		}
		made = m.roster(as, r.now())
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM roster WHERE incident = $1`, incident).Scan(&seq); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO roster (incident, seq, id, created_at, meta, actor, sha256, part) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			incident, seq+1, id, store.Micros(made.Created), text, who.String(), sum, as.part); err != nil {
			return err
		}
		// A part is not the case's current roster; that something is sealed under its key is remembered all the same.
		if as.part != "" {
			_, err = tx.ExecContext(ctx, `UPDATE roster_case SET key_used_at = coalesce(key_used_at, $2) WHERE incident = $1`, incident, store.Micros(r.now()))
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE roster_case SET seq = $2 WHERE incident = $1`, incident, seq+1)
		return err
	})
	if errors.Is(err, ErrShredded) { // meanwhile: then nothing of it stays
		err = errors.Join(err, r.dir.Remove(fileName(incident, id)))
	}
	if err != nil {
		return Roster{}, err
	}
	return made, nil
}

func (m *meta) roster(as named, created time.Time) Roster {
	return Roster{ID: as.id, Incident: as.incident, Part: as.part, Created: created.UTC().Truncate(time.Microsecond),
		Counts: m.Counts, Index: m.Index, PhoneRegion: m.PhoneRegion, Sets: m.Sets, Organisation: m.Organisation, Activity: m.Activity}
}

// lockCase makes others wait who change the case, and returns the number of its
// current roster. ErrShredded where there can be no other.
func lockCase(ctx context.Context, tx *sql.Tx, incident string) (seq int64, err error) {
	var shred sql.NullInt64
	err = tx.QueryRowContext(ctx, `INSERT INTO roster_case (incident, seq) VALUES ($1, 0)
		ON CONFLICT (incident) DO UPDATE SET seq = roster_case.seq RETURNING seq, shred_at`, incident).Scan(&seq, &shred)
	if err == nil && shred.Valid {
		err = fmt.Errorf("%w on %s", ErrShredded, store.FromMicros(shred.Int64).UTC().Format(time.RFC3339))
	}
	return seq, err
}

func rosterAt(ctx context.Context, q store.Querier, incident string, seq int64) (Roster, error) {
	as := named{incident: incident}
	var text string
	var created int64
	var shred sql.NullInt64
	err := q.QueryRowContext(ctx, `SELECT r.id, r.part, r.created_at, r.meta, c.shred_at FROM roster r
		JOIN roster_case c ON c.incident = r.incident WHERE r.incident = $1 AND r.seq = $2`,
		incident, seq).Scan(&as.id, &as.part, &created, &text, &shred)
	if errors.Is(err, sql.ErrNoRows) {
		return Roster{}, ErrNone
	}
	if err != nil {
		return Roster{}, err
	}
	var m meta
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Roster{}, fmt.Errorf("%w: its record: %w", ErrDamaged, err)
	}
	made := m.roster(as, store.FromMicros(created))
	if shred.Valid {
		made.Shredded = store.FromMicros(shred.Int64).UTC()
	}
	return made, nil
}

// Latest returns the incident's current roster; its figures stay known after it
// was shredded. ErrNone where there never was one.
func (r *Rosters) Latest(ctx context.Context, incident string) (Roster, error) {
	var found Roster
	err := r.db.View(ctx, func(tx *sql.Tx) error {
		var seq int64
		err := tx.QueryRowContext(ctx, `SELECT seq FROM roster_case WHERE incident = $1`, incident).Scan(&seq)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNone
		}
		if err == nil {
			found, err = rosterAt(ctx, tx, incident, seq)
		}
		return err
	})
	if errors.Is(err, ErrNone) {
		err = hint.Add(err, fmt.Sprintf("make one: shirase scope --export FILE --rules FILE --incident %s --commit", incident))
	}
	if err != nil {
		return Roster{}, fmt.Errorf("roster of %s: %w", incident, err)
	}
	return found, nil
}

// current gives the number of the newest roster of a part of an incident, 0 for none; seq is that of the whole.
func current(ctx context.Context, q store.Querier, incident, part string, seq int64) (int64, error) {
	if part == "" {
		return seq, nil
	}
	err := q.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM roster WHERE incident = $1 AND part = $2`, incident, part).Scan(&seq)
	return seq, err
}

// LatestPart is Latest for one party's part of the scope; of part "", it is Latest.
func (r *Rosters) LatestPart(ctx context.Context, incident, part string) (Roster, error) {
	if part == "" {
		return r.Latest(ctx, incident)
	}
	var found Roster
	err := r.db.View(ctx, func(tx *sql.Tx) error {
		seq, err := current(ctx, tx, incident, part, 0)
		if err == nil {
			found, err = rosterAt(ctx, tx, incident, seq)
		}
		return err
	})
	if err != nil {
		return Roster{}, fmt.Errorf("roster of %s, part %s: %w", incident, part, err)
	}
	return found, nil
}

// Named returns the roster of an incident that has an id: the current one, or one that was current when something was
// published from it. ErrNone where there is none of that id.
func (r *Rosters) Named(ctx context.Context, incident, id string) (Roster, error) {
	var found Roster
	err := r.db.View(ctx, func(tx *sql.Tx) error {
		var seq int64
		err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM roster WHERE incident = $1 AND id = $2`, incident, id).Scan(&seq)
		if err == nil {
			found, err = rosterAt(ctx, tx, incident, seq)
		}
		return err
	})
	if err != nil {
		return Roster{}, fmt.Errorf("roster %s of %s: %w", id, incident, err)
	}
	return found, nil
}

// Names gives the ids of all rosters that were ever made of an incident and of its parties' parts, in the order in which they were made:
// "id", or "id part".
func (r *Rosters) Names(ctx context.Context, incident string) ([]string, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT id, part FROM roster WHERE incident = $1 ORDER BY seq`, incident)
	if err != nil {
		return nil, fmt.Errorf("rosters of %s: %w", incident, err)
	}
	defer rows.Close()
	out := []string{}
	for rows.Next() {
		var id, part string
		if err := rows.Scan(&id, &part); err != nil {
			return nil, fmt.Errorf("rosters of %s: %w", incident, err)
		}
		out = append(out, strings.TrimSpace(id+" "+part))
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Members yields the members of a roster in the order of Identity.Input, each
// identity once. An error ends it; what came before an error must not be used: that
// the file is the roster's is known at its end.
//
// Errors: ErrShredded, ErrNoKey, ErrDamaged.
func (r *Rosters) Members(ctx context.Context, roster Roster) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		fail := func(err error) {
			yield(Member{}, fmt.Errorf("roster of %s: %w", roster.Incident, err))
		}
		f, numbers, end, err := r.open(ctx, roster)
		if err != nil {
			fail(err)
			return
		}
		defer end()
		for n := 0; ; n++ {
			if n%progressEvery == 0 && ctx.Err() != nil {
				fail(ctx.Err())
				return
			}
			m, mask, ok, err := f.next()
			if err != nil {
				fail(err)
				return
			}
			if !ok {
				break
			}
			if m.Set, ok = numbers[mask]; !ok {
				fail(damaged("a member's set is not among the roster's", nil))
				return
			}
			if !yield(m, nil) {
				return
			}
		}
		id, footer, err := f.finish()
		if err == nil {
			err = footer.matches(id, roster)
		}
		if err != nil {
			fail(err)
		}
	}
}

// open opens a roster's file.
func (r *Rosters) open(ctx context.Context, roster Roster) (*fileReader, map[uint64]uint16, func(), error) {
	key, err := r.loadKey(ctx, roster.Incident)
	if err != nil {
		return nil, nil, nil, err
	}
	mac, err := macKey(key)
	if err != nil {
		return nil, nil, nil, err
	}
	file, err := r.dir.Open(fileName(roster.Incident, roster.ID))
	if err != nil {
		if errors.Is(err, files.ErrNotExist) {
			err = fmt.Errorf("%w: its file is missing: %w", ErrDamaged, err)
		}
		return nil, nil, nil, err
	}
	end := func() { file.Close() }
	plain, err := age.Decrypt(io.NewSectionReader(file, 0, file.Size()), key)
	if err != nil {
		end()
		return nil, nil, nil, damaged("unsealing it", err)
	}
	f, err := newFileReader(plain, mac)
	if err == nil && (f.header.Incident != roster.Incident || f.header.Part != roster.Part) {
		err = damaged("it is another incident's, or another part's", nil)
	}
	var numbers map[uint64]uint16
	if err == nil {
		numbers, err = masksOf(roster.Sets, f.header.Classes)
	}
	if err != nil {
		end()
		return nil, nil, nil, err
	}
	return f, numbers, end, nil
}

// matches compares the file with what the database says of it.
func (m *meta) matches(id string, roster Roster) error {
	mine, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		return err
	}
	theirs, err := json.Marshal(&meta{roster.Counts, roster.Index, roster.PhoneRegion, roster.Sets, roster.Organisation, roster.Activity}, json.Deterministic(true))
	if err != nil {
		return err
	}
	if id != roster.ID || string(mine) != string(theirs) {
		return damaged("it is another roster's file", nil)
	}
	return nil
}

// sweep removes files that no roster names, of a process that died or failed between
// naming its file and committing, and every file of a case that was shredded. It holds
// the case while it does: whoever names a file looks whether it is there.
func (r *Rosters) sweep(ctx context.Context, incident string) error {
	return r.db.Update(ctx, func(tx *sql.Tx) error {
		_, shredded := lockCase(ctx, tx, incident)
		if shredded != nil && !errors.Is(shredded, ErrShredded) {
			return shredded
		}
		known := []string{}
		if shredded == nil {
			var err error
			if known, err = kept(ctx, tx, incident); err != nil {
				return err
			}
		}
		names, err := r.dir.List(path.Dir(fileName(incident, "x")))
		if err != nil {
			return err
		}
		for _, name := range names {
			if !slices.Contains(known, name) {
				if err := r.dir.Remove(name); err != nil && !errors.Is(err, files.ErrNotExist) {
					return err
				}
			}
		}
		return shredded
	})
}

// kept gives the files that a case's rosters name.
func kept(ctx context.Context, q store.Querier, incident string) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT id FROM roster WHERE incident = $1`, incident)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := []string{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		known = append(known, fileName(incident, id))
	}
	return known, errors.Join(rows.Err(), rows.Close())
}

func fileName(incident, id string) string { return "rosters/" + incident + "/" + id + ".age" }

func validIncident(s string) bool {
	return 1 <= len(s) && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
