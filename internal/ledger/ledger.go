// Package ledger is the public append-only log of statements and notices: a
// standard tiled transparency log, so that existing witnesses, monitors and
// verifiers work on it unmodified.
//
//   - Tree: RFC 6962 hashing (golang.org/x/mod/sumdb/tlog).
//   - Checkpoints: c2sp.org/tlog-checkpoint, signed notes.
//   - Layout: c2sp.org/tlog-tiles.
//   - Proofs: c2sp.org/tlog-proof@v1.
//   - Entries: [check.Leaf]. What an entry commits to is served by its SHA-256.
//
// # How an entry gets in
//
// SQL decides, files publish. [Ledger.Append] runs in the transaction that
// publishes a statement or a notice: leaf, data, tree hashes and the newly
// signed checkpoint become true together with it or not at all. [Ledger.Sync]
// then has the witnesses cosign it, where there are some ([Witnesses]), and writes
// what SQL says to files: data, entry bundles, tiles, and the
// checkpoint last, so that a checkpoint is never seen before everything it
// covers is durable, and nothing is seen before a quorum has cosigned it. The
// transaction after that tells the followers, so that what an entry says is shown
// from then on, and nowhere before ([Log.Served]). Whatever is killed in between
// is made up for by the next Sync. Ed25519 signatures are deterministic, so the
// resumed log has the bytes of an undisturbed one. No bytes travel to or from
// files while a transaction waits.
//
// # Who writes
//
// A [Ledger] has the signing key, and appends and syncs; a [Log] only reads, and
// is what answers requests: none of them writes a tile, a checkpoint or a row.
// Opening writes nothing to files either, and asks no witness. Any number of
// processes may sync at once: tiles and documents are the same bytes from each,
// and the checkpoint is replaced only by who has seen what it replaces
// ([files.Dir.Replace]).
//
// # What cannot happen
//
// Two entries at one index, or two trees of one size: appends take the one row
// of ledger_head first, in a serializable transaction, whatever the number of
// servers. A smaller checkpoint over a larger one: each follows one that was
// seen, and is written only where that still stands. A fork after a restored
// backup: the checkpoint in the files must be a prefix of what the database
// says, or nothing is signed ([ErrFork]).
package ledger

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// MaxData is the largest published document in bytes.
const MaxData = 4 << 20

// Errors of this package.
var (
	// ErrKey reports a signing key that is none, or not this log's.
	ErrKey = errors.New("not this ledger's key")
	// ErrFork reports published files that are not a prefix of what the
	// database holds. Nothing is signed or written then.
	ErrFork = errors.New("the database does not continue what was published")
	// ErrDamaged reports bytes that are not those once published.
	ErrDamaged = errors.New("published bytes have changed")
	// ErrNotFound reports an index or a hash that the log does not have.
	ErrNotFound = errors.New("not in the ledger")
	// ErrTooLarge reports a document above MaxData.
	ErrTooLarge = errors.New("document is larger than the ledger takes")
)

// Names of files, below the root that the ledger shares with others.
const (
	folder         = "ledger/"
	checkpointFile = folder + "checkpoint"
	dataFolder     = folder + "data/"
)

// Bounds on files that are read whole.
const (
	maxCheckpoint = 64 << 10
	maxTile       = torchwood.TileWidth * (2 + 1<<8) // our entries are below 256 bytes
)

//go:embed migrations/*.sql
var migrations embed.FS

// A Log reads what was published, and what is committed. It is safe for
// concurrent use, and any number of processes may hold the same.
type Log struct {
	db        *store.DB
	dir       *files.Dir
	ring      atomic.Pointer[ring]
	load      func(vkey string) (skey string, err error) // of a key that another process has changed to; may be nil
	witnesses Witnesses

	seen atomic.Pointer[checkpoint] // the published one that was read last; nil where there was none
}

// A Ledger is a [Log] that can be appended to: it has the signing key.
type Ledger struct {
	*Log
	patience time.Duration // with one witness
	now      func() time.Time
	follow   []Follower

	syncing sync.Mutex

	telling sync.Mutex
	failing map[string]string // why each witness failed last, by its name
}

// checkpoint is a verified signed checkpoint.
type checkpoint struct {
	signed []byte
	tlog.Tree
	since time.Time // by when a quorum of witnesses had cosigned it; zero without one
}

// text is what is signed of it: the note without its signatures.
func (c checkpoint) text() string {
	text, _, _ := strings.Cut(string(c.signed), "\n\n")
	return text + "\n"
}

// NewKey makes a signing key for a log with the given origin, the name that
// its checkpoints carry: by convention the URL prefix without its scheme, such
// as "example.com/ledger" (c2sp.org/tlog-tiles). "{key}" in it becomes 16 hex
// digits of the public key's SHA-256: a name that no other log has. Both are in
// the text form of c2sp.org/signed-note; skey is secret.
func NewKey(origin string) (skey, vkey string, err error) {
	if origin == "" || strings.ContainsAny(origin, "+\n ") {
		return "", "", fmt.Errorf("ledger: origin %q: empty, or with spaces or plus signs", origin)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("ledger: making a key for %q: %w", origin, err)
	}
	hash := sha256.Sum256(public)
	origin = strings.ReplaceAll(origin, "{key}", hex.EncodeToString(hash[:8]))
	if vkey, err = note.NewEd25519VerifierKey(origin, public); err != nil {
		return "", "", fmt.Errorf("ledger: making a key for %q: %w", origin, err)
	}
	// The secret form has the public form's name and key hash (x/mod/sumdb/note).
	id, _, _ := strings.Cut(strings.TrimPrefix(vkey, origin+"+"), "+")
	secret := base64.StdEncoding.EncodeToString(append([]byte{1}, private.Seed()...))
	return "PRIVATE+KEY+" + origin + "+" + id + "+" + secret, vkey, nil
}

// PublicKey returns the vkey that belongs to the skey of [NewKey]: what
// [Verify] needs, and [New] is not needed for.
func PublicKey(signerKey string) (vkey string, err error) {
	// "PRIVATE+KEY+<name>+<hash>+<base64 of 0x01 and the Ed25519 seed>"
	signerKey = strings.TrimSpace(signerKey)
	parts := strings.SplitN(signerKey, "+", 5)
	if _, err := note.NewSigner(signerKey); err != nil || len(parts) != 5 {
		return "", fmt.Errorf("ledger: reading the signing key: %w", ErrKey) // err may quote it
	}
	key, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(key) != 1+ed25519.SeedSize {
		return "", fmt.Errorf("ledger: reading the signing key: %w", ErrKey)
	}
	public := ed25519.NewKeyFromSeed(key[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(parts[2], public)
}

// A Follower makes public what the first size entries say, in the transaction
// that serves the checkpoint of that size. It may be told of one size twice.
type Follower func(ctx context.Context, tx *sql.Tx, size int64) error

// New opens the log in db and dir, making an empty one where there is none. It
// writes nothing to dir, and asks no witness: what was committed and never
// published, by whoever was interrupted, is so after the next [Ledger.Sync].
// signerKey is the skey of [NewKey]; ErrKey where another key signs the log.
func New(ctx context.Context, db *store.DB, dir *files.Dir, signerKey string, witnesses Witnesses, follow ...Follower) (*Ledger, error) {
	r, err := newRing(signerKey)
	if err != nil {
		return nil, err
	}
	return newLedger(ctx, db, dir, r, witnesses, follow)
}

// NewWithout opens a log without its signing key: it can be read, and changed to
// its next key ([Ledger.Succeed]). ErrKey where there is none.
func NewWithout(ctx context.Context, db *store.DB, dir *files.Dir, witnesses Witnesses, follow ...Follower) (*Ledger, error) {
	return newLedger(ctx, db, dir, nil, witnesses, follow)
}

func newLedger(ctx context.Context, db *store.DB, dir *files.Dir, r *ring, witnesses Witnesses, follow []Follower) (*Ledger, error) {
	l := newBare(db, dir, witnesses)
	l.follow = follow
	if r != nil {
		l.ring.Store(r)
	}
	if err := l.open(ctx); err != nil {
		return nil, fmt.Errorf("ledger: opening: %w", err)
	}
	return l, nil
}

// Migrate brings the log's tables up to date, as [New] does, and touches nothing
// in them: what is to be verified is not mended.
func Migrate(ctx context.Context, db *store.DB) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return db.Migrate(ctx, "ledger", sub)
}

// newBare is a log that was not opened, and may be damaged.
func newBare(db *store.DB, dir *files.Dir, witnesses Witnesses) *Ledger {
	l := &Ledger{Log: &Log{db: db, dir: dir, witnesses: witnesses}, patience: patience, now: time.Now, failing: map[string]string{}}
	l.ring.Store(&ring{})
	return l
}

func (l *Ledger) open(ctx context.Context) error {
	if err := Migrate(ctx, l.db); err != nil {
		return err
	}
	// A log begins with a signed checkpoint of the empty tree.
	r := l.ring.Load()
	if r.vkey != "" {
		err := l.db.Update(ctx, func(tx *sql.Tx) error {
			empty, err := l.empty()
			if err != nil {
				return err
			}
			if _, err = tx.ExecContext(ctx, `INSERT INTO ledger_head (id, vkey, size, checkpoint)
				VALUES (1, $1, 0, $2) ON CONFLICT DO NOTHING`, r.vkey, empty.signed); err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO ledger_key (n, vkey, next) SELECT 1, vkey, '' FROM ledger_head WHERE NOT EXISTS (SELECT 1 FROM ledger_key)`)
			return err
		})
		if err != nil {
			return err
		}
	}
	given := r.vkey
	if err := l.turn(ctx, l.db); err != nil {
		return err
	}
	if now := l.VKey(); now != given && given != "" {
		return &keyError{now}
	}
	if given == "" && l.VKey() == "" {
		return ErrKey // there is no log yet
	}
	_, _, err := l.newest(ctx)
	return err
}

// VKey returns the public key that checkpoints verify under, in the text form
// of c2sp.org/signed-note.
func (l *Log) VKey() string { return l.ring.Load().vkey }

// Origin returns the name in the log's checkpoints.
func (l *Log) Origin() string { return l.ring.Load().verifier.Name() }

// sign returns the signed checkpoint of tree.
func (l *Ledger) sign(tree tlog.Tree) (checkpoint, error) { return l.ring.Load().sign(tree) }

func (r *ring) sign(tree tlog.Tree) (checkpoint, error) {
	if r.signer == nil {
		return checkpoint{}, &keyError{r.vkey}
	}
	text := torchwood.Checkpoint{Origin: r.signer.Name(), Tree: tree}.String()
	signed, err := note.Sign(&note.Note{Text: text}, r.signer)
	if err != nil {
		return checkpoint{}, fmt.Errorf("signing a checkpoint: %w", err)
	}
	return checkpoint{signed: signed, Tree: tree}, nil
}

// empty returns the signed checkpoint of the tree without entries (RFC 6962, section 2.1).
func (l *Ledger) empty() (checkpoint, error) {
	return l.sign(tlog.Tree{N: 0, Hash: sha256.Sum256(nil)})
}

// openCheckpoint verifies a signed checkpoint of the log with one of its keys.
func openCheckpoint(signed []byte, keys ...note.Verifier) (checkpoint, error) {
	var each []torchwood.Policy
	for _, v := range keys {
		each = append(each, torchwood.SingleVerifierPolicy(v))
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(keys[0].Name()), torchwood.ThresholdPolicy(1, each...))
	c, n, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return checkpoint{}, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	// The note format lets the unused bits of a signature's last base64
	// digit be anything; what we publish has one spelling.
	for _, sig := range n.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return checkpoint{}, fmt.Errorf("%w: %v", ErrDamaged, err)
		}
	}
	return checkpoint{signed: signed, Tree: c.Tree}, nil
}

// Update is [store.DB.Update] for who appends: it looks at what is published
// before the transaction, and not while others wait for it.
func (l *Ledger) Update(ctx context.Context, do func(tx *sql.Tx) error) error {
	if _, err := l.published(); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return l.db.Update(ctx, do)
}

// Append adds data to the log in a transaction of [Ledger.Update] and returns
// its index and its SHA-256. Nothing is public before the transaction commits
// and [Ledger.Sync] has run; until it commits, no other server can append.
//
// kind is "statement", "notice" or another of the form [check.Leaf] takes; data is
// at most MaxData bytes (ErrTooLarge).
func (l *Ledger) Append(ctx context.Context, tx *sql.Tx, kind string, data []byte) (index int64, hash [32]byte, err error) {
	hash = sha256.Sum256(data)
	if _, _, err := check.ParseLeaf(check.LeafOf(kind, hash)); err != nil { // what nobody could read back
		return 0, hash, fmt.Errorf("ledger: appending: kind %q: %w", kind, err)
	}
	if len(data) > MaxData {
		return 0, hash, fmt.Errorf("ledger: appending a %s of %d bytes: %w", kind, len(data), ErrTooLarge)
	}
	index, hash, err = l.enter(ctx, tx, nil, kind, data)
	if err != nil {
		return 0, hash, fmt.Errorf("ledger: appending a %s: %w", kind, err)
	}
	return index, hash, nil
}

// enter appends under a key that follows the current one, or under that where to
// is nil.
func (l *Ledger) enter(ctx context.Context, tx *sql.Tx, to *ring, kind string, data []byte) (index int64, hash [32]byte, err error) {
	hash = sha256.Sum256(data)
	index, err = l.append(ctx, tx, to, kind, hash, data)
	return index, hash, err
}

func (l *Ledger) append(ctx context.Context, tx *sql.Tx, to *ring, kind string, hash [32]byte, data []byte) (int64, error) {
	// First of all: this takes the lock.
	var n int64
	var vkey string
	var signed []byte
	err := tx.QueryRowContext(ctx, `UPDATE ledger_head SET size = size + 1 WHERE id = 1
		RETURNING size - 1, vkey, checkpoint`).Scan(&n, &vkey, &signed)
	if err != nil {
		return 0, err
	}
	if vkey != l.VKey() { // another process has changed it
		if err := l.turn(ctx, tx); err != nil {
			return 0, err
		}
	}
	r := l.ring.Load()
	if vkey != r.vkey {
		return 0, &keyError{vkey}
	}
	if to == nil {
		to = r
	}
	head, err := openCheckpoint(signed, r.verifier)
	if err != nil {
		return 0, err
	}
	if head.N != n {
		return 0, fmt.Errorf("%d leaves under a checkpoint of %d: %w", n, head.N, ErrDamaged)
	}
	if err := continues(ctx, tx, l.seen.Load(), head); err != nil {
		return 0, err
	}

	reader := hashReader(ctx, tx)
	hashes, err := tlog.StoredHashesForRecordHash(n, tlog.RecordHash(check.LeafOf(kind, hash)), reader)
	if err != nil {
		return 0, err
	}
	first := tlog.StoredHashIndex(0, n)
	for i, h := range hashes {
		if _, err := tx.ExecContext(ctx, `INSERT INTO ledger_hashes (position, hash) VALUES ($1, $2)`,
			first+int64(i), h[:]); err != nil {
			return 0, err
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO ledger_leaves (leaf, kind, data) VALUES ($1, $2, $3)`,
		n, kind, hash[:]); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO ledger_data (hash, bytes) VALUES ($1, $2)
		ON CONFLICT DO NOTHING`, hash[:], nonNil(data)); err != nil {
		return 0, err
	}
	root, err := tlog.TreeHash(n+1, reader)
	if err != nil {
		return 0, err
	}
	next, err := to.sign(tlog.Tree{N: n + 1, Hash: root})
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE ledger_head SET checkpoint = $1, vkey = $2 WHERE id = 1`, next.signed, to.vkey)
	return n, err
}

// nonNil makes an empty document an empty value instead of NULL.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// continues requires that the published checkpoint, if there is one, is of a
// prefix of the tree of head, whose hashes q holds. A database restored from a
// backup that is older than the files fails here, before a second tree of some
// size is signed.
func continues(ctx context.Context, q store.Querier, published *checkpoint, head checkpoint) (err error) {
	if published == nil {
		return nil
	}
	if published.N > head.N {
		return &forkError{fmt.Sprintf("%d entries were published, the database has %d", published.N, head.N)}
	}
	root := head.Hash
	if published.N < head.N {
		if root, err = tlog.TreeHash(published.N, hashReader(ctx, q)); err != nil {
			return err
		}
	}
	if root != published.Hash {
		return &forkError{fmt.Sprintf("the first %d entries of the database are others than the published", published.N)}
	}
	return nil
}

// published returns the checkpoint in the files, nil where there is none.
func (l *Log) published() (*checkpoint, error) {
	signed, err := l.dir.Get(checkpointFile, maxCheckpoint)
	if errors.Is(err, files.ErrNotExist) {
		l.seen.Store(nil)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if c := l.seen.Load(); c != nil && bytes.Equal(c.signed, signed) {
		return c, nil
	}
	c, err := openCheckpoint(signed, l.ring.Load().all()...)
	if err != nil && l.turn(context.Background(), l.db) == nil { // another process may have changed the key
		c, err = openCheckpoint(signed, l.ring.Load().all()...)
	}
	if err != nil {
		return nil, hint.Add(fmt.Errorf("%s: %w", checkpointFile, err), mendFiles)
	}
	c.since = l.witnesses.since(l.Origin(), l.cosignatures(signed))
	l.seen.Store(&c)
	return &c, nil
}

// Checkpoint returns the newest published checkpoint: the signed note and the
// tree that it is of.
func (l *Log) Checkpoint() (signed []byte, tree tlog.Tree, err error) {
	c, err := l.published()
	if err != nil {
		return nil, tree, fmt.Errorf("ledger: %w", err)
	}
	if c == nil {
		return nil, tree, hint.Add(fmt.Errorf("ledger: %s: %w", checkpointFile, ErrNotFound), mendFiles)
	}
	return bytes.Clone(c.signed), c.Tree, nil
}

// Served returns how many entries are public: those below the checkpoint that
// was served last, in the transaction that told every follower.
func (l *Log) Served(ctx context.Context) (int64, error) {
	return count(ctx, l.db, `SELECT served FROM ledger_turn WHERE id = 1`)
}

// Committed returns how many entries the database of a log has, served or not.
func Committed(ctx context.Context, db *store.DB) (int64, error) {
	return count(ctx, db, `SELECT size FROM ledger_head WHERE id = 1`)
}

func count(ctx context.Context, db *store.DB, query string) (n int64, err error) {
	if err := db.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return 0, fmt.Errorf("ledger: %w", store.InWords(err))
	}
	return n, nil
}

// hashReader reads stored hashes from the database.
func hashReader(ctx context.Context, q store.Querier) tlog.HashReader {
	return tlog.HashReaderFunc(func(positions []int64) ([]tlog.Hash, error) {
		return readHashes(ctx, q, positions)
	})
}

func readHashes(ctx context.Context, q store.Querier, positions []int64) ([]tlog.Hash, error) {
	if len(positions) == 0 {
		return nil, nil
	}
	var in strings.Builder
	args := make([]any, len(positions))
	at := make(map[int64]int, len(positions))
	for i, p := range positions {
		fmt.Fprintf(&in, ",$%d", i+1)
		args[i] = p
		at[p] = i
	}
	rows, err := q.QueryContext(ctx,
		`SELECT position, hash FROM ledger_hashes WHERE position IN (`+in.String()[1:]+`)`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	hashes := make([]tlog.Hash, len(positions))
	for rows.Next() {
		var p int64
		var h []byte
		if err := rows.Scan(&p, &h); err != nil {
			return nil, err
		}
		i, ok := at[p]
		if !ok || len(h) != tlog.HashSize {
			return nil, fmt.Errorf("ledger_hashes, position %d: %w", p, ErrDamaged)
		}
		hashes[i] = tlog.Hash(h)
		delete(at, p)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for p := range at { // duplicate positions do not occur
		return nil, fmt.Errorf("ledger_hashes, position %d is missing: %w", p, ErrDamaged)
	}
	return hashes, nil
}

// keyError is an ErrKey with its remedy.
type keyError struct{ vkey string }

func (e *keyError) Error() string {
	return "the log is signed by the key " + e.vkey + ": " + ErrKey.Error()
}
func (e *keyError) Unwrap() error { return ErrKey }
func (e *keyError) Hint() string {
	return "use the key folder that belongs to this data (--keys)"
}

// forkError is an ErrFork with its remedy.
type forkError struct{ what string }

func (e *forkError) Error() string { return e.what + ": " + ErrFork.Error() }
func (e *forkError) Unwrap() error { return ErrFork }
func (e *forkError) Hint() string {
	return "restore a database backup that is not older than the files; a log that cannot be continued needs a new key and a new origin"
}
