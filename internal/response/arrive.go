package response

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// MaxPiece is the most bytes of one piece: as many as a door takes in one request.
const MaxPiece = 1 << 20

// arrivalLasts is how long evidence that does not come on is kept.
const arrivalLasts = 7 * 24 * time.Hour

// An Arrival is evidence that comes in pieces: it is begun with its size, each piece is sealed and on disk before the next is
// taken, and it becomes evidence when all of it is there. Whoever may take it in may go on with it, from any place that has the
// same bytes, and may give it up.
type Arrival struct {
	ID       string // random: it says nothing
	Evidence        // as it was said; its size is the one announced, its hash is not known yet
	BegunBy  string
	Began    time.Time
	Moved    time.Time // when the last piece came
	Received int64     // bytes that are here: where the next piece begins
	Pieces   []string  // where it is listed: hex SHA-256 of each, all of MaxPiece bytes but the last. Whoever goes on compares them with what they have

	count int // of pieces
	key   *age.X25519Identity
	sum   hash.Hash
}

// An OffsetError says that a piece does not begin where the last one ended: somebody else has sent it, or it was sent twice.
type OffsetError struct{ Received int64 }

func (e *OffsetError) Error() string { return fmt.Sprintf("%d bytes are here already", e.Received) }
func (e *OffsetError) Unwrap() error { return ErrStale }

// MaxArrivals is how much may be on its way in one case at once: each that is begun holds room on the disk that others want.
const MaxArrivals = 16

// Errors of what arrives.
var (
	// ErrSpace says that the disk would not hold what is to be taken in, and something beside it.
	ErrSpace = errors.New("there is not enough room on the disk")
	// ErrArrivals says that as much is on its way as may be at once.
	ErrArrivals = errors.New("too much is on its way already")
)

// takes is what somebody needs to take evidence in, or to read it: an export of accounts is part of the scope.
func (e Evidence) takes() actor.Permission {
	if e.Use == UseAccounts {
		return actor.Write
	}
	return actor.Contribute
}

// BeginArrival begins to take in evidence of e.Size bytes. Nothing is begun that is larger than is taken, or that would fill the disk.
// Errors: ErrTooLarge, ErrSpace, ErrArrivals, ErrClosed.
func (c *Cases) BeginArrival(ctx context.Context, who actor.Actor, id string, e Evidence) (*Arrival, error) {
	if err := may(who, e.takes(), id); err != nil {
		return nil, err
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	if e.Size <= 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrEntry)
	}
	k, err := c.get(ctx, id)
	if err != nil {
		return nil, err
	}
	if k.Closed { // before anything else is said of it
		return nil, fmt.Errorf("case %s: %w", id, ErrClosed)
	}
	if err := c.room(ctx, k, e.Size); err != nil {
		return nil, fmt.Errorf("case %s: take in evidence: %w", id, err)
	}
	name := make([]byte, 16)
	rand.Read(name)
	a := &Arrival{ID: hex.EncodeToString(name), Evidence: e, BegunBy: who.String(), Began: c.now().UTC(), sum: sha256.New()}
	a.Moved = a.Began
	if a.key, err = age.GenerateX25519Identity(); err != nil {
		return nil, err
	}
	sealer, err := c.Seal(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	said, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	state, err := a.state()
	if err != nil {
		return nil, err
	}
	// In one transaction with a look at the case: one that is being closed, and one in which others begin, takes no more than it may.
	err = c.DB.Update(ctx, func(tx *sql.Tx) error {
		_, err := c.append(ctx, tx, who, id, sealer, false, func(k *Case) ([]Body, error) {
			if k.Closed {
				return nil, ErrClosed
			}
			return nil, nil
		})
		if err != nil {
			return err
		}
		var coming int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM response_arrival WHERE case_id = $1`, id).Scan(&coming); err != nil {
			return err
		}
		if coming >= MaxArrivals {
			return hint.Add(fmt.Errorf("%w: %d files", ErrArrivals, coming), "go on with one of them, or give it up")
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO response_arrival (file, case_id, actor, began_at, moved_at, size, received, pieces, key, said, sum)
			VALUES ($1, $2, $3, $4, $4, $5, 0, 0, $6, $7, $8)`, a.ID, id, a.BegunBy, store.Micros(a.Began), e.Size,
			sealer.Seal(keyIn(a.ID), []byte(a.key.String())), sealer.Seal(saidIn(a.ID), said), sealer.Seal(sumIn(a.ID), state))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("case %s: take in evidence: %w", id, err)
	}
	return a, nil
}

func saidIn(file string) string { return "response_arrival.said " + file }
func sumIn(file string) string  { return "response_arrival.sum " + file }

// state is the hash as far as it has come.
func (a *Arrival) state() ([]byte, error) { return a.sum.(encoding.BinaryMarshaler).MarshalBinary() }

// room refuses what is larger than is taken, by itself or with all else of the case, and what would fill the disk.
func (c *Cases) room(ctx context.Context, k *Case, size int64) error {
	if size > c.Limits.Evidence {
		return hint.Add(fmt.Errorf("%w: it has %d bytes, and at most %d are", ErrTooLarge, size, c.Limits.Evidence), "raise evidence.max, or leave out the columns that are not needed")
	}
	var coming, left int64
	if err := c.DB.QueryRowContext(ctx, `SELECT coalesce(sum(CASE WHEN case_id = $1 THEN size ELSE 0 END), 0), coalesce(sum(size - received), 0) FROM response_arrival`, k.ID).Scan(&coming, &left); err != nil {
		return err
	}
	if used := k.evidenceBytes() + coming; used+size > c.Limits.All {
		return hint.Add(fmt.Errorf("%w: a case holds at most %d bytes of evidence, and has %d", ErrTooLarge, c.Limits.All, used), "raise evidence.maxCase, or remove an export that is not needed any more")
	}
	return c.fits(left + size)
}

// fits refuses what would leave less on the disk than is to stay.
func (c *Cases) fits(size int64) error {
	if c.Space == nil {
		return nil
	}
	is, err := c.Space()
	if err != nil || is < 0 { // this system does not say
		return err
	}
	if want := size + size/1000 + c.Limits.Spare; is < want { // what sealing adds is less than a thousandth
		return hint.Add(fmt.Errorf("%w: %d bytes are wanted, %d of them to stay free, and %d are there", ErrSpace, want, c.Limits.Spare, is), "make room, or put the data folder on a larger disk; evidence.spare says how much is to stay free")
	}
	return nil
}

// Arrivals gives what is arriving in a case, the oldest first.
func (c *Cases) Arrivals(ctx context.Context, who actor.Actor, id string) ([]*Arrival, error) {
	if err := may(who, actor.See, id); err != nil {
		return nil, err
	}
	names, err := column(c.DB.QueryContext(ctx, `SELECT file FROM response_arrival WHERE case_id = $1 ORDER BY began_at, file`, id))
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	var out []*Arrival
	for _, name := range names {
		a, err := c.arrival(ctx, who, id, name, actor.See)
		if errors.Is(err, ErrNotFound) {
			continue // it has come whole meanwhile
		}
		if err == nil {
			err = c.listPieces(ctx, a)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// Arrival gives one that is under way, for who goes on with it. ErrNotFound where there is none of that name in the case.
func (c *Cases) Arrival(ctx context.Context, who actor.Actor, id, arrival string) (*Arrival, error) {
	a, err := c.arrival(ctx, who, id, arrival, -1)
	if err == nil {
		err = c.listPieces(ctx, a)
	}
	return a, err
}

func (c *Cases) listPieces(ctx context.Context, a *Arrival) error {
	pieces, err := c.pieces(ctx, a.ID)
	if err != nil {
		return fmt.Errorf("arrival %s: %w", a.ID, err)
	}
	for _, p := range pieces {
		a.Pieces = append(a.Pieces, p.sha256)
	}
	return nil
}

// arrival reads one, without its pieces; with p -1 for who may take such evidence in.
func (c *Cases) arrival(ctx context.Context, who actor.Actor, id, arrival string, p actor.Permission) (*Arrival, error) {
	if err := may(who, max(p, actor.See), id); err != nil {
		return nil, err
	}
	a := &Arrival{ID: arrival, sum: sha256.New()}
	var began, moved int64
	var key, said, sum []byte
	err := c.DB.QueryRowContext(ctx, `SELECT actor, began_at, moved_at, size, received, pieces, key, said, sum FROM response_arrival WHERE case_id = $1 AND file = $2`, id, arrival).
		Scan(&a.BegunBy, &began, &moved, &a.Size, &a.Received, &a.count, &key, &said, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		err = c.noArrival(ctx, id, arrival)
	}
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	sealer, err := c.Seal(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	if said, err = sealer.Open(saidIn(arrival), said); err == nil {
		err = json.Unmarshal(said, &a.Evidence)
	}
	if err == nil {
		if sum, err = sealer.Open(sumIn(arrival), sum); err == nil {
			err = a.sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(sum)
		}
	}
	if err == nil {
		if key, err = sealer.Open(keyIn(arrival), key); err == nil {
			a.key, err = age.ParseX25519Identity(string(key))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("case %s: arrival %s: %w", id, arrival, err)
	}
	if p < 0 {
		if err := may(who, a.takes(), id); err != nil {
			return nil, err
		}
	}
	a.Began, a.Moved = store.FromMicros(began).UTC(), store.FromMicros(moved).UTC()
	return a, nil
}

// noArrival says why an arrival is not there: a case that was closed has none any more.
func (c *Cases) noArrival(ctx context.Context, id, arrival string) error {
	k, err := c.get(ctx, id)
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	case err == nil && k.Closed:
		return ErrClosed
	}
	return missing("arrival %.40q", arrival)
}

// piece is one sealed file of evidence that came in pieces.
type piece struct {
	size   int64
	sha256 string
}

func (c *Cases) pieces(ctx context.Context, file string) ([]piece, error) {
	rows, err := c.DB.QueryContext(ctx, `SELECT size, sha256 FROM response_piece WHERE file = $1 ORDER BY n`, file)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []piece
	for rows.Next() {
		var p piece
		if err := rows.Scan(&p.size, &p.sha256); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

func pieceFile(file string, n int) string { return fmt.Sprintf("%s%s-%d", evidenceFolder, file, n) }

// errGivenUp says that an arrival went while a piece of it came.
var errGivenUp = errors.New("it was given up")

// Arrive takes in the piece of an arrival that begins at a byte: to the end of r, and at most MaxPiece bytes. sum is the hex SHA-256
// that it has to have: what was changed on the way is refused. It is sealed from its first byte, and recorded once it is on disk; of one
// that breaks off nothing stays. Errors: *OffsetError, files.ErrHeld where another piece of it comes in, ErrTooLarge, ErrSpace, ErrClosed.
func (c *Cases) Arrive(ctx context.Context, who actor.Actor, id, arrival string, at int64, sum string, r io.Reader) (*Arrival, error) {
	if _, err := c.arrival(ctx, who, id, arrival, -1); err != nil { // before a name that somebody has sent names anything
		return nil, err
	}
	release, free, err := c.arriving(arrival)
	if err != nil {
		return nil, fmt.Errorf("case %s: take in evidence: %w", id, err)
	}
	if !free {
		return nil, &files.HeldError{Who: "another piece of it comes in"}
	}
	defer release()
	a, err := c.arrival(ctx, who, id, arrival, -1)
	if err != nil {
		return nil, err
	}
	if at != a.Received {
		return nil, fmt.Errorf("case %s: take in evidence: %w", id, &OffsetError{a.Received})
	}
	if err := c.fits(min(MaxPiece, a.Size-a.Received)); err != nil {
		return nil, fmt.Errorf("case %s: take in evidence: %w", id, err)
	}
	got, err := c.takePiece(ctx, a, r)
	if err == nil && got.sha256 != sum {
		err = fmt.Errorf("%w: these are not the bytes that were sent: their SHA-256 is another one", ErrEntry)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("case %s: take in evidence: %w", id, err), c.dropPiece(arrival, a.count+1))
	}
	state, err := a.state()
	if err != nil {
		return nil, err
	}
	sealer, err := c.Seal(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	err = c.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE response_arrival SET received = received + $3, pieces = pieces + 1, sum = $4, moved_at = $5 WHERE file = $1 AND received = $2`,
			arrival, at, got.size, sealer.Seal(sumIn(arrival), state), store.Micros(c.now()))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, errGivenUp)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO response_piece (file, n, size, sha256) VALUES ($1, $2, $3, $4)`, arrival, a.count+1, got.size, got.sha256)
		return err
	})
	if errors.Is(err, errGivenUp) {
		err = c.noArrival(ctx, id, arrival)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("case %s: take in evidence: %w", id, err), c.dropPiece(arrival, a.count+1))
	}
	a.Received, a.count = a.Received+got.size, a.count+1
	return a, nil
}

// takePiece seals what comes under the file's name of the next piece.
func (c *Cases) takePiece(ctx context.Context, a *Arrival, r io.Reader) (got piece, err error) {
	w, err := c.Dir.Create(pieceFile(a.ID, a.count+1))
	if err != nil {
		return got, err
	}
	defer w.Close()
	sealed, err := age.Encrypt(w, a.key.Recipient())
	if err != nil {
		return got, err
	}
	most := min(MaxPiece, a.Size-a.Received)
	sum := sha256.New()
	got.size, err = io.Copy(io.MultiWriter(sealed, sum, a.sum), io.LimitReader(&until{ctx, r}, most+1))
	switch {
	case err != nil:
		return got, err
	case got.size > most:
		return got, fmt.Errorf("%w: a piece has at most %d bytes here", ErrTooLarge, most)
	case got.size < most:
		return got, fmt.Errorf("%w: the piece ends after %d bytes of %d", ErrEntry, got.size, most)
	}
	if err := sealed.Close(); err != nil {
		return got, err
	}
	got.sha256 = hex.EncodeToString(sum.Sum(nil))
	return got, w.Commit()
}

func (c *Cases) dropPiece(file string, n int) error {
	if err := c.Dir.Remove(pieceFile(file, n)); err != nil && !errors.Is(err, files.ErrNotExist) {
		return err
	}
	return nil
}

// FinishArrival makes evidence of an arrival that is whole: from then on it is in the case's record, with the SHA-256 that was made
// while it came.
func (c *Cases) FinishArrival(ctx context.Context, who actor.Actor, id, arrival string) (*Case, error) {
	a, err := c.arrival(ctx, who, id, arrival, -1)
	if err != nil {
		return nil, err
	}
	if a.Received != a.Size {
		return nil, fmt.Errorf("case %s: take in evidence: %w: %d bytes of %d are here", id, ErrEntry, a.Received, a.Size)
	}
	a.SHA256 = hex.EncodeToString(a.sum.Sum(nil))
	sealer, err := c.Seal(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	var k *Case
	err = c.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO response_evidence (file, case_id, size, key) SELECT file, case_id, size, key FROM response_arrival WHERE file = $1 AND received = size`, arrival)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, errGivenUp)
		}
		k, err = c.append(ctx, tx, who, id, sealer, false, func(*Case) ([]Body, error) { return []Body{{Evidence: &a.Evidence}}, nil })
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE response_evidence SET seq = $2 WHERE file = $1`, arrival, k.Entries); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM response_arrival WHERE file = $1`, arrival)
		return err
	})
	if errors.Is(err, errGivenUp) {
		err = c.noArrival(ctx, id, arrival)
	}
	if err != nil {
		return nil, fmt.Errorf("case %s: take in evidence: %w", id, err)
	}
	return k, nil
}

// GiveUpArrival ends an arrival, and removes what has come of it.
func (c *Cases) GiveUpArrival(ctx context.Context, who actor.Actor, id, arrival string) error {
	if _, err := c.arrival(ctx, who, id, arrival, -1); err != nil {
		return err
	}
	if err := c.giveUp(ctx, arrival); err != nil {
		return fmt.Errorf("case %s: give up what arrives: %w", id, err)
	}
	return nil
}

// giveUp forgets an arrival first, so that nothing is added to it, and then removes its files. Whoever is killed between leaves files of no
// row, which the next sweep takes.
func (c *Cases) giveUp(ctx context.Context, file string) error {
	if _, err := c.DB.ExecContext(ctx, `DELETE FROM response_arrival WHERE file = $1`, file); err != nil {
		return err
	}
	return c.dropPieces(ctx, file)
}

// dropPieces removes the files of pieces and then their rows: those of a file that is no evidence, or was removed.
func (c *Cases) dropPieces(ctx context.Context, file string) error {
	pieces, err := c.pieces(ctx, file)
	if err != nil {
		return err
	}
	for n := range len(pieces) + 1 { // the last may have come to disk, and not into the table
		if err := c.dropPiece(file, n+1); err != nil {
			return err
		}
	}
	_, err = c.DB.ExecContext(ctx, `DELETE FROM response_piece WHERE file = $1`, file)
	return err
}

// sweepArrivals removes what does not come on, what belongs to a case whose key was destroyed, and files that nothing names.
func (c *Cases) sweepArrivals(ctx context.Context, shredded func(ctx context.Context, id string) (bool, error)) error {
	names, err := c.Dir.List(strings.TrimSuffix(evidenceFolder, "/")) // before the rows: a row is there before its file is
	if err != nil {
		return err
	}
	type row struct {
		file, id string
		moved    int64
	}
	var all []row
	known := map[string]bool{}
	err = c.each(ctx, `SELECT file, case_id, moved_at FROM response_arrival ORDER BY file`, func(scan func(...any) error) error {
		var r row
		err := scan(&r.file, &r.id, &r.moved)
		all, known[r.file] = append(all, r), true
		return err
	})
	if err != nil {
		return err
	}
	if err := c.each(ctx, `SELECT file FROM response_evidence WHERE length(key) > 0`, func(scan func(...any) error) error {
		var file string
		err := scan(&file)
		known[file] = true
		return err
	}); err != nil {
		return err
	}
	for _, r := range all {
		gone, err := shredded(ctx, r.id)
		if err != nil {
			return err
		}
		if gone || c.now().Sub(store.FromMicros(r.moved)) > arrivalLasts {
			if err := c.giveUp(ctx, r.file); err != nil {
				return err
			}
		}
	}
	for _, name := range names {
		if file, _, _ := strings.Cut(strings.TrimPrefix(name, evidenceFolder), "-"); !known[file] {
			if err := c.Dir.Remove(name); err != nil && !errors.Is(err, files.ErrNotExist) {
				return err
			}
			if _, err := c.DB.ExecContext(ctx, `DELETE FROM response_piece WHERE file = $1`, file); err != nil {
				return err
			}
		}
	}
	return nil
}

// each reads rows to their end.
func (c *Cases) each(ctx context.Context, query string, one func(scan func(...any) error) error) error {
	rows, err := c.DB.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := one(rows.Scan); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
