package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"shirase/internal/incident/datasets"
)

// export sends the whole archive in a form that `shirase incident import` and others read. Its ETag is the archive's
// version: who has it, and asks again, is told without the archive being read.
//
// It is written out once for each version, into a file without a name, and read from there by all who ask: thousands who read
// slowly would otherwise each have the archive read for them, and hold what it is read with.
func export(format datasets.Format, ending string) func(a *api, w http.ResponseWriter, r *http.Request) error {
	return func(a *api, w http.ResponseWriter, r *http.Request) error {
		version, err := a.Archive.Version(r.Context())
		if err != nil {
			return err
		}
		tag := fmt.Sprintf(`"%s-%d"`, ending, version)
		h := w.Header()
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache")
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		h.Set("Content-Type", datasets.ContentType(format))
		h.Set("Content-Disposition", `attachment; filename="shirase-incidents.`+ending+`"`)
		if r.Method == http.MethodHead {
			return nil
		}
		written, err := a.exports.get(tag, format, func(out io.Writer) error { return a.write(context.WithoutCancel(r.Context()), out, format) })
		if err != nil {
			return a.stream(w, r, format)
		}
		defer written.leave()
		http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(written.file, 0, written.size))
		return nil
	}
}

// write writes the archive out.
func (a *api) write(ctx context.Context, to io.Writer, format datasets.Format) error {
	out, err := datasets.NewWriter(to, format, a.Exercise)
	if err == nil {
		err = a.Archive.Each(ctx, nil, out.Write)
	}
	if err == nil {
		err = out.Close()
	}
	return err
}

// stream sends the archive as it is read: where there is no room to write it out.
func (a *api) stream(w http.ResponseWriter, r *http.Request, format datasets.Format) error {
	if err := a.write(r.Context(), w, format); err != nil {
		// What was sent cannot be taken back: the connection is cut, so that nobody takes a part for the whole.
		if r.Context().Err() == nil {
			a.Log.Error("export failed", "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// exports are the newest exports of each format, written out.
type exports struct {
	writing singleflight.Group

	mu     sync.Mutex
	newest map[datasets.Format]*written
}

// written is an export in a file, which is closed when it is not the newest any more and its last reader has left.
type written struct {
	tag  string
	file *os.File
	size int64

	of      *exports
	readers int  // this and the next under the lock of exports
	old     bool // there is a newer one
}

// get gives the export whose tag is asked for, and has it written where there is none. Who gets it has to leave it.
func (e *exports) get(tag string, format datasets.Format, write func(io.Writer) error) (*written, error) {
	e.mu.Lock()
	w := e.newest[format]
	e.mu.Unlock()
	for w == nil || w.tag != tag || !w.enter() {
		made, err, _ := e.writing.Do(tag, func() (any, error) { return e.make(tag, format, write) })
		if err != nil {
			return nil, err
		}
		w = made.(*written)
	}
	return w, nil
}

// make writes an export out and has it be the newest.
func (e *exports) make(tag string, format datasets.Format, write func(io.Writer) error) (*written, error) {
	file, err := os.CreateTemp("", "shirase-export-*")
	if err != nil {
		return nil, err
	}
	os.Remove(file.Name()) // it goes with the process; where an open file keeps its name, close removes it
	w := &written{tag: tag, file: file, of: e}
	buffered := bufio.NewWriterSize(file, 64<<10)
	if err = write(buffered); err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		w.size, err = file.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.newest == nil {
		e.newest = map[datasets.Format]*written{}
	}
	if before := e.newest[format]; before != nil {
		if before.old = true; before.readers == 0 {
			before.close()
		}
	}
	e.newest[format] = w
	return w, nil
}

// enter says that a reader begins; false where the file is closed already.
func (w *written) enter() bool {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	if w.old && w.readers == 0 {
		return false
	}
	w.readers++
	return true
}

// leave says that a reader is done with it.
func (w *written) leave() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	if w.readers--; w.readers == 0 && w.old {
		w.close()
	}
}

func (w *written) close() error {
	err := w.file.Close()
	os.Remove(w.file.Name())
	return err
}
