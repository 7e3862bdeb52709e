package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"shirase/check"
	"shirase/internal/store"
)

// A log may change its key once in a while, and those who remember the old one
// have to know the new one from somebody else's. So each key says beforehand, in
// the statements under it, by its hash which one alone may follow. That one is
// made with it and kept elsewhere: it is what is left when the key is stolen or
// lost. Nothing that the old key signs can name another.

// Errors of succession.
var (
	// ErrNext reports a key that is not the one that was to follow.
	ErrNext = errors.New("not the key that was to follow")
	// ErrWaits reports entries that have to be public before the key changes.
	ErrWaits = errors.New("something is committed and not public yet")
)

// ring is the key that signs now, and those before it, whose signatures stand.
type ring struct {
	vkey     string
	signer   note.Signer // nil where its private half is not here
	verifier note.Verifier
	former   []note.Verifier
}

// newRing reads a signing key.
func newRing(signerKey string) (*ring, error) {
	signerKey = strings.TrimSpace(signerKey)
	signer, err := note.NewSigner(signerKey)
	if err != nil {
		return nil, fmt.Errorf("ledger: reading the signing key: %w", ErrKey) // err may quote it
	}
	vkey, err := PublicKey(signerKey)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("ledger: reading the signing key: %w", err)
	}
	return &ring{vkey: vkey, signer: signer, verifier: verifier}, nil
}

// all gives the keys whose checkpoints this log may show.
func (r *ring) all() []note.Verifier { return append([]note.Verifier{r.verifier}, r.former...) }

// A Key is a verifier key of the log. Statement and Proof are of one that another
// has followed: the last statement under it, which names its successor, and the
// c2sp.org/tlog-proof@v1 of that under a checkpoint that the key signed.
type Key struct {
	VKey      string
	Next      check.Hash // zero where none was made yet
	Statement []byte
	Proof     []byte
}

// keyRows returns the log's keys, oldest first.
func keyRows(ctx context.Context, q store.Querier) (out []Key, err error) {
	rows, err := q.QueryContext(ctx, `SELECT n, vkey, next, statement, proof FROM ledger_key ORDER BY n`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var k Key
		var next string
		if err := rows.Scan(&n, &k.VKey, &next, &k.Statement, &k.Proof); err != nil {
			return nil, err
		}
		if next != "" {
			err = k.Next.UnmarshalText([]byte(next))
		}
		if err != nil || n != int64(len(out))+1 {
			return nil, fmt.Errorf("ledger_key, row %d: %w", n, ErrDamaged)
		}
		out = append(out, k)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Keys returns the keys that have signed the log, oldest first: the last is the
// one that signs now.
func (l *Log) Keys(ctx context.Context) ([]Key, error) {
	keys, err := keyRows(ctx, l.db)
	if err != nil {
		return nil, fmt.Errorf("ledger: its keys: %w", err)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("ledger: its keys: %w", ErrDamaged)
	}
	return keys, nil
}

// Current returns the vkey that signs the log of a database; "" where there is
// no log yet.
func Current(ctx context.Context, db *store.DB) (string, error) {
	var vkey string
	err := db.QueryRowContext(ctx, `SELECT vkey FROM ledger_head WHERE id = 1`).Scan(&vkey)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("ledger: %w", store.InWords(err))
	}
	return vkey, nil
}

// Next returns the hash of the vkey that alone may follow the one that signs;
// zero where none was made yet.
func (l *Log) Next(ctx context.Context) (check.Hash, error) {
	keys, err := l.Keys(ctx)
	if err != nil {
		return check.Hash{}, err
	}
	return keys[len(keys)-1].Next, nil
}

// SetNext names the key that is to follow, where none was named yet, and returns
// the hash of the one that is.
func (l *Ledger) SetNext(ctx context.Context, vkey string) (check.Hash, error) {
	v, err := note.NewVerifier(vkey)
	if err == nil && (v.Name() != l.Origin() || vkey == l.VKey()) {
		err = fmt.Errorf("%w: it has to be another key of %s", ErrNext, l.Origin())
	}
	if err == nil {
		_, err = l.db.ExecContext(ctx, `UPDATE ledger_key SET next = $1 WHERE next = '' AND n = (SELECT max(n) FROM ledger_key)`, check.VKeyHash(vkey).String())
	}
	if err != nil {
		return check.Hash{}, fmt.Errorf("ledger: naming the key that follows: %w", err)
	}
	return l.Next(ctx)
}

// Reload says where a signing key is read from when another process has had the
// log's key followed by the next one.
func (l *Log) Reload(load func(vkey string) (skey string, err error)) { l.load = load }

// TakeUp takes up the key that another process has changed to, if one has.
func (l *Log) TakeUp(ctx context.Context) error {
	now, err := Current(ctx, l.db)
	if err != nil || now == l.VKey() {
		return err
	}
	if err := l.turn(ctx, l.db); err != nil {
		return fmt.Errorf("ledger: its keys: %w", err)
	}
	return nil
}

// turn takes up the keys that the database has. Where the private half of the
// current one cannot be had, the log can be read and nothing be appended.
func (l *Log) turn(ctx context.Context, q store.Querier) error {
	keys, err := keyRows(ctx, q)
	if err != nil || len(keys) == 0 {
		return err
	}
	now := keys[len(keys)-1].VKey
	r := &ring{vkey: now, signer: l.ring.Load().signer}
	if r.verifier, err = note.NewVerifier(now); err != nil {
		return fmt.Errorf("ledger_key: %w", ErrDamaged)
	}
	for _, k := range slices.Backward(keys[:len(keys)-1]) {
		v, err := note.NewVerifier(k.VKey)
		if err != nil {
			return fmt.Errorf("ledger_key: %w", ErrDamaged)
		}
		r.former = append(r.former, v)
	}
	if now != l.VKey() {
		r.signer = nil
		if l.load != nil {
			if skey, err := l.load(now); err == nil {
				if loaded, err := newRing(skey); err == nil && loaded.vkey == now {
					r.signer = loaded.signer
				}
			}
		}
	}
	l.ring.Store(r)
	return nil
}

// A Successor is what the change to the next key needs, made before it.
type Successor struct {
	ring      *ring
	next      check.Hash // the hash of the vkey that is to follow it in turn
	size      int64      // entries under the last checkpoint of the key before
	statement []byte
	proof     []byte
}

// VKey returns the public key that is to sign.
func (s *Successor) VKey() string { return s.ring.vkey }

// Succeed makes ready that the next key signs. signerKey is its skey, and next the
// hash of the vkey that follows it in turn; statement is the newest, at an index
// of the log. Errors: ErrKey, ErrNext; ErrWaits.
func (l *Ledger) Succeed(ctx context.Context, signerKey string, next check.Hash, statement []byte, index int64) (*Successor, error) {
	s, err := l.succeed(ctx, signerKey, next, statement, index)
	if err != nil {
		return nil, fmt.Errorf("ledger: changing its key: %w", err)
	}
	return s, nil
}

func (l *Ledger) succeed(ctx context.Context, signerKey string, next check.Hash, statement []byte, index int64) (*Successor, error) {
	r, err := newRing(signerKey)
	if err != nil {
		return nil, err
	}
	if err := l.turn(ctx, l.db); err != nil {
		return nil, err
	}
	r.former = l.ring.Load().all()
	wanted, err := l.Next(ctx)
	if err != nil {
		return nil, err
	}
	if check.VKeyHash(r.vkey) != wanted || r.verifier.Name() != l.Origin() {
		return nil, fmt.Errorf("%s: %w, whose hash is %s", r.vkey, ErrNext, wanted)
	}
	if next == (check.Hash{}) || next == wanted {
		return nil, fmt.Errorf("%w: a key cannot follow itself", ErrNext)
	}
	head, err := l.head(ctx)
	if err != nil {
		return nil, err
	}
	published, err := l.published()
	if err != nil {
		return nil, err
	}
	if published == nil || published.N != head.N {
		return nil, ErrWaits
	}
	if _, err := openCheckpoint(published.signed, l.ring.Load().verifier); err != nil { // by the key that is to be followed
		return nil, err
	}
	proof, err := l.proof(ctx, index)
	if err != nil {
		return nil, err
	}
	return &Successor{r, next, head.N, statement, proof}, nil
}

// Switch has the next key sign from the entry on that it appends, in the caller's
// transaction. ErrWaits where something was appended since [Ledger.Succeed]. Once
// the transaction has committed, [Ledger.Turn] takes the key up.
func (l *Ledger) Switch(ctx context.Context, tx *sql.Tx, s *Successor, kind string, data []byte) (index int64, hash [32]byte, err error) {
	index, hash, err = l.enter(ctx, tx, s.ring, kind, data)
	if err == nil && index != s.size {
		err = ErrWaits
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE ledger_key SET statement = $1, proof = $2 WHERE n = (SELECT max(n) FROM ledger_key)`, s.statement, s.proof)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `INSERT INTO ledger_key (n, vkey, next) SELECT max(n) + 1, CAST($1 AS text), CAST($2 AS text) FROM ledger_key`, s.ring.vkey, s.next.String())
	}
	if err != nil {
		return 0, hash, fmt.Errorf("ledger: changing its key: %w", err)
	}
	return index, hash, nil
}

// Turn takes up the key that a committed [Ledger.Switch] changed to.
func (l *Ledger) Turn(s *Successor) { l.ring.Store(s.ring) }

// keysBody is the body of GET /ledger/v1/keys (docs/PROTOCOL.md).
func (l *Log) keysBody(ctx context.Context) ([]byte, error) {
	keys, err := l.Keys(ctx)
	if err != nil {
		return nil, err
	}
	type key struct {
		VKey      string      `json:"vkey"`
		Statement check.Bytes `json:"statement,omitzero"`
		Proof     string      `json:"proof,omitzero"`
	}
	body := struct {
		Keys []key `json:"keys"`
	}{}
	for _, k := range keys {
		body.Keys = append(body.Keys, key{k.VKey, k.Statement, string(k.Proof)})
	}
	return json.Marshal(body)
}
