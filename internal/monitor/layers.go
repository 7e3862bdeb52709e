package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"shirase/check"
	"shirase/internal/files"
)

// servedFor is how long a layer is given after it has left the statement
// (docs/PROTOCOL.md).
const servedFor = 7 * 24 * time.Hour

// layer is what statements said of a layer.
type layer struct {
	Key         string       `json:"key"`
	LocatorBits int          `json:"locatorBits"`
	N           int64        `json:"n"`
	Pad         int          `json:"pad"`               // of a served layer; 0: it is a source only
	Sources     []check.Hash `json:"sources,omitzero"`  // of a fold of several
	Incident    string       `json:"incident,omitzero"` // of a source layer
	Revision    string       `json:"revision,omitzero"`
	Index       int64        `json:"index"` // of the newest statement that names it
	Left        *check.Time  `json:"left,omitzero"`
	Verified    bool         `json:"verified"`
	Apart       bool         `json:"apart"`          // of a source: it was held against all others
	Ended       bool         `json:"ended,omitzero"` // nothing is answered from it any more
}

// named takes in which layers a statement names, and which it does not any more.
func (m *Monitor) named(st *check.Statement) {
	stays := map[string]bool{}
	// put takes in what is said of a layer now. What was verified was what was said before: where that is something else, it
	// is verified again.
	put := func(root check.Hash, now layer) {
		id := root.String()
		l := m.state.Layers[id]
		switch {
		case l == nil:
			l = new(layer)
			m.state.Layers[id] = l
		case l.fold() != now.fold():
			m.lasting(Finding{What: fmt.Sprintf("layer %s is named as a source and as a fold", id), Rule: "fold", Seq: st.Seq, Index: m.state.Last.Index, Key: "fold and source " + id})
		case now.fold() && !slices.Equal(l.Sources, now.Sources):
			m.lasting(Finding{What: fmt.Sprintf("layer %s was the fold of %d sources, and is called the fold of others", id, len(l.Sources)), Rule: "fold", Seq: st.Seq,
				Index: m.state.Last.Index, Key: "fold of others " + id})
		}
		if now.Pad == 0 || l.Pad == 0 { // served on its own, and then in a fold, or the other way round
			l.Pad = now.Pad
		}
		if l.Key != now.Key || l.LocatorBits != now.LocatorBits || l.N != now.N || l.Pad != now.Pad || l.Incident != now.Incident || l.Revision != now.Revision ||
			!slices.Equal(l.Sources, now.Sources) {
			now.Verified, now.Apart = false, l.Apart && l.Incident == now.Incident && l.Revision == now.Revision
		} else {
			now.Verified, now.Apart = l.Verified, l.Apart
		}
		now.Index = m.state.Last.Index
		*l = now
		stays[id] = true
	}
	for i := range st.Layers {
		served := &st.Layers[i]
		key := st.Key(served.Key)
		said := layer{Key: served.Key, LocatorBits: key.LocatorBits, N: served.N, Pad: served.Pad}
		for _, src := range served.Sources {
			s := layer{Key: served.Key, LocatorBits: key.LocatorBits, N: src.N, Incident: src.Incident, Revision: src.Revision}
			if len(served.Sources) == 1 {
				s.Pad = served.Pad
			} else {
				said.Sources = append(said.Sources, src.Root)
			}
			put(src.Root, s)
		}
		if said.fold() {
			put(served.Root, said)
		}
	}
	for id, l := range m.state.Layers {
		if !stays[id] && l.Left == nil {
			at := st.Time
			l.Left = &at
			if in := st.Incident(l.Incident); in != nil && (in.State == check.Retired || in.State == check.Withdrawn) {
				l.Ended = true
			}
			if k := st.Key(l.Key); k != nil && k.State == check.KeyEnded {
				l.Ended = true
			}
		}
	}
}

// fold reports whether a layer is made of several sources.
func (l *layer) fold() bool { return len(l.Sources) > 0 }

func layerFile(id string) string { return "layers/" + id }

// layers verifies every layer that is new: its bytes, its number of entries,
// that a fold is one, and that no locator and tag stands in two sources.
func (m *Monitor) layers(ctx context.Context) error {
	ids := slices.Sorted(maps.Keys(m.state.Layers))
	// Sources first: folds are made of them.
	slices.SortStableFunc(ids, func(a, b string) int { return len(m.state.Layers[a].Sources) - len(m.state.Layers[b].Sources) })
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		l := m.state.Layers[id]
		if l.Verified || l.Left != nil && m.Now().Sub(l.Left.Time) > servedFor {
			continue
		}
		if err := m.layer(ctx, id, l); err != nil {
			return err
		}
		if l.Verified {
			if err := m.save(); err != nil {
				return err
			}
		}
	}
	if err := m.apart(ctx); err != nil {
		return err
	}
	if err := m.tidy(ids); err != nil {
		return err
	}
	return m.sample(ctx, ids)
}

// layer fetches a layer and verifies it.
func (m *Monitor) layer(ctx context.Context, id string, l *layer) error {
	wrong := func(rule, what string, args ...any) {
		m.add(Finding{What: fmt.Sprintf(what, args...), Rule: rule, Index: l.Index, Key: rule + " " + id})
	}
	var root check.Hash
	if err := root.UnmarshalText([]byte(id)); err != nil {
		return err
	}
	size, err := m.fetchLayer(ctx, id, l)
	switch {
	case refused(err):
		wrong("layer-missing", "layer %s%s is not given: %v", id, l.of(), err)
		return nil
	case errors.Is(err, check.ErrServer):
		wrong("count", "layer %s%s is longer than one of %d entries", id, l.of(), l.N)
		return nil
	case err != nil:
		return err
	}
	f, err := m.dir.Open(layerFile(id))
	if err != nil {
		return err
	}
	defer f.Close()
	opened, err := check.OpenLayer(f, size, root, l.LocatorBits)
	if err == nil {
		if opened.Info().N != l.N {
			wrong("count", "layer %s%s holds %d entries, and the statement says %d", id, l.of(), opened.Info().N, l.N)
			return m.dir.Remove(layerFile(id))
		}
		err = opened.Verify(ctx, len(l.Sources) == 0, nil)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wrong("layer", "layer %s%s is not what its root says: %v", id, l.of(), err)
		return m.dir.Remove(layerFile(id))
	}
	if len(l.Sources) > 0 {
		ok, err := m.folded(ctx, id, l, opened)
		if err != nil || !ok {
			return err
		}
	}
	l.Verified = true
	return nil
}

// of says whose a source layer is.
func (l *layer) of() string {
	if l.Incident == "" {
		return ""
	}
	return fmt.Sprintf(" (%s, revision %s)", l.Incident, l.Revision)
}

// fetchLayer stores the whole of a layer and gives its length.
func (m *Monitor) fetchLayer(ctx context.Context, id string, l *layer) (int64, error) {
	u := m.get.at("check/v1/layers/" + id)
	res, err := m.get.open(ctx, u, "application/octet-stream")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	w, err := m.dir.Create(layerFile(id))
	if err != nil {
		return 0, err
	}
	defer w.Close()
	limit := check.LayerSize(l.N, l.LocatorBits)
	n, err := io.Copy(w, io.LimitReader(res.Body, limit+1))
	if err != nil {
		return 0, fmt.Errorf("read layer %s: %w", id, err)
	}
	if n > limit {
		return 0, fmt.Errorf("layer %s: %w", id, check.ErrServer)
	}
	return n, w.Commit()
}

// openSources opens stored source layers; what is not there is left out.
func (m *Monitor) openSources(ids []string) (open []*source, closeAll func(), err error) {
	closeAll = func() {
		for _, s := range open {
			s.file.Close()
		}
	}
	for _, id := range ids {
		f, err := m.dir.Open(layerFile(id))
		if errors.Is(err, files.ErrNotExist) {
			continue
		}
		if err != nil {
			return open, closeAll, err
		}
		open = append(open, &source{id: id, l: m.state.Layers[id], file: f})
		s := open[len(open)-1]
		var root check.Hash
		if err := root.UnmarshalText([]byte(id)); err != nil {
			return open, closeAll, err
		}
		if s.layer, err = check.OpenLayer(f, f.Size(), root, s.l.LocatorBits); err != nil {
			return open, closeAll, fmt.Errorf("the monitor's own copy of layer %s: %w: remove %s", id, err, m.where(layerFile(id)))
		}
	}
	return open, closeAll, nil
}

// source is a stored source layer.
type source struct {
	id    string
	l     *layer
	file  *files.File
	layer *check.LayerFile
}

// folded compares a served layer with the fold of its sources.
func (m *Monitor) folded(ctx context.Context, id string, l *layer, served *check.LayerFile) (bool, error) {
	var ids []string
	for _, s := range l.Sources {
		ids = append(ids, s.String())
	}
	sources, closeAll, err := m.openSources(ids)
	defer closeAll()
	if err != nil {
		return false, err
	}
	if len(sources) < len(ids) {
		return false, nil // which one is missing was reported
	}
	var all []*check.LayerFile
	for _, s := range sources {
		all = append(all, s.layer)
	}
	info, err := check.Fold(ctx, io.Discard, all)
	if err == nil && info.Root == served.Info().Root {
		return true, nil
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	m.add(Finding{What: fmt.Sprintf("layer %s is not the fold of its %d sources", id, len(sources)), Rule: "fold", Index: l.Index, Key: "fold " + id})
	return false, nil
}

// apart holds source layers against each other: what stands in two of them is
// an entry made of another, or a keystream used twice.
func (m *Monitor) apart(ctx context.Context) error {
	var ids []string
	fresh := false
	for id, l := range m.state.Layers {
		if l.Incident != "" && l.Verified && !l.Ended {
			ids = append(ids, id)
			fresh = fresh || !l.Apart
		}
	}
	if !fresh || len(ids) < 2 {
		for _, id := range ids {
			m.state.Layers[id].Apart = true
		}
		return m.save()
	}
	slices.Sort(ids)
	sources, closeAll, err := m.openSources(ids)
	defer closeAll()
	if err != nil {
		return err
	}
	var seqs []seq
	for _, s := range sources {
		seqs = append(seqs, s.layer.Entries(ctx))
	}
	var before []byte
	var twice int64
	var first []byte
	for e, err := range check.MergeEntries(seqs) {
		if err != nil {
			return err
		}
		if before != nil && bytes.Equal(check.Twin(before), check.Twin(e)) {
			if twice++; twice == 1 {
				first = bytes.Clone(e)
			}
		}
		before = append(before[:0], e...)
	}
	if twice > 0 {
		if err := m.twins(ctx, sources, first, twice); err != nil {
			return err
		}
	}
	for _, s := range sources {
		s.l.Apart = true
	}
	return m.save()
}

// twins reports a locator and tag that stands in two source layers, with their buckets.
func (m *Monitor) twins(ctx context.Context, sources []*source, e []byte, n int64) error {
	now := m.own
	evidence := &check.Evidence{Rule: "twins"}
	var names []string
	for _, s := range sources {
		info := s.layer.Info()
		number := check.BucketOf(e, info.Bits)
		b, err := s.layer.AppendBucket(nil, number, info.Pad)
		if err != nil {
			return err
		}
		bucket, err := check.ParseBucket(b, number, info.Root, info.Bits, 0)
		if err != nil {
			return err
		}
		if !holds(bucket.Entries, e) {
			continue
		}
		names = append(names, "revision "+s.l.Revision+" of "+s.l.Incident)
		evidence.Buckets = append(evidence.Buckets, check.SeenBucket{Layer: info.Root, Number: number, Bits: info.Bits, Bytes: bucket.Bytes()})
		if entry, err := m.entered(ctx, now, s.l.Index); err != nil {
			return err
		} else if entry != nil && !slices.ContainsFunc(evidence.Entries, func(o check.Entered) bool { return o.SHA256 == entry.SHA256 }) {
			evidence.Entries = append(evidence.Entries, *entry)
		}
		if len(names) == 2 {
			break
		}
	}
	evidence.What = fmt.Sprintf("an entry of %s stands in two layers; there are %d of them", strings.Join(names, " and of "), n)
	file, path, err := m.evidence(evidence, "twins-"+evidence.Buckets[0].Layer.String()[:16])
	if err != nil {
		return err
	}
	m.lasting(Finding{What: evidence.What, Rule: "twins", Index: -1, Evidence: path, File: file})
	return nil
}

// holds reports whether entries have the locator and tag of one.
func holds(entries, e []byte) bool {
	for i := 0; i < len(entries); i += check.EntrySize {
		if bytes.Equal(check.Twin(entries[i:]), check.Twin(e)) {
			return true
		}
	}
	return false
}

// entered gives a statement's entry with its proof; nil where its bytes are not given.
func (m *Monitor) entered(ctx context.Context, now *check.Checkpoint, index int64) (*check.Entered, error) {
	entries, err := m.entries(ctx, index/256, int(min(256, now.Size-index/256*256)))
	if err != nil || int64(len(entries)) <= index%256 {
		return nil, err
	}
	kind, leaf, err := check.ParseLeaf(entries[index%256])
	if err != nil {
		return nil, nil
	}
	hash := check.Hash(leaf)
	data, err := m.get.get(ctx, m.get.at("ledger/v1/data/"+hash.String()), "application/json", maxData)
	if refused(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	proof, err := m.prove(now, index)
	if err != nil {
		return nil, m.damaged(err)
	}
	return &check.Entered{Kind: kind, SHA256: hash, Bytes: data, Proof: proof}, nil
}

// tidy removes copies that nothing is held against any more.
func (m *Monitor) tidy(ids []string) error {
	for _, id := range ids {
		l := m.state.Layers[id]
		if l.Incident != "" && !l.Ended {
			continue
		}
		if err := m.dir.Remove(layerFile(id)); err != nil && !errors.Is(err, files.ErrNotExist) {
			return err
		}
	}
	return nil
}

// sample asks for one bucket of each layer that is served now, as a client does.
func (m *Monitor) sample(ctx context.Context, ids []string) error {
	for _, id := range ids {
		l := m.state.Layers[id]
		if l.Left != nil || l.Pad == 0 || !l.Verified {
			continue
		}
		var root check.Hash
		if err := root.UnmarshalText([]byte(id)); err != nil {
			return err
		}
		bits := check.BucketBits(l.N, l.LocatorBits)
		number := rand.Int64N(1 << bits)
		b, err := m.get.get(ctx, m.get.at("check/v1/layers/"+id+"/buckets/"+check.BucketName(number, bits)), "application/octet-stream", int64(l.Pad))
		if err == nil {
			_, err = check.ParseBucket(b, number, root, bits, l.Pad)
		}
		if err != nil && !refused(err) && !errors.Is(err, check.ErrBucket) && !errors.Is(err, check.ErrServer) {
			return err
		}
		if err != nil {
			m.add(Finding{What: fmt.Sprintf("a bucket of layer %s%s is not given as it was published: %v", id, l.of(), err), Rule: "bucket", Index: l.Index, Key: "bucket " + id})
		}
	}
	return nil
}

// seq is a run of entries, in order.
type seq = iter.Seq2[[]byte, error]
