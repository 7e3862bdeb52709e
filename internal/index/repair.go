package index

import (
	"context"
	"errors"
	"fmt"

	"shirase/check"
	"shirase/internal/hint"
)

// Mended is what Repair found and wrote.
type Mended struct {
	Layers  int64    `json:"layers"`  // of the newest statement, all of which were verified
	Written []string `json:"written"` // files of served layers that were lost or damaged, folded anew
}

// Repair verifies every layer of the newest statement, and folds those served layers anew that are missing or damaged and whose
// sources are whole. The error joins one for each layer that follows from nothing that is here, with what brings it back;
// the others are mended all the same. Where nothing was published there is nothing to mend.
func (x *Index) Repair(ctx context.Context) (Mended, error) {
	out := Mended{Written: []string{}}
	st, _, _, err := x.Statement(ctx)
	if errors.Is(err, ErrNone) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("repair the index: %w", err)
	}
	var wrong []error
	for _, l := range st.Layers {
		written, errs := x.repairLayer(ctx, st, l)
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if written {
			out.Written = append(out.Written, layerName(l.Root))
		}
		wrong = append(wrong, errs...)
		out.Layers++
	}
	return out, errors.Join(wrong...)
}

// repairLayer mends one layer of a statement.
func (x *Index) repairLayer(ctx context.Context, st *check.Statement, l check.Layer) (written bool, wrong []error) {
	bits := st.Key(l.Key).LocatorBits
	for _, s := range l.Sources {
		if err := x.wholeLayer(ctx, s.Root, bits, s.N, true); err != nil {
			back := "take " + layerName(s.Root) + " from a backup: shirase restore SRC --only files/" + layerName(s.Root)
			if in := st.Incident(s.Incident); in != nil && in.Revision == s.Revision {
				back = "seal it again from its roster: shirase publish " + s.Incident + "; or " + back
			}
			wrong = append(wrong, hint.Add(fmt.Errorf("%s revision %s: %w", s.Incident, s.Revision, err), back))
		}
	}
	if len(l.Sources) == 1 || x.wholeLayer(ctx, l.Root, bits, l.N, false) == nil {
		return false, wrong
	}
	if len(wrong) > 0 {
		return false, append(wrong, hint.Add(fmt.Errorf("layer %s: %w: it follows from layers that are damaged too", l.ID, check.ErrLayer), "mend those first, then: shirase ledger repair"))
	}
	info, err := x.fold(ctx, l.Sources, bits)
	if err == nil && info.Root != l.Root {
		err = fmt.Errorf("%w: they fold to %s", ErrFold, info.Root)
	}
	if err != nil {
		return false, []error{fmt.Errorf("layer %s: %w", l.ID, err)}
	}
	return true, nil
}

// wholeLayer verifies every byte of a layer of n entries.
func (x *Index) wholeLayer(ctx context.Context, root check.Hash, bits int, n int64, source bool) error {
	f, err := x.OpenLayer(root, bits)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Info().N != n {
		return fmt.Errorf("layer %s: %w: %d entries, and the statement says %d", root, check.ErrLayer, f.Info().N, n)
	}
	if err := f.Verify(ctx, source, nil); err != nil {
		return fmt.Errorf("layer %s: %w", root, err)
	}
	return nil
}
