package response

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"filippo.io/age"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
)

// evidenceFolder holds sealed files. Each is an age file for a key of its own, which is sealed under the case's: what is read and
// written never lies in memory as a whole, and it goes with the case.
const evidenceFolder = "evidence/"

func keyIn(file string) string { return "response_evidence.key " + file }

// AddEvidence takes in what r gives, to its end: it is hashed while it arrives, sealed, and on disk before it is recorded. Nothing
// stays of what breaks off or is too large. Errors: ErrTooLarge; those of reading r.
func (c *Cases) AddEvidence(ctx context.Context, who actor.Actor, id string, e Evidence, r io.Reader) (*Case, error) {
	if err := may(who, e.takes(), id); err != nil {
		return nil, err
	}
	return c.takeIn(ctx, who, id, e, r, nil, nil)
}

// errSame says that a case has a piece with the same bytes.
var errSame = errors.New("the case has it already")

// KeepEvidence is AddEvidence for what a program makes of the same things each time: where the case has these bytes, by that name and from that
// source, and can still read them, nothing is added, and there says so. It gives the number of the piece.
func (c *Cases) KeepEvidence(ctx context.Context, who actor.Actor, id string, e Evidence, r io.Reader) (piece int64, there bool, err error) {
	if err := may(who, e.takes(), id); err != nil {
		return 0, false, err
	}
	unread := map[int64]bool{} // pieces that are not what was taken in any more
	same := func(k *Case, e Evidence) *Piece {
		for i := range k.Evidence {
			p := &k.Evidence[i]
			if p.SHA256 == e.SHA256 && p.Size == e.Size && p.Name == e.Name && p.Source == e.Source && p.Use == e.Use && !p.Removed() && !unread[p.ID] {
				return p
			}
		}
		return nil
	}
	k, err := c.takeIn(ctx, who, id, e, r, func(ctx context.Context, k *Case, e Evidence) error {
		for p := same(k, e); p != nil; p = same(k, e) {
			err := c.open(ctx, id, p, io.Discard)
			if err == nil || ctx.Err() != nil {
				return ctx.Err()
			}
			unread[p.ID] = true
		}
		return nil
	}, func(k *Case, e Evidence, _ int64) ([]Body, error) {
		if p := same(k, e); p != nil {
			piece = p.ID
			return nil, errSame
		}
		return nil, nil
	})
	if errors.Is(err, errSame) {
		return piece, true, nil
	}
	if err != nil {
		return 0, false, err
	}
	return k.Evidence[len(k.Evidence)-1].ID, false, nil
}

// takeIn is AddEvidence, with what else is recorded in the same transaction: more is given the number of the piece, and may refuse it. look, where
// there is one, is asked before, when it has arrived.
func (c *Cases) takeIn(ctx context.Context, who actor.Actor, id string, e Evidence, r io.Reader, look func(ctx context.Context, k *Case, e Evidence) error,
	more func(k *Case, e Evidence, piece int64) ([]Body, error)) (*Case, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	k, err := c.get(ctx, id)
	if err != nil {
		return nil, err
	}
	if k.Closed {
		return nil, fmt.Errorf("case %s: %w", id, ErrClosed)
	}
	if e.Size > 0 { // it is said beforehand
		if err := c.room(ctx, k, e.Size); err != nil {
			return nil, fmt.Errorf("case %s: take in evidence: %w", id, err)
		}
	}
	name := make([]byte, 16)
	rand.Read(name)
	file := hex.EncodeToString(name)
	release, _, err := c.arriving(file)
	if err != nil {
		return nil, fmt.Errorf("case %s: take in evidence: %w", id, err)
	}
	defer release()
	if err := c.arrive(ctx, id, file, &e, r); err != nil {
		return nil, fmt.Errorf("case %s: take in evidence: %w", id, err)
	}
	if look != nil {
		if err := look(ctx, k, e); err != nil {
			return nil, errors.Join(fmt.Errorf("case %s: take in evidence: %w", id, err), c.drop(context.WithoutCancel(ctx), file))
		}
	}
	sealer, err := c.Seal(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	var piece int64
	err = c.DB.Update(ctx, func(tx *sql.Tx) error {
		k, err = c.append(ctx, tx, who, id, sealer, false, func(k *Case) ([]Body, error) {
			piece = k.Entries + 1
			var also []Body
			if more != nil {
				var err error
				if also, err = more(k, e, piece); err != nil {
					return nil, err
				}
			}
			if used := k.evidenceBytes(); used+e.Size > c.Limits.All {
				return nil, fmt.Errorf("%w: a case holds at most %d bytes of evidence, and has %d", ErrTooLarge, c.Limits.All, used)
			}
			return append([]Body{{Evidence: &e}}, also...), nil
		})
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE response_evidence SET seq = $2, size = $3 WHERE file = $1 AND seq IS NULL`, file, piece, e.Size)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, errors.New("its file was removed meanwhile"))
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("case %s: %w", id, err), c.drop(context.WithoutCancel(ctx), file))
	}
	return k, nil
}

// check cleans what is said of evidence, or refuses it.
func (e *Evidence) check() error {
	e.Name = path.Base(strings.ReplaceAll(e.Name, `\`, "/"))
	if err := textsOK(map[string]string{"a name": strings.Trim(e.Name, "./ ")}, map[string]string{"a source": e.Source, "who secured it": e.By, "a note": e.Note}); err != nil {
		return err
	}
	if utf8.RuneCountInString(e.Name) > 200 || strings.ContainsAny(e.Name, "\n\t") {
		return fmt.Errorf("%w: a name is at most 200 characters of one line", ErrEntry)
	}
	if e.Use != "" && e.Use != UseAccounts {
		return fmt.Errorf("%w: evidence has no use %q", ErrEntry, e.Use)
	}
	return dueOK(e.Collected)
}

func (k *Case) evidenceBytes() int64 {
	var n int64
	for _, p := range k.Evidence {
		if !p.Removed() {
			n += p.Size
		}
	}
	return n
}

// arriving takes the lock that says that somebody lives who wants a file; false where somebody else has it.
func (c *Cases) arriving(file string) (release func(), ok bool, err error) {
	name := "evidence-" + file + ".lock"
	unlock, ok, err := c.Dir.Lock(name)
	if err != nil || !ok {
		return func() {}, false, err
	}
	return func() {
		c.Dir.Remove(name) // what is left of it is removed by the next sweep
		unlock()
	}, true, nil
}

// arrive seals what comes into a file of its own, and fills in size and hash. Its row is there before the file is.
func (c *Cases) arrive(ctx context.Context, id, file string, e *Evidence, r io.Reader) error {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	sealer, err := c.Seal(ctx, id, false)
	if err != nil {
		return err
	}
	if _, err := c.DB.ExecContext(ctx, `INSERT INTO response_evidence (file, case_id, size, key) VALUES ($1, $2, 0, $3)`, file, id, sealer.Seal(keyIn(file), []byte(key.String()))); err != nil {
		return err
	}
	if err := c.seal(ctx, file, key, e, r); err != nil {
		return errors.Join(err, c.drop(context.WithoutCancel(ctx), file))
	}
	return nil
}

func (c *Cases) seal(ctx context.Context, file string, key *age.X25519Identity, e *Evidence, r io.Reader) error {
	w, err := c.Dir.Create(evidenceFolder + file)
	if err != nil {
		return err
	}
	defer w.Close()
	sealed, err := age.Encrypt(w, key.Recipient())
	if err != nil {
		return err
	}
	sum := sha256.New()
	limit := c.Limits.Evidence
	e.Size, err = io.Copy(io.MultiWriter(sealed, sum), io.LimitReader(&until{ctx, r}, limit+1))
	if err != nil {
		return err
	}
	if e.Size > limit {
		return hint.Add(fmt.Errorf("%w: it has more than %d bytes", ErrTooLarge, limit), "keep it elsewhere and record where, with its SHA-256; or raise evidence.max")
	}
	if err := sealed.Close(); err != nil {
		return err
	}
	e.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return w.Commit()
}

// until reads until a context ends.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// dropFiles removes what lies on disk of evidence: one file, or its pieces.
func (c *Cases) dropFiles(ctx context.Context, file string) error {
	if err := c.Dir.Remove(evidenceFolder + file); err != nil && !errors.Is(err, files.ErrNotExist) {
		return err
	}
	return c.dropPieces(ctx, file)
}

// drop removes a file that has no entry.
func (c *Cases) drop(ctx context.Context, file string) error {
	if err := c.dropFiles(ctx, file); err != nil {
		return err
	}
	_, err := c.DB.ExecContext(ctx, `DELETE FROM response_evidence WHERE file = $1 AND seq IS NULL`, file)
	return err
}

// Sweep removes what is left of evidence that never arrived whole, as a process that died leaves it, and the files of cases whose
// key was destroyed. shredded says of a case whether it was.
func (c *Cases) Sweep(ctx context.Context, shredded func(ctx context.Context, id string) (bool, error)) error {
	rows, err := c.DB.QueryContext(ctx, `SELECT file, case_id, seq FROM response_evidence ORDER BY file`)
	if err != nil {
		return fmt.Errorf("sweep evidence: %w", err)
	}
	defer rows.Close()
	type row struct {
		file, id string
		whole    bool
	}
	var all []row
	for rows.Next() {
		var r row
		var seq sql.NullInt64
		if err := rows.Scan(&r.file, &r.id, &seq); err != nil {
			return fmt.Errorf("sweep evidence: %w", err)
		}
		r.whole = seq.Valid
		all = append(all, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("sweep evidence: %w", err)
	}
	gone := map[string]bool{}
	for _, r := range all {
		if _, asked := gone[r.id]; !asked {
			if gone[r.id], err = shredded(ctx, r.id); err != nil {
				return fmt.Errorf("sweep evidence: %w", err)
			}
		}
		switch {
		case r.whole && gone[r.id]:
			if err := c.dropFiles(ctx, r.file); err != nil {
				return fmt.Errorf("sweep evidence: %w", err)
			}
		case !r.whole:
			if err := c.sweepOne(ctx, r.file); err != nil {
				return fmt.Errorf("sweep evidence: %w", err)
			}
		}
	}
	if err := c.sweepArrivals(ctx, shredded); err != nil {
		return fmt.Errorf("sweep evidence: %w", err)
	}
	return nil
}

func (c *Cases) sweepOne(ctx context.Context, file string) error {
	release, ok, err := c.arriving(file)
	if err != nil || !ok { // it is arriving
		return err
	}
	defer release()
	var n int
	err = c.DB.QueryRowContext(ctx, `SELECT count(*) FROM response_evidence WHERE file = $1 AND seq IS NULL`, file).Scan(&n)
	if err != nil || n == 0 { // it has arrived meanwhile
		return err
	}
	return c.drop(ctx, file)
}

// ReadEvidence writes what was taken in to w, after it was recorded that it is taken out, why and by whom; "read" where it is looked
// at, "exported" where it leaves. What does not have the hash that was recorded is ErrChain, after it was written: w is to be given
// up then.
func (c *Cases) ReadEvidence(ctx context.Context, who actor.Actor, id string, evidence int64, what, to, why string, w io.Writer) (*Piece, error) {
	if what != "read" && what != "exported" {
		return nil, fmt.Errorf("%w: evidence is read or exported", ErrEntry)
	}
	if _, err := c.held(ctx, who, id, evidence); err != nil {
		return nil, err
	}
	k, err := c.custody(ctx, who, actor.See, id, Custody{Evidence: evidence, What: what, To: to, Why: why})
	if err != nil {
		return nil, err
	}
	p := k.piece(evidence)
	return p, c.open(ctx, id, p, w)
}

// held gives a piece of evidence that is there, to whoever may read it: an export of accounts is for who works out the scope.
func (c *Cases) held(ctx context.Context, who actor.Actor, id string, evidence int64) (*Piece, error) {
	if err := may(who, actor.See, id); err != nil {
		return nil, err
	}
	k, err := c.get(ctx, id)
	if err != nil {
		return nil, err
	}
	p := k.piece(evidence)
	if p == nil {
		return nil, fmt.Errorf("case %s: %w", id, missing("evidence %d", evidence))
	}
	if p.Use != "" {
		if err := may(who, p.takes(), id); err != nil {
			return nil, err
		}
	}
	if p.Removed() {
		return nil, fmt.Errorf("case %s: evidence %d: %w", id, evidence, ErrRemoved)
	}
	return p, nil
}

// OpenAccounts opens an export of accounts to be read, after it was recorded that it is, and what for. What it gives ends in ErrChain
// where it is not what was taken in. Whoever opened it closes it. Errors also: ErrRemoved.
func (c *Cases) OpenAccounts(ctx context.Context, who actor.Actor, id string, evidence int64, why string) (io.ReadCloser, *Piece, error) {
	p, err := c.held(ctx, who, id, evidence)
	if err == nil && p.Use != UseAccounts {
		err = fmt.Errorf("case %s: %w", id, missing("export of accounts %d", evidence))
	}
	if err == nil {
		_, err = c.custody(ctx, who, actor.Write, id, Custody{Evidence: evidence, What: "read", Why: why})
	}
	if err != nil {
		return nil, nil, err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(c.open(ctx, id, p, w)) }()
	return r, p, nil
}

// ActRemove is what a passkey confirms where an export of accounts is removed.
func ActRemove(id string, evidence int64) string {
	return fmt.Sprintf("remove evidence %s %d", id, evidence)
}

// RemoveAccounts removes an export of accounts that is not needed any more: its key here first, then its bytes. Its entry stays, with its
// SHA-256 and with who had it when; other evidence cannot be removed. A backup that was made before has both still, sealed under
// the case's key. Errors: ErrNotFound, ErrEntry, and that of Held.
func (c *Cases) RemoveAccounts(ctx context.Context, who actor.Actor, id string, evidence int64, why string) (*Case, error) {
	if err := may(who, actor.Remove, id); err != nil {
		return nil, err
	}
	if who.Person() {
		if err := who.Confirmed(ActRemove(id, evidence)); err != nil {
			return nil, fmt.Errorf("case %s: %w", id, err)
		}
	}
	k, err := c.get(ctx, id)
	if err != nil {
		return nil, err
	}
	switch p := k.piece(evidence); {
	case p == nil || p.Use != UseAccounts:
		return nil, fmt.Errorf("case %s: %w", id, missing("export of accounts %d", evidence))
	case p.Removed():
		return k, nil
	}
	if err := textOK("why it is removed", why, true); err != nil {
		return nil, err
	}
	sealer, err := c.Seal(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	var file string
	err = c.DB.Update(ctx, func(tx *sql.Tx) error {
		if c.Held != nil {
			if err := c.Held(ctx, tx, id); err != nil {
				return err
			}
		}
		k, err = c.append(ctx, tx, who, id, sealer, false, func(k *Case) ([]Body, error) {
			return []Body{{Custody: &Custody{Evidence: evidence, What: "removed", Why: why}}}, nil
		})
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `UPDATE response_evidence SET key = $3 WHERE case_id = $1 AND seq = $2 RETURNING file`, id, evidence, []byte{}).Scan(&file)
	})
	if err == nil {
		err = c.dropFiles(context.WithoutCancel(ctx), file)
	}
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	return k, nil
}

// Removed reports whether a piece was taken away: its hash and its chain of custody are all there is.
func (p *Piece) Removed() bool {
	return slices.ContainsFunc(p.Custody, func(l Link) bool { return l.What == "removed" })
}

// VerifyEvidence reads a piece and requires that it has the hash that was recorded when it arrived, and records that it does.
// Errors: ErrChain.
func (c *Cases) VerifyEvidence(ctx context.Context, who actor.Actor, id string, evidence int64) (*Piece, error) {
	k, err := c.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	p := k.piece(evidence)
	if p == nil {
		return nil, fmt.Errorf("case %s: %w", id, missing("evidence %d", evidence))
	}
	if p.Removed() {
		return nil, fmt.Errorf("case %s: evidence %d: %w", id, evidence, ErrRemoved)
	}
	if err := c.open(ctx, id, p, io.Discard); err != nil {
		return nil, err
	}
	k, err = c.custody(ctx, who, actor.See, id, Custody{Evidence: evidence, What: "verified"})
	if err != nil {
		return nil, err
	}
	return k.piece(evidence), nil
}

// HandEvidence records that a piece, or what it was taken from, was handed over or came back.
func (c *Cases) HandEvidence(ctx context.Context, who actor.Actor, id string, l Custody) (*Case, error) {
	if l.What != "handed-over" && l.What != "returned" {
		return nil, fmt.Errorf("%w: evidence is handed-over or returned", ErrEntry)
	}
	if err := textOK("to or from whom", l.To, true); err != nil {
		return nil, err
	}
	return c.custody(ctx, who, actor.Contribute, id, l)
}

func (c *Cases) custody(ctx context.Context, who actor.Actor, p actor.Permission, id string, l Custody) (*Case, error) {
	return c.record(ctx, who, p, id, func(k *Case) (Body, error) {
		if k.piece(l.Evidence) == nil {
			return Body{}, missing("evidence %d", l.Evidence)
		}
		return Body{Custody: &l}, textsOK(nil, map[string]string{"to whom": l.To, "a reason": l.Why})
	})
}

func (k *Case) piece(evidence int64) *Piece {
	i := slices.IndexFunc(k.Evidence, func(p Piece) bool { return p.ID == evidence })
	if i < 0 {
		return nil
	}
	return &k.Evidence[i]
}

// open writes a piece's bytes and compares their hash.
func (c *Cases) open(ctx context.Context, id string, p *Piece, w io.Writer) error {
	bad := func(err error) error { return fmt.Errorf("case %s: evidence %d: %w", id, p.ID, err) }
	var file string
	var sealed []byte
	err := c.DB.QueryRowContext(ctx, `SELECT file, key FROM response_evidence WHERE case_id = $1 AND seq = $2`, id, p.ID).Scan(&file, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return bad(fmt.Errorf("%w: its row is gone", ErrChain))
	}
	if err != nil {
		return bad(err)
	}
	sealer, err := c.Seal(ctx, id, false)
	if err != nil {
		return bad(err)
	}
	text, err := sealer.Open(keyIn(file), sealed)
	if err != nil {
		return bad(fmt.Errorf("%w: its key: %w", ErrChain, err))
	}
	key, err := age.ParseX25519Identity(string(text))
	if err != nil {
		return bad(fmt.Errorf("%w: its key is none", ErrChain))
	}
	pieces, err := c.pieces(ctx, file)
	if err != nil {
		return bad(err)
	}
	names := []string{evidenceFolder + file}
	if len(pieces) > 0 {
		names = nil
		for n := range pieces {
			names = append(names, pieceFile(file, n+1))
		}
	}
	sum := sha256.New()
	var n int64
	for _, name := range names {
		some, err := c.unseal(ctx, name, key, io.MultiWriter(w, sum))
		if err != nil {
			return bad(err)
		}
		n += some
	}
	if n != p.Size || hex.EncodeToString(sum.Sum(nil)) != p.SHA256 {
		return bad(fmt.Errorf("%w: it is not what was taken in", ErrChain))
	}
	return nil
}

// unseal writes what a sealed file holds.
func (c *Cases) unseal(ctx context.Context, name string, key *age.X25519Identity, w io.Writer) (int64, error) {
	f, err := c.Dir.Open(name)
	if err != nil {
		return 0, fmt.Errorf("%w: its file: %w", ErrChain, err)
	}
	defer f.Close()
	r, err := age.Decrypt(io.NewSectionReader(f, 0, f.Size()), key)
	if err != nil {
		return 0, fmt.Errorf("%w: its file: %v", ErrChain, err)
	}
	n, err := io.Copy(w, &opened{ctx, r})
	var broken *openedError
	if errors.As(err, &broken) {
		return n, fmt.Errorf("%w: its file: %v", ErrChain, broken.error)
	}
	return n, err
}

// opened marks what goes wrong with reading a sealed file, apart from what goes wrong with writing.
type opened struct {
	ctx context.Context
	r   io.Reader
}

type openedError struct{ error }

func (o *opened) Read(p []byte) (int, error) {
	if err := o.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := o.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &openedError{err}
	}
	return n, err
}
