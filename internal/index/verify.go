package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"shirase/check"
	"shirase/internal/hint"
)

// ErrFold says that a served layer is not the fold of its sources.
var ErrFold = errors.New("a served layer is not the fold of its sources")

// LayerReport is what was found about one layer of the newest statement.
type LayerReport struct {
	ID      string         `json:"id"`
	Key     string         `json:"key"`
	N       int64          `json:"n"`
	Bits    int            `json:"bits"`
	Bytes   int64          `json:"bytes"`
	Sources []SourceReport `json:"sources"`
}

// SourceReport is one source layer of a served layer.
type SourceReport struct {
	Incident string `json:"incident"`
	Revision string `json:"revision"`
	N        int64  `json:"n"`
	Root     string `json:"root"`
}

// Report is what Verify found: the statement it went by, and its layers.
type Report struct {
	Seq    int64         `json:"seq"`
	N      int64         `json:"n"`
	Layers []LayerReport `json:"layers"`
}

// Verify recomputes every byte of every layer of the newest statement, and
// every fold from its sources. The first damage found is an error that names
// the layer and the place.
func (x *Index) Verify(ctx context.Context, progress Progress) (*Report, error) {
	st, _, _, err := x.Statement(ctx)
	if err != nil {
		return nil, fmt.Errorf("verify the index: %w", err)
	}
	report := &Report{Seq: st.Seq, Layers: []LayerReport{}}
	var total, done int64
	for _, l := range st.Layers {
		total += 2 * l.N
	}
	tell := func(n int64) {
		if progress != nil {
			progress(min(done+n, total), total)
		}
	}
	for _, l := range st.Layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := x.verifyLayer(ctx, st, l, tell)
		if err != nil {
			return nil, fmt.Errorf("verify the index: %w", err)
		}
		done += 2 * l.N
		report.N += l.N
		report.Layers = append(report.Layers, *r)
	}
	return report, nil
}

func (x *Index) verifyLayer(ctx context.Context, st *check.Statement, l check.Layer, tell func(int64)) (*LayerReport, error) {
	bits := st.Key(l.Key).LocatorBits
	served, err := x.OpenLayer(l.Root, bits)
	if err != nil {
		return nil, err
	}
	defer served.Close()
	info := served.Info()
	if info.N != l.N || info.Pad != l.Pad {
		return nil, fmt.Errorf("layer %s: %w: %d entries and a pad of %d, and the statement says %d and %d", l.ID, check.ErrLayer, info.N, info.Pad, l.N, l.Pad)
	}
	if err := served.Verify(ctx, len(l.Sources) == 1, tell); err != nil {
		return nil, hint.Add(fmt.Errorf("layer %s: %w", l.ID, err), mendLayer)
	}
	tell(l.N)
	report := &LayerReport{ID: l.ID.String(), Key: l.Key, N: info.N, Bits: info.Bits, Bytes: served.file.Size(), Sources: []SourceReport{}}
	var sources []*check.LayerFile
	var seen int64
	for _, s := range l.Sources {
		f, err := x.OpenLayer(s.Root, bits)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", s.Incident, err)
		}
		defer f.Close()
		if f.Info().N != s.N {
			return nil, fmt.Errorf("source %s: %w: %d entries, and the statement says %d", s.Incident, check.ErrLayer, f.Info().N, s.N)
		}
		if s.Root != l.Root {
			if err := f.Verify(ctx, true, nil); err != nil {
				return nil, hint.Add(fmt.Errorf("source %s: %w", s.Incident, err), mendLayer)
			}
		}
		seen += s.N
		tell(l.N + seen/2)
		sources = append(sources, f.LayerFile)
		report.Sources = append(report.Sources, SourceReport{s.Incident, s.Revision, s.N, s.Root.String()})
	}
	again, err := check.Fold(ctx, io.Discard, sources)
	if err != nil {
		return nil, fmt.Errorf("layer %s: fold again: %w", l.ID, err)
	}
	if again.Root != l.Root {
		return nil, fmt.Errorf("layer %s: %w: they fold to %s", l.ID, ErrFold, again.Root)
	}
	return report, nil
}

// Count counts the entries of every source layer of the newest statement, one
// by one, and not from any header.
func (x *Index) Count(ctx context.Context) (*Report, error) {
	st, _, _, err := x.Statement(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the index: %w", err)
	}
	report := &Report{Seq: st.Seq, Layers: []LayerReport{}}
	for _, l := range st.Layers {
		r := LayerReport{ID: l.ID.String(), Key: l.Key, Bits: l.Bits, Sources: []SourceReport{}}
		for _, s := range l.Sources {
			n, err := x.count(ctx, s.Root, st.Key(l.Key).LocatorBits)
			if err != nil {
				return nil, fmt.Errorf("count %s: %w", s.Incident, err)
			}
			r.N += n
			r.Sources = append(r.Sources, SourceReport{s.Incident, s.Revision, n, s.Root.String()})
		}
		report.N += r.N
		report.Layers = append(report.Layers, r)
	}
	return report, ctx.Err()
}

func (x *Index) count(ctx context.Context, root check.Hash, locatorBits int) (n int64, err error) {
	f, err := x.OpenLayer(root, locatorBits)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var prev check.Entry
	for e, err := range f.Entries(ctx) {
		if err != nil {
			return 0, err
		}
		if n > 0 && bytes.Compare(prev[:], e) >= 0 {
			return 0, fmt.Errorf("entry %d is not above the one before: %w", n, check.ErrLayer)
		}
		prev = check.Entry(e)
		n++
	}
	return n, nil
}

// Fold folds the source layers of the newest statement again, writes the
// served layers, and gives them: it mends a served layer that was lost, and
// shows that the published one follows from its sources.
func (x *Index) Fold(ctx context.Context) (*Report, error) {
	st, _, _, err := x.Statement(ctx)
	if err != nil {
		return nil, fmt.Errorf("fold the index: %w", err)
	}
	report := &Report{Seq: st.Seq, Layers: []LayerReport{}}
	for _, l := range st.Layers {
		info, err := x.fold(ctx, l.Sources, st.Key(l.Key).LocatorBits)
		if err != nil {
			return nil, fmt.Errorf("fold the index: %w", err)
		}
		if info.Root != l.Root {
			return nil, fmt.Errorf("layer %s: %w: they fold to %s", l.ID, ErrFold, info.Root)
		}
		r := LayerReport{ID: l.ID.String(), Key: l.Key, N: info.N, Bits: info.Bits, Sources: []SourceReport{}}
		for _, s := range l.Sources {
			r.Sources = append(r.Sources, SourceReport{s.Incident, s.Revision, s.N, s.Root.String()})
		}
		report.N += l.N
		report.Layers = append(report.Layers, r)
	}
	return report, ctx.Err()
}
