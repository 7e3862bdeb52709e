package index

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"path"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// Member is one identity of a roster and the number of its exposure set.
type Member struct {
	Identity identity.Identity
	Set      uint16
}

// Roster is what a revision is sealed from. Members come in the same order
// each time, one an identity.
type Roster struct {
	ID      string // names the roster among all rosters
	Members iter.Seq2[Member, error]
	N       int64 // how many members there are; decides the size of chunks and the progress
}

// Sealed is a source layer that is on disk and bound to its revision.
type Sealed struct {
	Incident string
	Revision string
	Key      check.Key
	Layer    check.LayerInfo
	Counts   map[string]int64 // entries by kind
	sample   []Member
}

// Progress is told how much of a long piece of work is done. It may be nil,
// and is called from several goroutines.
type Progress func(done, total int64)

// sampleSize is how many members of a new layer the self-check looks up.
const sampleSize = 32

// Seal makes the source layer of an incident's roster under the newest live key,
// whose private half is in keys; where none is live any more, one is made.
// A roster that was sealed before gives the revision and key that it has, unless
// that key has ended; another one gives the next revision. Killed, it goes on
// with the chunks that are on disk.
func (x *Index) Seal(ctx context.Context, keys *files.Keys, incident string, r Roster, progress Progress) (*Sealed, error) {
	key, ok, err := x.sealedUnder(ctx, incident, r.ID)
	if err == nil && !ok && r.N > 0 {
		key, err = x.sealingKey(ctx, keys, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", incident, err)
	}
	return x.SealUnder(ctx, keys, key, incident, r, progress)
}

// SealUnder is Seal under a key that is named: a roster that was sealed under
// another gives the next revision.
func (x *Index) SealUnder(ctx context.Context, keys *files.Keys, key check.Key, incident string, r Roster, progress Progress) (*Sealed, error) {
	s, err := x.seal(ctx, keys, key, incident, r, progress)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", incident, err)
	}
	return s, nil
}

// sealedUnder gives the key of an incident's newest revision, where that was
// begun from a roster and the key may still be used.
func (x *Index) sealedUnder(ctx context.Context, incident, roster string) (check.Key, bool, error) {
	var id, of string
	err := x.db.QueryRowContext(ctx, `SELECT key_id, roster FROM index_revision WHERE incident = $1 ORDER BY revision DESC LIMIT 1`, incident).Scan(&id, &of)
	if errors.Is(err, sql.ErrNoRows) || err == nil && of != roster {
		return check.Key{}, false, nil
	}
	if err != nil {
		return check.Key{}, false, err
	}
	known, err := x.Keys(ctx)
	if err != nil {
		return check.Key{}, false, err
	}
	at := slices.IndexFunc(known, func(k KeyStatus) bool { return k.ID == id })
	if at < 0 || !known[at].EndDecided.IsZero() {
		return check.Key{}, false, nil
	}
	return known[at].Key, true, nil
}

func (x *Index) seal(ctx context.Context, keys *files.Keys, public check.Key, incident string, r Roster, progress Progress) (*Sealed, error) {
	if r.N < 1 {
		return nil, hint.Add(ErrEmpty, "the rules file names the kinds that are indexed: index: [email]")
	}
	key, err := loadKey(keys, public)
	if err != nil {
		return nil, err
	}
	revision, root, err := x.bind(ctx, incident, public.ID, r.ID)
	if err != nil {
		return nil, err
	}
	b := &build{x: x, key: key, locatorBits: public.LocatorBits, incident: incident, revision: strconv.FormatInt(revision, 10),
		folder: path.Join(buildFolder+public.ID, incident, strconv.FormatInt(revision, 10)), total: r.N, progress: progress,
		counts: map[string]int64{}}
	s := &Sealed{Incident: incident, Revision: b.revision, Key: public}
	if root != (check.Hash{}) {
		if l, err := x.OpenLayer(root, public.LocatorBits); err == nil {
			s.Layer = l.Info()
			b.have = l.Verify(ctx, true, nil) == nil // then only the sample and the counts are wanted
			l.Close()
		}
	}
	if err := b.run(ctx, r); err != nil {
		if errors.Is(err, errRoster) && ctx.Err() == nil { // what was read before the error counts for nothing
			return nil, errors.Join(err, b.sweep())
		}
		return nil, err
	}
	s.Counts, s.sample = b.counts, b.sample
	if b.have {
		return s, b.sweep()
	}
	for {
		if s.Layer, err = b.merge(ctx); err != nil {
			return nil, err
		}
		if err := x.boundTo(ctx, incident, revision, s.Layer); err == nil {
			return s, b.sweep()
		} else if !errors.Is(err, errSwept) {
			return nil, err
		}
	}
}

// bind gives the revision that stands for a roster: the incident's newest one
// where that was begun from this roster under this key, else the next.
func (x *Index) bind(ctx context.Context, incident, key, roster string) (revision int64, root check.Hash, err error) {
	err = x.db.Update(ctx, func(tx *sql.Tx) error {
		var boundKey, boundRoster string
		var boundRoot sql.NullString
		err := tx.QueryRowContext(ctx, `SELECT revision, key_id, roster, root FROM index_revision WHERE incident = $1
			ORDER BY revision DESC LIMIT 1`, incident).Scan(&revision, &boundKey, &boundRoster, &boundRoot)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil && boundKey == key && boundRoster == roster {
			if boundRoot.Valid {
				return root.UnmarshalText([]byte(boundRoot.String))
			}
			return nil
		}
		revision++
		_, err = tx.ExecContext(ctx, `INSERT INTO index_revision (incident, revision, key_id, roster, created_at)
			VALUES ($1, $2, $3, $4, $5)`, incident, revision, key, roster, store.Micros(x.now()))
		return err
	})
	if err != nil {
		return 0, check.Hash{}, fmt.Errorf("bind a revision: %w", err)
	}
	return revision, root, nil
}

// boundTo records what a revision came out as, once and for all. errSwept where its
// layer has to be written again.
func (x *Index) boundTo(ctx context.Context, incident string, revision int64, info check.LayerInfo) error {
	return x.db.Update(ctx, func(tx *sql.Tx) error {
		if err := turn(ctx, tx); err != nil {
			return err
		}
		var root sql.NullString
		err := tx.QueryRowContext(ctx, `SELECT root FROM index_revision WHERE incident = $1 AND revision = $2`, incident, revision).Scan(&root)
		if err != nil {
			return fmt.Errorf("bind revision %d to its layer: %w", revision, err)
		}
		if root.Valid {
			if root.String != info.Root.String() {
				return fmt.Errorf("revision %d: %w: %s, and now %s", revision, ErrBound, root.String, info.Root)
			}
			return nil
		}
		if err := x.kept(info.Root); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE index_revision SET n = $1, root = $2 WHERE incident = $3 AND revision = $4 AND root IS NULL`,
			info.N, info.Root.String(), incident, revision)
		return err
	})
}

var errRoster = errors.New("read the roster")

// build is one run of sealing.
type build struct {
	x           *Index
	key         *check.EvaluatorKey
	locatorBits int
	incident    string
	revision    string
	folder      string
	total       int64
	progress    Progress
	have        bool // the layer is there already

	n      int64 // members seen
	chunks int
	counts map[string]int64
	sample []Member
	done   atomic.Int64
}

// minChunk is how many members are sealed before they are put on disk: some
// seconds of work. Large rosters have larger chunks, so that merging opens at
// most about 256 files.
const minChunk = 1 << 16

func (b *build) chunkSize() int { return int(max(b.x.minChunk, b.total/256+1)) }

// run goes through the roster once: it draws the sample, counts, and seals
// every chunk that is not on disk yet. Reading and sealing overlap.
func (b *build) run(ctx context.Context, r Roster) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	chunks := make(chan []Member)
	var failed error
	var worker sync.WaitGroup
	worker.Go(func() {
		for c := range chunks {
			if failed == nil {
				if failed = b.sealChunk(ctx, b.chunks, c); failed != nil {
					cancel()
				}
			}
			b.chunks++
		}
	})
	err := b.read(ctx, r, chunks)
	close(chunks)
	worker.Wait()
	if failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	if b.n != b.total {
		return fmt.Errorf("%w: it has %d members, not %d", errRoster, b.n, b.total)
	}
	return nil
}

func (b *build) read(ctx context.Context, r Roster, chunks chan<- []Member) error {
	var chunk []Member
	for m, err := range r.Members {
		if err != nil {
			return fmt.Errorf("%w: %w", errRoster, err)
		}
		b.counts[string(m.Identity.Kind)]++
		b.n++
		// Reservoir sampling: each member has the same chance.
		if len(b.sample) < sampleSize {
			b.sample = append(b.sample, m)
		} else if i := rand.Int64N(b.n); i < sampleSize {
			b.sample[i] = m
		}
		if b.have {
			continue
		}
		if chunk = append(chunk, m); len(chunk) == b.chunkSize() {
			if err := pass(ctx, chunks, chunk); err != nil {
				return err
			}
			chunk = nil
		}
	}
	if len(chunk) > 0 {
		return pass(ctx, chunks, chunk)
	}
	return nil
}

func pass(ctx context.Context, chunks chan<- []Member, c []Member) error {
	select {
	case chunks <- c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *build) chunkName(i int) string { return path.Join(b.folder, fmt.Sprintf("%06d", i)) }

// sealChunk puts the sorted entries of a chunk on disk, unless they are there.
func (b *build) sealChunk(ctx context.Context, i int, members []Member) error {
	if old, err := b.chunk(i); err == nil && len(old) == len(members)*check.EntrySize {
		b.tell(int64(len(members)))
		return nil
	}
	entries := make([]check.Entry, len(members))
	if err := b.entries(ctx, entries, members); err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, c check.Entry) int { return bytes.Compare(a[:], c[:]) })
	out := make([]byte, 0, len(entries)*check.EntrySize+sha256.Size)
	for i := range entries {
		out = append(out, entries[i][:]...)
	}
	sum := sha256.Sum256(out)
	return b.x.dir.Put(b.chunkName(i), append(out, sum[:]...))
}

// entries computes members' entries on all processors.
func (b *build) entries(ctx context.Context, out []check.Entry, members []Member) error {
	const step = 256
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				from := int(next.Add(step)) - step
				if from >= len(members) || ctx.Err() != nil || failed.Load() != nil {
					return
				}
				to := min(from+step, len(members))
				for i := from; i < to; i++ {
					y, err := b.key.Output(members[i].Identity.Input())
					if err != nil {
						failed.Store(&err)
						return
					}
					out[i] = check.SealEntry(&y, b.locatorBits, b.incident, b.revision, members[i].Set)
				}
				b.tell(int64(to - from))
			}
		})
	}
	workers.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return ctx.Err()
}

func (b *build) tell(n int64) {
	done := b.done.Add(n)
	if b.progress != nil {
		b.progress(done, b.total)
	}
}

// chunk reads a chunk back and checks its sum.
func (b *build) chunk(i int) ([]byte, error) {
	data, err := b.x.dir.Get(b.chunkName(i), 1<<40)
	if err != nil {
		return nil, err
	}
	n := len(data) - sha256.Size
	if n < 0 || n%check.EntrySize != 0 || sha256.Sum256(data[:n]) != [sha256.Size]byte(data[n:]) {
		return nil, fmt.Errorf("chunk %d is damaged", i)
	}
	return data[:n], nil
}

// merge writes the source layer from the chunks.
func (b *build) merge(ctx context.Context) (check.LayerInfo, error) {
	seqs := make([]iter.Seq2[[]byte, error], b.chunks)
	for i := range seqs {
		seqs[i] = b.stream(ctx, i)
	}
	return b.x.writeLayer(func(w io.Writer) (check.LayerInfo, error) {
		return check.WriteLayer(w, b.total, b.locatorBits, true, check.MergeEntries(seqs))
	})
}

// stream gives a chunk's entries in order from disk, each valid until the next.
func (b *build) stream(ctx context.Context, i int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := b.x.dir.Open(b.chunkName(i))
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		buf := make([]byte, 1024*check.EntrySize)
		r := io.NewSectionReader(f, 0, f.Size()-sha256.Size)
		for ctx.Err() == nil {
			n, err := io.ReadFull(r, buf)
			for e := 0; e+check.EntrySize <= n; e += check.EntrySize {
				if !yield(buf[e:e+check.EntrySize], nil) {
					return
				}
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
		yield(nil, ctx.Err())
	}
}

// sweep removes the incident's chunks: those of this revision, and what killed
// runs of earlier ones left.
func (b *build) sweep() error {
	names, err := b.x.dir.List(path.Dir(b.folder))
	if err != nil {
		return fmt.Errorf("look for chunks: %w", err)
	}
	for _, name := range names {
		if err := b.x.dir.Remove(name); err != nil && !errors.Is(err, files.ErrNotExist) {
			return fmt.Errorf("remove a chunk: %w", err)
		}
	}
	return nil
}
