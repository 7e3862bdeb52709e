package password

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// Verified is what [Corpus.Verify] found.
type Verified struct {
	Info
	Unnamed []string `json:"unnamed,omitzero"` // segment files that the manifest does not name: the next change removes them
}

// Verify reads every byte of the corpus and recomputes every checksum. It goes on
// after what is wrong: the error joins one for each file (Unwrap() []error), which
// names it. A corpus that is not there or incomplete is an error, too. tell may be nil.
func (c *Corpus) Verify(ctx context.Context, tell func(done, total int64)) (Verified, error) {
	m, all, err := c.openAll()
	if err != nil {
		return Verified{Info: Info{Mode: c.mode.String(), State: "damaged"}}, errors.Join(append([]error{err}, c.strays()...)...)
	}
	out := Verified{Info: m.info(c.mode)}
	if out.Unnamed, err = c.unnamed(m); err != nil {
		return out, errors.Join(err)
	}
	var wrong []error
	var done, total int64
	for _, f := range all {
		total += f.info.Size
	}
	for _, f := range all {
		if err := ctx.Err(); err != nil {
			return out, fmt.Errorf("verify the %s corpus: %w", c.mode, err)
		}
		if f.err != nil {
			wrong = append(wrong, f.err)
		} else if err := f.verify(ctx); ctx.Err() != nil {
			return out, fmt.Errorf("verify the %s corpus: %w", c.mode, ctx.Err())
		} else if err != nil {
			wrong = append(wrong, c.broken(f.info, err))
		}
		if done += f.info.Size; tell != nil {
			tell(done, total)
		}
	}
	switch {
	case m.Records == 0 && len(wrong) == 0:
		wrong = append(wrong, hint.Add(fmt.Errorf("%w: the %s corpus is empty", ErrNone, c.mode), "import one: shirase password import FILE"))
	case len(m.Missing) > 0:
		wrong = append(wrong, hint.Add(fmt.Errorf("%w: %d of %d ranges of the %s corpus were never fetched: %s",
			ErrIncomplete, m.Missing.size(), ranges, c.mode, m.Missing.some()), "shirase password sync goes on where it was"))
	}
	err = errors.Join(wrong...)
	out.State = stateOf(err)
	return out, err
}

// strays names each segment of a corpus whose manifest cannot be read.
func (c *Corpus) strays() (wrong []error) {
	names, err := c.unnamed(nil)
	if err != nil {
		return []error{err}
	}
	for _, name := range names {
		wrong = append(wrong, fmt.Errorf("%s corpus: %s: no manifest names it", c.mode, name))
	}
	return wrong
}

// A verified is a segment file that the manifest names.
type verified struct {
	info segmentInfo
	seg  *segment
	err  error // of opening it
}

// openAll opens every file of the current generation before any is read: of a
// generation that is replaced meanwhile they stay.
func (c *Corpus) openAll() (*manifest, []verified, error) {
	for try := 0; ; try++ {
		m, err := c.manifest()
		if err != nil {
			return nil, nil, err
		}
		var all []verified
		seen := map[string]bool{}
		gone := false
		add := func(infos []segmentInfo) {
			for _, info := range infos {
				if seen[info.SHA256] {
					continue
				}
				seen[info.SHA256] = true
				f := verified{info: info}
				one, err := c.openSet([]segmentInfo{info}, nil)
				if err != nil {
					f.err, gone = err, gone || errors.Is(err, files.ErrNotExist)
				} else {
					f.seg = one.segments[0]
				}
				all = append(all, f)
			}
		}
		add(m.Segments)
		for i := range m.Imports {
			m.Imports[i].each(add)
		}
		if !gone || try == 2 {
			return m, all, nil
		}
	}
}

// verify reads the whole file.
func (f *verified) verify(ctx context.Context) error {
	h := sha256.New()
	n, err := io.Copy(h, whileAlive{ctx, io.NewSectionReader(f.seg.f, 0, f.info.Size+1)})
	if err != nil {
		return err
	}
	if n != f.info.Size || hex.EncodeToString(h.Sum(nil)) != f.info.SHA256 {
		return damaged("SHA-256")
	}
	return f.seg.check()
}

// whileAlive reads until the context ends.
type whileAlive struct {
	ctx context.Context
	r   io.Reader
}

func (w whileAlive) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}
