package roster

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"shirase/internal/hint"
)

// maxListed is how many lines a list has, without its header.
const maxListed = 100_000

var rejectsHeader = []string{"line", "field", "reason", "explanation", "row"}

// What the column "row" says: whether there is anything of the row in the scope.
const (
	rowKept    = "kept"    // by its other identities
	rowInvalid = "invalid" // nothing
)

// rejects writes the list of what cannot be read: CSV with the line where the row
// begins, the column or rule concerned, a code and a text, and what became of the
// row; never a value. It is a temporary file until keep, and no file at all as long
// as there is nothing to list.
//
// It ends with maxListed lines: one that says of every row of a wrong column the
// same is as large as the export.
type rejects struct {
	path   string // "": the rows are counted only
	listed int
	f      *os.File
	buf    *bufio.Writer
	csv    *csv.Writer
	line   [5]string
}

func (r *rejects) add(line int64, kept bool, flaws []flaw) error {
	if r.path == "" || r.listed >= maxListed {
		return nil
	}
	if r.f == nil {
		f, err := os.CreateTemp(filepath.Dir(r.path), ".rejects-*")
		if err != nil {
			return fmt.Errorf("making the list of invalid rows: %w", err)
		}
		r.f, r.buf = f, bufio.NewWriterSize(f, 64<<10)
		r.csv = csv.NewWriter(r.buf)
		if err := r.csv.Write(rejectsHeader); err != nil {
			return fmt.Errorf("writing the list of invalid rows: %w", err)
		}
	}
	row := rowInvalid
	if kept {
		row = rowKept
	}
	for _, f := range flaws {
		if r.listed++; r.listed >= maxListed {
			r.line = [5]string{strconv.FormatInt(line, 10), "", "more", "what cannot be read from this line on is counted, and not listed", ""}
			if err := r.csv.Write(r.line[:]); err != nil {
				return fmt.Errorf("writing the list of invalid rows: %w", err)
			}
			return nil
		}
		r.line = [5]string{strconv.FormatInt(line, 10), f.field, f.problem.code, f.problem.text, row}
		if err := r.csv.Write(r.line[:]); err != nil {
			return fmt.Errorf("writing the list of invalid rows: %w", err)
		}
	}
	return nil
}

// keep gives the list its name, durably. Where there is nothing to list, a list
// that an earlier run left under the name is removed.
func (r *rejects) keep() error {
	switch {
	case r.path == "":
		return nil
	case r.f == nil:
		return removeOld(r.path)
	}
	if err := isOurs(r.path); err != nil {
		return err
	}
	r.csv.Flush()
	err := errors.Join(r.csv.Error(), r.buf.Flush(), r.f.Sync(), r.f.Close())
	if err == nil {
		err = os.Rename(r.f.Name(), r.path)
	}
	if err != nil {
		os.Remove(r.f.Name())
	}
	r.f = nil
	if err != nil {
		return fmt.Errorf("writing the list of invalid rows: %w", err)
	}
	return nil
}

// drop removes what keep did not keep.
func (r *rejects) drop() {
	if r.f != nil {
		r.f.Close()
		os.Remove(r.f.Name())
		r.f = nil
	}
}

// removeOld removes path if it is a list of invalid rows.
func removeOld(path string) error {
	switch err := isOurs(path); {
	case errors.Is(err, errNotOurs):
		return nil // not ours to remove
	case err != nil:
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("an older list of invalid rows: %w", err)
	}
	return nil
}

var errNotOurs = errors.New("it holds something else than a list of invalid rows")

// isOurs reports whether a list may be written at path: nothing is there, or an
// older list. Anything else, the export itself above all, is not overwritten.
func isOurs(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("an older list of invalid rows: %w", err)
	}
	defer f.Close()
	head, err := csv.NewReader(io.LimitReader(f, 4096)).Read()
	// Lists of earlier versions end before the last column.
	if err != nil || !slices.Equal(head, rejectsHeader) && !slices.Equal(head, rejectsHeader[:4]) {
		return hint.Add(fmt.Errorf("%s: %w", path, errNotOurs), "list the invalid rows in another file: --rejects FILE")
	}
	return nil
}
