package roster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/armor"

	"shirase/internal/hint"
)

// Table says which rows are read, and which of their columns.
type Table struct {
	Name    string   // for its endings, and in errors
	Source  Source   // gives what is in it
	Columns []string // that are wanted, by their names; nil: all there are
	// Optional are columns that may be missing: their values are empty then. They come after Columns.
	Optional []string
	Only     bool  // others than these are refused
	MaxRows  int64 // 0: nothing bounds them
	MaxText  int64 // bytes of text; 0: nothing bounds them
}

// Row is one row of a table. Its values are valid until the next one.
type Row struct {
	Line   int64    // where it begins, from 1
	Values [][]byte // of Columns, and then of Optional: UTF-8
	Flaw   string   // why it cannot be read; "": it can. It never holds a value.
}

// Rows reads a table as the exports are read that rosters are made of: CSV, TSV or JSON Lines, plain, gzip or zstd, in the encodings that are
// found there. No value of it reaches an error. Errors: ErrExport; those of do.
func Rows(ctx context.Context, t Table, do func(Row) error) error {
	x, _, err := openExport(ctx, &Options{Export: t.Name, Source: t.Source, MaxText: t.MaxText})
	if err != nil {
		return err
	}
	defer x.close()
	wanted := slices.Concat(t.Columns, t.Optional)
	if t.Columns == nil {
		wanted = append(slices.Clone(x.columns), t.Optional...)
	}
	at := make([]int, len(wanted))
	for i, name := range wanted {
		if at[i] = slices.Index(x.columns, name); at[i] < 0 && (i < len(t.Columns) || t.Columns == nil) {
			return exportError("its columns are "+columnList(x.columns), "it has no column %q%s", name, didYouMean(name, x.columns))
		}
	}
	if t.Only {
		for i, name := range x.columns {
			if !slices.Contains(wanted, name) {
				// The name of a column that nobody expects may be somebody's.
				return exportError("its columns are "+columnList(wanted)+" and no others: take all else out of it", "column %d is not one of those that are read", i+1)
			}
		}
	}
	out := Row{Values: make([][]byte, len(wanted))}
	var r row
	for n := int64(0); x.next(&r); n++ {
		if n%progressEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if t.MaxRows > 0 && n >= t.MaxRows {
			return tooMuch("it has more than %d rows", t.MaxRows)
		}
		out.Line, out.Flaw = r.line, r.problem.text
		for i, c := range at {
			out.Values[i] = nil
			if r.problem == fine && c >= 0 {
				out.Values[i] = r.fields[c]
			}
		}
		if out.Flaw == "" && slices.ContainsFunc(out.Values, func(b []byte) bool { return !utf8.Valid(b) }) {
			out.Flaw = undecodable.text
		}
		if err := do(out); err != nil {
			return err
		}
	}
	return errors.Join(x.err(), ctx.Err())
}

// Recipient is the age recipient of a case: what others seal to it, only this instance opens, and nobody once the case is shredded.
func (r *Rosters) Recipient(ctx context.Context, incident string) (string, error) {
	key, err := r.loadKey(ctx, incident)
	if err != nil {
		return "", fmt.Errorf("the key of case %s: %w", incident, err)
	}
	return key.Recipient().String(), nil
}

// maxMark is how much of a text is looked at for whether it is sealed.
const maxMark = 64

// Unseal gives what is in r: as it is, or, where it is an age file, binary or armoured, opened with the case's key. Errors: ErrExport.
func (r *Rosters) Unseal(ctx context.Context, incident string, in io.Reader) (plain io.Reader, sealed bool, err error) {
	b := bufio.NewReaderSize(in, 32<<10)
	head, err := b.Peek(maxMark)
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	in = b
	switch {
	case strings.HasPrefix(string(head), armor.Header):
		in = armor.NewReader(b)
	case strings.HasPrefix(string(head), "age-encryption.org/"):
	default:
		return b, false, nil
	}
	key, err := r.loadKey(ctx, incident)
	if err != nil {
		return nil, true, fmt.Errorf("the key of case %s: %w", incident, err)
	}
	plain, err = age.Decrypt(in, key)
	if err != nil {
		return nil, true, hint.Add(fmt.Errorf("%w: it is sealed, and not to the key of this case", ErrExport), "have it sealed to "+key.Recipient().String())
	}
	return plain, true, nil
}
