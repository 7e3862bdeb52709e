package index

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
)

// Subject is what the statement says of an incident beside its seal.
type Subject struct {
	ID           string
	Organisation string
	Title        map[string]string // by language
	State        check.State
	AsOf         time.Time
	Sets         [][]string // exposure sets, by number
	PhoneRegion  string     // by which this instance reads phone numbers
}

// Draft is a statement that was made and checked, and is not published.
type Draft struct {
	Statement *check.Statement
	Raw       []byte // its canonical bytes
	Changed   bool   // false: the newest statement says the same, and this is it

	ledgerIndex int64        // of the newest statement, where nothing changes
	folded      []check.Hash // layers that no statement has named yet
}

// LedgerIndex is the entry of a statement that says the same already; -1 of a new one.
func (d *Draft) LedgerIndex() int64 {
	if d.Changed {
		return -1
	}
	return d.ledgerIndex
}

// reissueAfter is how old a statement gets before it is reissued.
const reissueAfter = 24 * time.Hour

// Draft makes the next statement with an incident in it: sealed, where its state
// is final, or only named. The served layers are folded anew, and the draft is
// asked by the real client, with an evaluator of keys; nothing is published.
func (x *Index) Draft(ctx context.Context, keys *files.Keys, subject Subject, sealed *Sealed) (*Draft, error) {
	d, err := x.prepare(ctx, keys, subject, sealed)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", subject.ID, err)
	}
	return d, nil
}

func (x *Index) prepare(ctx context.Context, keys *files.Keys, subject Subject, sealed *Sealed) (*Draft, error) {
	before, raw, at, err := x.Statement(ctx)
	if err != nil && !errors.Is(err, ErrNone) {
		return nil, err
	}
	st, err := x.draft(ctx, before, raw, subject, sealed)
	if err != nil {
		return nil, err
	}
	if before != nil && same(before, st) && before.Expires.After(x.now()) {
		return &Draft{Statement: before, Raw: raw, ledgerIndex: at}, nil
	}
	if sealed != nil {
		if err := x.selfCheck(ctx, keys, st, sealed); err != nil {
			return nil, err
		}
	}
	d, err := newDraft(st)
	if err != nil {
		return nil, err
	}
	for _, l := range st.Layers {
		if before == nil || !slices.ContainsFunc(before.Layers, func(b check.Layer) bool { return b.Root == l.Root }) {
			d.folded = append(d.folded, l.Root)
		}
	}
	return d, nil
}

func newDraft(st *check.Statement) (*Draft, error) {
	raw, err := st.Canonical()
	if err != nil {
		return nil, err
	}
	return &Draft{Statement: st, Raw: raw, Changed: true}, nil
}

// draft makes the next statement: the one before, with the subject put in its
// place and the layers folded anew.
func (x *Index) draft(ctx context.Context, before *check.Statement, raw []byte, subject Subject, sealed *Sealed) (*check.Statement, error) {
	now := check.At(x.now())
	st := &check.Statement{V: 1, Seq: 1, Time: now, Expires: check.At(now.Add(check.MaxLife)), PhoneRegion: subject.PhoneRegion}
	if st.PhoneRegion == "" {
		st.PhoneRegion = "JP"
	}
	if before != nil {
		st.Seq, st.Prev = before.Seq+1, check.StatementHash(raw)
		st.Keys = slices.Clone(before.Keys)
		st.Incidents = slices.Clone(before.Incidents)
		if now.Before(before.Time.Time) {
			return nil, fmt.Errorf("this machine's clock is behind the last statement, %s", before.Time)
		}
	}
	if err := notOlder(before, subject.ID, sealed); err != nil {
		return nil, err
	}
	in := check.Incident{ID: subject.ID, Organisation: subject.Organisation, Title: maps.Clone(subject.Title), Revision: "0",
		State: subject.State, AsOf: check.At(subject.AsOf), Counts: map[string]int64{}, Sets: [][]string{}}
	sources := map[string]check.Source{}
	if before != nil {
		for _, l := range before.Layers {
			for _, s := range l.Sources {
				sources[s.Incident] = s
			}
		}
	}
	delete(sources, subject.ID)
	if sealed != nil {
		if st.Key(sealed.Key.ID) == nil {
			st.Keys = append(st.Keys, sealed.Key)
			slices.SortFunc(st.Keys, func(a, b check.Key) int { return strings.Compare(a.ID, b.ID) })
		}
		in.Revision, in.Counts = sealed.Revision, maps.Clone(sealed.Counts)
		for _, set := range subject.Sets {
			in.Sets = append(in.Sets, slices.Sorted(slices.Values(set)))
		}
		sources[in.ID] = check.Source{Incident: in.ID, Revision: in.Revision, N: sealed.Layer.N, Root: sealed.Layer.Root}
	} else if subject.State == check.Final {
		return nil, errors.New("a final incident is published with its sealed roster")
	}
	st.Incidents = slices.DeleteFunc(st.Incidents, func(o check.Incident) bool { return o.ID == in.ID })
	st.Incidents = append(st.Incidents, in)
	slices.SortFunc(st.Incidents, func(a, b check.Incident) int { return strings.Compare(a.ID, b.ID) })
	var err error
	if st.Layers, err = x.layers(ctx, st, sources); err != nil {
		return nil, err
	}
	return st, st.Validate()
}

// notOlder refuses to put an earlier revision in the place of a later one: a
// publisher that sealed for long may have been overtaken.
func notOlder(before *check.Statement, id string, sealed *Sealed) error {
	if before == nil || sealed == nil || before.Incident(id) == nil {
		return nil
	}
	was, err1 := strconv.ParseInt(before.Incident(id).Revision, 10, 64)
	is, err2 := strconv.ParseInt(sealed.Revision, 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if is < was {
		return hint.Add(fmt.Errorf("%w: revision %d is published, and this is revision %d", ErrOlder, was, is), "run publish again: it takes the newest scope")
	}
	return nil
}

// layers folds the sources of each key into its served layer.
func (x *Index) layers(ctx context.Context, st *check.Statement, sources map[string]check.Source) ([]check.Layer, error) {
	byKey := map[string][]check.Source{}
	for _, id := range slices.Sorted(maps.Keys(sources)) {
		s := sources[id]
		var key string
		if err := x.db.QueryRowContext(ctx, `SELECT key_id FROM index_revision WHERE incident = $1 AND root = $2`, s.Incident, s.Root.String()).
			Scan(&key); err != nil {
			return nil, fmt.Errorf("find the key of %s revision %s: %w", s.Incident, s.Revision, err)
		}
		byKey[key] = append(byKey[key], s)
	}
	var layers []check.Layer
	for id, from := range byKey {
		key := st.Key(id)
		if key == nil {
			return nil, fmt.Errorf("key %s is not in the statement", id)
		}
		info, err := x.fold(ctx, from, key.LocatorBits)
		if err != nil {
			return nil, err
		}
		layers = append(layers, check.Layer{ID: info.Root, Key: id, N: info.N, Bits: info.Bits, Root: info.Root, Pad: info.Pad, Sources: from})
	}
	slices.SortFunc(layers, func(a, b check.Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return layers, nil
}

// fold writes the fold of source layers. A fold of one is that layer.
func (x *Index) fold(ctx context.Context, sources []check.Source, locatorBits int) (check.LayerInfo, error) {
	var layers []*check.LayerFile
	for _, s := range sources {
		l, err := x.OpenLayer(s.Root, locatorBits)
		if err != nil {
			return check.LayerInfo{}, fmt.Errorf("fold %s: %w", s.Incident, err)
		}
		defer l.Close()
		layers = append(layers, l.LayerFile)
	}
	if len(layers) == 1 {
		return layers[0].Info(), nil
	}
	info, err := x.writeLayer(func(w io.Writer) (check.LayerInfo, error) { return check.Fold(ctx, w, layers) })
	if err != nil {
		return check.LayerInfo{}, fmt.Errorf("fold %d layers: %w", len(layers), err)
	}
	return info, nil
}

// same reports whether two statements say the same but for number and times.
func same(a, b *check.Statement) bool {
	c := *b
	c.Seq, c.Prev, c.Time, c.Expires = a.Seq, a.Prev, a.Time, a.Expires
	ab, err1 := a.Canonical()
	cb, err2 := c.Canonical()
	return err1 == nil && err2 == nil && bytes.Equal(ab, cb)
}

// Record stores a draft as the newest statement, in the transaction that appends
// it to the ledger at ledgerIndex. ErrStale where another was published
// meanwhile, or a layer of the draft was swept away: it has to be made again.
func (x *Index) Record(ctx context.Context, tx *sql.Tx, d *Draft, ledgerIndex int64) error {
	if err := turn(ctx, tx); err != nil {
		return err
	}
	if err := x.next(ctx, tx, d); err != nil {
		return err
	}
	for _, root := range d.folded {
		if err := x.kept(root); errors.Is(err, errSwept) {
			return fmt.Errorf("%w: %w", ErrStale, err)
		} else if err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO index_statement (seq, hash, ledger_index, bytes) VALUES ($1, $2, $3, $4)`,
		d.Statement.Seq, check.StatementHash(d.Raw).String(), ledgerIndex, d.Raw); err != nil {
		return fmt.Errorf("record the statement: %w", err)
	}
	return nil
}

// next reports whether a draft still follows the newest statement.
func (x *Index) next(ctx context.Context, tx *sql.Tx, d *Draft) error {
	var last sql.NullInt64
	if err := tx.QueryRowContext(ctx, `SELECT max(seq) FROM index_statement`).Scan(&last); err != nil {
		return fmt.Errorf("read the last number: %w", err)
	}
	if last.Int64 != d.Statement.Seq-1 {
		return ErrStale
	}
	return nil
}

// Reissue makes the newest statement again under the next number, where it is a
// day old or forced: statements expire, so that nobody can go on showing an old
// one. nil where there is nothing to do; ErrNone where nothing was published.
func (x *Index) Reissue(ctx context.Context, force bool) (*Draft, error) {
	before, raw, _, err := x.Statement(ctx)
	if err != nil {
		return nil, fmt.Errorf("reissue: %w", err)
	}
	now := check.At(x.now())
	if !force && now.Sub(before.Time.Time) < reissueAfter {
		return nil, nil
	}
	if now.Before(before.Time.Time) {
		return nil, fmt.Errorf("reissue: this machine's clock is behind the last statement, %s", before.Time)
	}
	st := *before
	st.Seq, st.Prev, st.Time, st.Expires = before.Seq+1, check.StatementHash(raw), now, check.At(now.Add(check.MaxLife))
	d, err := newDraft(&st)
	if err != nil {
		return nil, fmt.Errorf("reissue: %w", err)
	}
	return d, nil
}
