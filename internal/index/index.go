// Package index builds, publishes and serves what package check verifies.
//
// Publishing an incident goes in four steps, each of which survives being
// killed and goes on where it was:
//
//   - Seal: the revision is bound to its roster in SQL; then the members'
//     entries are computed in chunks that are durable one by one, merged into
//     the source layer, and its root is bound to the revision.
//   - Fold: the source layers of one key become the served layer.
//   - Self-check: a server on loopback shows the draft to the real client,
//     which has to find members of the new layer and must not find a stranger.
//   - Publish: statement, notice and ledger entries become true in one
//     transaction.
//
// Everything a key and a roster give is deterministic, so whoever is killed
// and starts again makes the same bytes.
package index

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// Errors of this package.
var (
	// ErrStale says that another statement was published meanwhile; nothing was.
	ErrStale = errors.New("another statement was published meanwhile")
	// ErrKey says that a key file is not the published key's.
	ErrKey = errors.New("not the published evaluator key")
	// ErrNoKey says that an evaluator key's file is missing or cannot be read.
	ErrNoKey = errors.New("missing or unreadable")
	// ErrEmpty says that a roster has no identity of a kind that is indexed.
	ErrEmpty = errors.New("the roster has no identity to index")
	// ErrSelfCheck says that a draft does not answer as it should; nothing of it was published.
	ErrSelfCheck = errors.New("the self-check failed, and nothing was published")
	// ErrNone says that nothing has been published yet.
	ErrNone = errors.New("nothing has been published yet")
	// ErrBound says that a revision came out as another layer than it did before.
	ErrBound = errors.New("the revision is bound to another layer")
	// ErrOlder says that a newer scope of the incident was published meanwhile.
	ErrOlder = errors.New("a newer scope of the incident was published meanwhile")
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	layerFolder = "layers/"
	buildFolder = "build/"

	// DefaultLocatorBits fits an index of up to 10^8 entries.
	DefaultLocatorBits = 16
)

// Index is the published index of one store: its layers and statements. It has
// no private key: what needs one is given the folder of keys.
type Index struct {
	db  *store.DB
	dir *files.Dir
	now func() time.Time

	minChunk int64 // members of a chunk at least
}

// New opens the index and brings its tables up to date.
func New(ctx context.Context, db *store.DB, dir *files.Dir) (*Index, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	// "index" is a word of SQL; the version table is index_room_migrations.
	if err := db.Migrate(ctx, "index_room", sub); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return &Index{db: db, dir: dir, now: time.Now, minChunk: minChunk}, nil
}

// LocatorBits gives the locator bits that fit a planned number of entries.
func LocatorBits(planned int64) int {
	if planned <= 100_000_000 {
		return DefaultLocatorBits
	}
	return min(check.MaxLocatorBits, bits.Len64(uint64(planned))-11)
}

func keyFile(id string) string { return "evaluator-" + id + ".key" }

// keyID is the inverse of keyFile.
func keyID(file string) (id string, ok bool) {
	id, begins := strings.CutPrefix(file, "evaluator-")
	id, ends := strings.CutSuffix(id, ".key")
	return id, begins && ends
}

// NewKey makes the first evaluator key, k1: its file in keys first, then its row.
// It gives the key that is there where there is one.
func (x *Index) NewKey(ctx context.Context, keys *files.Keys, locatorBits int) (check.Key, error) {
	if k, err := x.key(ctx); !errors.Is(err, sql.ErrNoRows) {
		return k, err
	}
	const id = "k1"
	secret, err := keys.Load(keyFile(id))
	if errors.Is(err, files.ErrNotExist) {
		secret = []byte(check.GenerateEvaluatorKey().Secret() + "\n")
		err = keys.Create(keyFile(id), secret)
	}
	if err != nil {
		return check.Key{}, fmt.Errorf("make an evaluator key: %w", err)
	}
	key, err := check.ParseEvaluatorKey(string(secret))
	if err != nil {
		return check.Key{}, fmt.Errorf("make an evaluator key: %s: %w", keyFile(id), err)
	}
	text, err := key.Public().MarshalText()
	if err != nil {
		return check.Key{}, fmt.Errorf("make an evaluator key: %w", err)
	}
	_, err = x.db.ExecContext(ctx, `INSERT INTO index_key (id, public, locator_bits, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO NOTHING`, id, string(text), locatorBits, store.Micros(x.now()))
	if err != nil {
		return check.Key{}, fmt.Errorf("make an evaluator key: %w", err)
	}
	return x.key(ctx)
}

// key gives the current key: the newest row.
func (x *Index) key(ctx context.Context) (check.Key, error) {
	var k check.Key
	var public string
	err := x.db.QueryRowContext(ctx, `SELECT id, public, locator_bits FROM index_key ORDER BY created_at DESC, id DESC LIMIT 1`).
		Scan(&k.ID, &public, &k.LocatorBits)
	if err != nil {
		return check.Key{}, fmt.Errorf("read the evaluator's public key: %w", err)
	}
	if err := k.Public.UnmarshalText([]byte(public)); err != nil {
		return check.Key{}, fmt.Errorf("read the evaluator's public key %s: %w", k.ID, err)
	}
	return k, nil
}

// loadKey loads the private half of a key. One that is not it is refused, where
// k says which it is. Errors: ErrNoKey, ErrKey.
func loadKey(keys *files.Keys, k check.Key) (*check.EvaluatorKey, error) {
	const again = "put back the key file that the published index was sealed under"
	secret, err := keys.Load(keyFile(k.ID))
	if errors.Is(err, files.ErrNotExist) {
		err = hint.Add(err, again)
	}
	if err != nil {
		return nil, fmt.Errorf("load evaluator key %s: %w: %w", k.ID, ErrNoKey, err)
	}
	key, err := check.ParseEvaluatorKey(string(secret))
	if err != nil {
		return nil, hint.Add(fmt.Errorf("load evaluator key %s: %w: %s: %w", k.ID, ErrNoKey, keyFile(k.ID), err), again)
	}
	if k.Public != (check.PublicKey{}) && key.Public() != k.Public {
		return nil, hint.Add(fmt.Errorf("load evaluator key %s: %w: %s belongs to another public key", k.ID, ErrKey, keyFile(k.ID)), again)
	}
	return key, nil
}

// VerifyKeys loads the private half of every key that was published or is to be. The error joins one for each that is
// missing, or is another's (ErrKey).
func (x *Index) VerifyKeys(ctx context.Context, keys *files.Keys) error {
	rows, err := x.db.QueryContext(ctx, `SELECT id, public, locator_bits FROM index_key ORDER BY id`)
	if err != nil {
		return fmt.Errorf("read the evaluator's public keys: %w", err)
	}
	defer rows.Close()
	var wrong []error
	for rows.Next() {
		var k check.Key
		var public string
		if err := rows.Scan(&k.ID, &public, &k.LocatorBits); err != nil {
			return fmt.Errorf("read the evaluator's public keys: %w", err)
		}
		if err := k.Public.UnmarshalText([]byte(public)); err != nil {
			return fmt.Errorf("read the evaluator's public key %s: %w", k.ID, err)
		}
		if _, err := loadKey(keys, k); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(append(wrong, rows.Err())...)
}

// Statement gives the newest statement with its bytes and its place in the
// ledger, or ErrNone. The public may not have it yet.
func (x *Index) Statement(ctx context.Context) (st *check.Statement, raw []byte, ledgerIndex int64, err error) {
	return x.statementBelow(ctx, math.MaxInt64)
}

// statementBelow gives the newest statement whose entry is below size.
func (x *Index) statementBelow(ctx context.Context, size int64) (st *check.Statement, raw []byte, ledgerIndex int64, err error) {
	err = x.db.QueryRowContext(ctx, `SELECT bytes, ledger_index FROM index_statement WHERE ledger_index < $1 ORDER BY seq DESC LIMIT 1`, size).Scan(&raw, &ledgerIndex)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, 0, ErrNone
	}
	if err != nil {
		return nil, nil, 0, fmt.Errorf("read the newest statement: %w", err)
	}
	if st, err = check.ParseStatement(raw); err != nil {
		return nil, nil, 0, fmt.Errorf("read the newest statement: %w", err)
	}
	return st, raw, ledgerIndex, nil
}

// Roster gives the name of the roster that a revision of an incident was sealed
// from; "" where there is no such revision.
func (x *Index) Roster(ctx context.Context, incident, revision string) (string, error) {
	n, err := strconv.ParseInt(revision, 10, 64)
	if err != nil {
		return "", fmt.Errorf("the roster of %s: revision %.20q", incident, revision)
	}
	var id string
	err = x.db.QueryRowContext(ctx, `SELECT roster FROM index_revision WHERE incident = $1 AND revision = $2`, incident, n).Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("the roster of %s: %w", incident, err)
	}
	return id, nil
}

func layerName(root check.Hash) string { return layerFolder + root.String() }

// Layer is an open layer file.
type Layer struct {
	*check.LayerFile
	file *files.File
	sure []atomic.Uint32 // a bit a bucket: it was verified since the file was opened
}

// bucket appends a bucket's response to dst, and says what is wrong with it.
// The first time, it is verified: what is sound may be kept by caches for a
// year, and what is not must not be.
func (l *Layer) bucket(dst []byte, number int64) (out []byte, damage, err error) {
	info := l.Info()
	out, err = l.AppendBucket(dst, number, info.Pad)
	if err != nil {
		return dst, nil, err
	}
	word, bit := &l.sure[number/32], uint32(1)<<(number%32)
	if word.Load()&bit == 0 {
		if _, damage = check.ParseBucket(out[len(dst):], number, info.Root, info.Bits, info.Pad); damage == nil {
			word.Or(bit)
		}
	}
	return out, damage, nil
}

// Close closes the file.
func (l *Layer) Close() error { return l.file.Close() }

// OpenLayer opens a layer file by its root and its key's locator bits. What is
// truncated or not a layer is check.ErrLayer.
func (x *Index) OpenLayer(root check.Hash, locatorBits int) (*Layer, error) {
	f, err := x.dir.Open(layerName(root))
	if err != nil {
		return nil, fmt.Errorf("open layer %s: %w", root, err)
	}
	l, err := check.OpenLayer(f, f.Size(), root, locatorBits)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open layer %s: %w", root, err)
	}
	return &Layer{l, f, make([]atomic.Uint32, (1<<l.Info().Bits+31)/32)}, nil
}

// writeLayer writes a layer file. Its name is its root, which is known last.
func (x *Index) writeLayer(write func(w io.Writer) (check.LayerInfo, error)) (check.LayerInfo, error) {
	w, err := x.dir.Create(layerFolder + "new")
	if err != nil {
		return check.LayerInfo{}, err
	}
	defer w.Close()
	info, err := write(w)
	if err != nil {
		return check.LayerInfo{}, err
	}
	return info, w.CommitAs(layerName(info.Root))
}
