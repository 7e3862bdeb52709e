package password

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shirase/internal/hint"
)

// ErrImport says that there is no such import that could be taken back.
var ErrImport = errors.New("no such import can be taken back")

// What an import did is taken back as if it had never been: for that its own
// records are kept, and the counts that they had before. A hash's count is what
// follows when what is kept of it is folded, one import after the other, over the
// count before the first. What comes from elsewhere, such as a sync, takes the place
// of everything before it; the imports before lose what is theirs of that hash.
//
// All of it is in the manifest, so that taking back is one step as any change.

// imported is an import that can be taken back.
type imported struct {
	ID      int64     `json:"id"` // the generation that it made
	At      time.Time `json:"at"`
	Name    string    `json:"name,omitzero"` // of the file
	Format  Format    `json:"format"`
	Fold    Fold      `json:"fold"`
	Records int64     `json:"records"` // different hashes that were in it, without those that something else took the place of

	Took []segmentInfo `json:"took,omitempty"` // its own records
	Over []segmentInfo `json:"over,omitempty"` // of those that were there already, the counts before it

	// Old is the corpus before the import, where that is less to keep than its records
	// (large imports); it holds until the next change.
	Old *former `json:"old,omitzero"`
}

// former is what a corpus was.
type former struct {
	Segments []segmentInfo `json:"segments,omitempty"`
	Imports  []imported    `json:"imports,omitempty"`
}

// each calls visit with the files that are kept for it.
func (i *imported) each(visit func([]segmentInfo)) {
	visit(i.Took)
	visit(i.Over)
	if i.Old != nil {
		visit(i.Old.Segments)
		for j := range i.Old.Imports {
			i.Old.Imports[j].each(visit)
		}
	}
}

func (i *imported) valid() bool {
	ok := i.Fold == Replace || i.Fold == Add
	i.each(func(infos []segmentInfo) {
		_, whole := segmentsOf(infos)
		ok = ok && whole
	})
	return ok
}

// Imported is an import that can be taken back.
type Imported struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Name    string    `json:"name,omitzero"` // of the file, without its folder
	Format  Format    `json:"format"`
	Records int64     `json:"records"` // different passwords that it listed
}

// Imports lists the imports that can be taken back, the oldest first.
func (c *Corpus) Imports() []Imported {
	var out []Imported
	for _, i := range c.current.Load().Imports {
		out = append(out, Imported{i.ID, i.At, i.Name, i.Format, i.Records})
	}
	return out
}

// minUndo is what may be kept to take imports back at least, in bytes.
const minUndo = 256 << 20

// undoRecord is about how many bytes a record takes that is kept with the count before it.
const undoRecord = 40

// undo is what a writer does for the imports that can be taken back.
type undo struct {
	on    bool // note is to be called
	entry *imported
	took  *rewriter // of the entry; nil: its records are the corpus's own
	over  *rewriter
	n     int64 // records noted
	most  int64

	kept []*keptImport // of imports before; nil while nobody asks
}

// keptImport is an import from before, and what becomes of what is kept for it.
type keptImport struct {
	took, over       *set
	newTook, newOver rewriter
	changed          bool
}

// undoBytes is how much may be kept beside a corpus.
func (t tuning) undoBytes(m *manifest) int64 {
	if t.undo > 0 {
		return t.undo
	}
	return max(minUndo, m.info(SHA1).Bytes/4)
}

// begin opens what is kept of imports before. What cannot be read is no longer kept,
// nor is what came before it.
func (u *undo) begin(w *writer) error {
	imports := w.next.Imports
	for i := range imports {
		k, err := openKept(w, &imports[i])
		if err != nil {
			w.next.Imports, u.kept = imports[i+1:], nil
			continue
		}
		u.kept = append(u.kept, k)
	}
	u.on = len(u.kept) > 0
	return nil
}

func openKept(w *writer, i *imported) (k *keptImport, err error) {
	k = new(keptImport)
	if k.took, err = w.corpus.openSet(i.Took, nil); err != nil {
		return nil, err
	}
	if k.over, err = w.corpus.openSet(i.Over, nil); err != nil {
		return nil, err
	}
	k.newTook, k.newOver = w.small(k.took, i.Took), w.small(k.over, i.Over)
	return k, nil
}

// small is a rewriter of what is kept beside the corpus: several run at once.
func (w *writer) small(old *set, kept []segmentInfo) rewriter {
	r := newRewriter(w.ctx, w.c, w.corpus, old, kept)
	r.segment = max(2, r.segment/4)
	r.cutAfter = r.most()
	r.found = w.found
	return r
}

// remember makes what the writer adds an import that can be taken back.
func (w *writer) remember(name string, format Format) {
	u := &w.undo
	u.entry = &imported{At: time.Now().UTC().Truncate(time.Second), Name: name, Format: format, Fold: w.fold}
	u.on = w.before.Records > 0
	if !u.on {
		return
	}
	u.most = w.c.tune.undoBytes(&w.next) / undoRecord
	took, over := w.small(new(set), nil), w.small(new(set), nil)
	u.took, u.over = &took, &over
}

// note keeps one record of what is added: for the import's own sake, or because it
// takes the place of what imports before said.
func (u *undo) note(hash []byte, before, count uint64) error {
	if u.entry == nil {
		return u.erase(hash)
	}
	if u.n++; u.n > u.most {
		u.on = false
		return nil
	}
	if _, err := u.took.set(hash, count); err != nil || before == 0 {
		return err
	}
	_, err := u.over.set(hash, before)
	return err
}

// erase takes a hash out of what is kept of imports.
func (u *undo) erase(hash []byte) error {
	for _, k := range u.kept {
		n, err := k.took.lookup(hash)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		k.changed = true
		if _, err := k.newTook.set(hash, 0); err != nil {
			return err
		}
		if _, err := k.newOver.set(hash, 0); err != nil {
			return err
		}
	}
	return nil
}

// settle waits for what is being written.
func (u *undo) settle() {
	for _, r := range []*rewriter{u.took, u.over} {
		if r != nil {
			r.settle()
		}
	}
	for _, k := range u.kept {
		k.newTook.settle()
		k.newOver.settle()
	}
}

// commit puts what is kept into the manifest to be. Where the corpus does not
// change, an import before may still lose what is its own.
func (u *undo) commit(w *writer) error {
	imports := slices.Clone(w.next.Imports)
	for i, k := range u.kept {
		if !k.changed {
			continue
		}
		var err error
		if imports[i].Took, err = k.newTook.finish(); err != nil {
			return err
		}
		if imports[i].Over, err = k.newOver.finish(); err != nil {
			return err
		}
		imports[i].Records, _ = segmentsOf(imports[i].Took)
	}
	if u.entry != nil && len(w.last) > 0 {
		e := u.entry
		e.ID = w.before.Generation + 1
		switch {
		case u.took == nil: // it came into an empty corpus
			e.Took = w.next.Segments
		case !u.on: // too much of it
			u.settle() // so that what was written of it is swept
			imports = slices.DeleteFunc(imports, func(i imported) bool { return i.Old != nil })
			e.Old, imports = &former{w.before.Segments, imports}, nil
		default:
			var err error
			if e.Took, err = u.took.finish(); err != nil {
				return err
			}
			if e.Over, err = u.over.finish(); err != nil {
				return err
			}
		}
		e.Records = w.change.Added + w.change.Updated + w.change.Unchanged
		imports = append(imports, *e)
	} else if !w.differs() {
		w.next.Imports = w.before.Imports
		return nil
	}
	w.next.Imports = w.keep(imports)
	return nil
}

// differs reports whether the change is one that imports before must know of.
func (w *writer) differs() bool {
	last := len(w.next.Imports) - 1
	return !slices.Equal(w.next.Segments, w.before.Segments) || slices.ContainsFunc(w.undo.kept, func(k *keptImport) bool { return k.changed }) ||
		last >= 0 && w.next.Imports[last].Old != nil && len(w.last) > 0
}

// keep drops what cannot be taken back any more, and the oldest of what would be too
// much to keep. Files that the corpus itself has cost nothing.
func (w *writer) keep(imports []imported) []imported {
	free := map[string]bool{}
	for _, i := range w.next.Segments {
		free[i.SHA256] = true
	}
	var out []imported
	var size int64
	for n, i := range slices.Backward(imports) {
		newest := n == len(imports)-1 && w.undo.entry != nil
		if i.Old != nil && !newest || i.Old == nil && len(i.Took) == 0 {
			continue
		}
		i.each(func(infos []segmentInfo) {
			for _, s := range infos {
				if !free[s.SHA256] {
					size += s.Size
				}
			}
		})
		if size > w.c.tune.undoBytes(&w.next) && !newest {
			break
		}
		out = append(out, i)
	}
	slices.Reverse(out)
	return out
}

// Remove takes an import back: afterwards the corpus is what it would be if the
// import had never been, and everything else had. It is one step as any change.
func (c *Corpora) Remove(ctx context.Context, m Mode, id int64) (Change, error) {
	w, err := c.write(ctx, m, Replace)
	if err != nil {
		return Change{}, err
	}
	defer w.close()
	at := slices.IndexFunc(w.next.Imports, func(i imported) bool { return i.ID == id })
	if at < 0 {
		return Change{}, hint.Add(fmt.Errorf("%d: %w", id, ErrImport), "shirase password imports lists those that can")
	}
	e := w.next.Imports[at]
	if e.Old != nil {
		w.next.Segments, w.next.Imports = e.Old.Segments, e.Old.Imports
		w.change.Removed = w.before.Records
		records, _ := segmentsOf(w.next.Segments)
		w.change.Removed -= records
		return w.replace()
	}
	later := w.undo.kept[at+1:]
	folds := w.next.Imports[at+1:]
	err = w.undo.kept[at].took.each(ctx, func(hash []byte, count uint64) error {
		return w.without(w.undo.kept[at], e.Fold, later, folds, hash, count)
	})
	if err != nil {
		return Change{}, fmt.Errorf("take back import %d: %w", id, err)
	}
	if w.next.Segments, err = w.finish(); err != nil {
		return Change{}, err
	}
	imports := slices.Clone(w.next.Imports)
	for i, k := range later {
		if k.changed {
			if imports[at+1+i].Over, err = k.newOver.finish(); err != nil {
				return Change{}, err
			}
		}
	}
	w.next.Imports = w.keep(slices.Delete(imports, at, at+1))
	return w.replace()
}

// without gives a hash the count that it would have without what one import folded in.
func (w *writer) without(one *keptImport, fold Fold, later []*keptImport, folds []imported, hash []byte, count uint64) error {
	before, err := one.over.lookup(hash)
	if err != nil {
		return err
	}
	with, now := fold.over(before, count), before
	for i, k := range later {
		n, err := k.took.lookup(hash)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		if with != now {
			k.changed = true
			if _, err := k.newOver.set(hash, now); err != nil {
				return err
			}
		}
		with, now = folds[i].Fold.over(with, n), folds[i].Fold.over(now, n)
	}
	have, err := w.set(hash, now)
	switch {
	case err != nil:
		return err
	case have != with:
		return damaged("what is kept of the import does not fit the corpus")
	case now == 0:
		w.change.Removed++
	case now != have:
		w.change.Updated++
	default:
		w.change.Unchanged++
	}
	return nil
}
