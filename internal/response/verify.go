package response

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
)

// Verified is what verifying a case showed.
type Verified struct {
	Case    string
	Entries int64
	Head    Hash
}

// Verify reads every entry of a case and requires that the chain is the one that was written: an entry that was edited,
// removed, added or moved is ErrChain.
func (c *Cases) Verify(ctx context.Context, id string) (Verified, error) {
	v := Verified{Case: id}
	err := c.db.View(ctx, func(tx *sql.Tx) error {
		v.Entries = 0
		return c.read(ctx, tx, id, func(e Entry) error {
			data, err := e.canonical()
			v.Entries, v.Head = e.Seq, hashOf(data)
			return err
		})
	})
	if err != nil {
		return Verified{}, fmt.Errorf("verify case %s: %w", id, err)
	}
	return v, nil
}

// entriesFile is the part of an export that is the record: an entry a line, exactly as it is hashed.
const entriesFile = "entries.jsonl"

// maxExport bounds what an export may unpack to, in bytes.
const maxExport = 1 << 30

// Export writes a case as a zip archive: the record, and the clocks, tasks and timeline that follow from it, to read. Who
// has it can verify it without the program's data (VerifyExport). It is not sealed any more.
func (c *Cases) Export(ctx context.Context, who actor.Actor, id string, w io.Writer) (Verified, error) {
	if err := who.Check("export a case"); err != nil {
		return Verified{}, err
	}
	k, clocks, err := c.Clocks(ctx, id)
	if err != nil {
		return Verified{}, err
	}
	z := zip.NewWriter(w)
	f, err := z.Create(entriesFile)
	if err != nil {
		return Verified{}, fmt.Errorf("export case %s: %w", id, err)
	}
	for _, e := range k.log {
		data, err := e.canonical()
		if err == nil {
			_, err = f.Write(append(data, '\n'))
		}
		if err != nil {
			return Verified{}, fmt.Errorf("export case %s: %w", id, err)
		}
	}
	if f, err = z.Create("case.txt"); err == nil {
		err = k.readable(f, clocks)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return Verified{}, fmt.Errorf("export case %s: %w", id, err)
	}
	return Verified{id, k.Entries, k.Head}, nil
}

// readable writes what follows from the record for people.
func (k *Case) readable(w io.Writer, clocks *Clocks) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s: %s, %s\nknown %s, declared %s\nentries %d, head %s\n\nclocks\n", k.ID, k.Declared.Organisation, k.Declared.Title, k.Known, k.At.Format("2006-01-02T15:04:05Z"), k.Entries, k.Head)
	for _, c := range clocks.Clocks {
		fmt.Fprintf(b, "  %-28s %-16s due %s\n", c.ID, c.State, c.Due)
	}
	fmt.Fprintf(b, "\ntasks\n")
	for _, t := range k.Tasks {
		fmt.Fprintf(b, "  %3d %-8s %s %s\n", t.ID, t.State, t.Title, t.Owner)
	}
	fmt.Fprintf(b, "\nrecord\n")
	for _, e := range k.log {
		body, err := json.Marshal(e.Body)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "  %4d %s %s: %s\n", e.Seq, e.At, e.By, body)
	}
	return b.Flush()
}

// VerifyExport verifies an export's record by itself. What it cannot show is that nothing was recorded after it was made:
// head and number of entries are compared with what the ledger, or somebody who was told them, holds.
func VerifyExport(r io.ReaderAt, size int64) (Verified, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return Verified{}, fmt.Errorf("verify an export: %w: %v", ErrChain, err)
	}
	f, err := z.Open(entriesFile)
	if err != nil {
		return Verified{}, fmt.Errorf("verify an export: %w: it holds no %s", ErrChain, entriesFile)
	}
	defer f.Close()
	lines := bufio.NewReaderSize(io.LimitReader(f, maxExport), maxEntry+1)
	var v verifier
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			return Verified{}, fmt.Errorf("verify an export: entry %d: %w: %v", v.seq+1, ErrChain, err)
		}
		if _, err := v.next(bytes.TrimSuffix(line, []byte("\n")), ""); err != nil {
			return Verified{}, fmt.Errorf("verify an export: %w", err)
		}
	}
	if v.seq == 0 {
		return Verified{}, fmt.Errorf("verify an export: %w: it has no entry", ErrChain)
	}
	return Verified{v.id, v.seq, v.head}, nil
}
