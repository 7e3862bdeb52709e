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

	// DefaultLocatorBits are those of an index of which nobody said how large it becomes: up to 8 million entries have
	// buckets of the usual size, and ten times as many have larger ones that are still bearable.
	DefaultLocatorBits = 12

	minLocatorBits = 8 // so that an index may outgrow a small plan a hundred times
)

// Index is the published index of one store: its layers and statements. It has
// no private key: what needs one is given the folder of keys.
type Index struct {
	db  *store.DB
	dir *files.Dir
	now func() time.Time

	minChunk int64 // members of a chunk at least
	many     int   // sources of a key that are served as layers of their own at most
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
	return &Index{db: db, dir: dir, now: time.Now, minChunk: minChunk, many: manySources}, nil
}

// LocatorBits gives the locator bits for a planned number of entries, or the default for 0: no more than its buckets need.
// A locator is public with its entry. What it has beyond the number of the bucket would only tell which entries of two layers
// may be one person's: in a small layer an entry stands alone under a long locator, and among others under a short one. An
// index that outgrows its plan has larger buckets.
func LocatorBits(planned int64) int {
	if planned <= 0 {
		return DefaultLocatorBits
	}
	return min(check.MaxLocatorBits, max(minLocatorBits, check.BucketBits(planned, check.MaxLocatorBits)))
}

// KeyFile is the name of the file of an evaluator key.
func KeyFile(id string) string { return "evaluator-" + id + ".key" }

// keyID is the inverse of KeyFile.
func keyID(file string) (id string, ok bool) {
	id, begins := strings.CutPrefix(file, "evaluator-")
	id, ends := strings.CutSuffix(id, ".key")
	return id, begins && ends
}

// loadKey loads the private half of a key. One that is not it is refused, where
// k says which it is. Errors: ErrNoKey, ErrKey.
func loadKey(keys *files.Keys, k check.Key) (*check.EvaluatorKey, error) {
	const again = "put back the key file that the published index was sealed under"
	secret, err := keys.Load(KeyFile(k.ID))
	if errors.Is(err, files.ErrNotExist) {
		err = hint.Add(err, again)
	}
	if err != nil {
		return nil, fmt.Errorf("load evaluator key %s: %w: %w", k.ID, ErrNoKey, err)
	}
	key, err := check.ParseEvaluatorKey(string(secret))
	if err != nil {
		return nil, hint.Add(fmt.Errorf("load evaluator key %s: %w: %s: %w", k.ID, ErrNoKey, KeyFile(k.ID), err), again)
	}
	if k.Public != (check.PublicKey{}) && key.Public() != k.Public {
		return nil, hint.Add(fmt.Errorf("load evaluator key %s: %w: %s belongs to another public key", k.ID, ErrKey, KeyFile(k.ID)), again)
	}
	return key, nil
}

// VerifyKeys loads the private half of every key that was published or is to be, and has not ended. The error joins one for
// each that is missing, or is another's (ErrKey), and one for each that has ended and is here (ErrEnded).
func (x *Index) VerifyKeys(ctx context.Context, keys *files.Keys) error {
	all, err := x.Keys(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	for _, k := range all {
		switch {
		case k.EndDecided.IsZero():
			if _, err := loadKey(keys, k.Key); err != nil {
				wrong = append(wrong, err)
			}
		case k.State() == check.KeyEnded:
			if _, err := keys.Load(KeyFile(k.ID)); !errors.Is(err, files.ErrNotExist) {
				wrong = append(wrong, hint.Add(fmt.Errorf("%w: %s is said to be destroyed, and its file is here", ErrEnded, k.ID), "it came back from a copy: destroy that, and remove the file"))
			}
		}
	}
	return errors.Join(wrong...)
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

// mendLayer is what to do about a layer that is lost or damaged.
const mendLayer = "shirase ledger repair folds a served layer anew, and says what brings back an incident's own"

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
	if !l.isSure(number) {
		if _, damage = check.ParseBucket(out[len(dst):], number, info.Root, info.Bits, info.Pad); damage == nil {
			l.sure[number/32].Or(1 << (number % 32))
		}
	}
	return out, damage, nil
}

// isSure reports whether a bucket was verified since the file was opened.
func (l *Layer) isSure(number int64) bool { return l.sure[number/32].Load()&(1<<(number%32)) != 0 }

// Close closes the file.
func (l *Layer) Close() error { return l.file.Close() }

// OpenLayer opens a layer file by its root and its key's locator bits. What is
// truncated or not a layer is check.ErrLayer.
func (x *Index) OpenLayer(root check.Hash, locatorBits int) (*Layer, error) {
	f, err := x.dir.Open(layerName(root))
	if err != nil {
		return nil, hint.Add(fmt.Errorf("open layer %s: %w", root, err), mendLayer)
	}
	l, err := check.OpenLayer(f, f.Size(), root, locatorBits)
	if err != nil {
		f.Close()
		return nil, hint.Add(fmt.Errorf("open layer %s: %w", root, err), mendLayer)
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
