package ledger

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
)

// head reads what the next append would start from, and checks it.
func (v *verification) head() (checkpoint, error) {
	const table = "ledger_head"
	var size int64
	var vkey string
	var signed []byte
	err := v.db.QueryRowContext(v.ctx, `SELECT size, vkey, checkpoint FROM ledger_head`).Scan(&size, &vkey, &signed)
	if err != nil {
		return checkpoint{}, fmt.Errorf("reading %s: %w", table, err)
	}
	head, err := openCheckpoint(signed, v.verifier)
	switch {
	case vkey != v.vkey:
		v.found.add(table, -1, "the key is "+vkey)
	case err != nil:
		v.found.add(table, -1, "the checkpoint is not signed by "+v.vkey)
	case head.N != size:
		v.found.add(table, -1, fmt.Sprintf("the size is %d, the checkpoint's %d", size, head.N))
	case head.N < v.Size:
		v.found.add(table, -1, fmt.Sprintf("%d entries, and %d are published", head.N, v.Size))
	default:
		v.Database = head.N
		return head, nil
	}
	v.Database = max(size, 0)
	return checkpoint{Tree: tlog.Tree{N: v.Database}}, nil
}

// keys checks the log's keys: each shows, by a statement in the log under its own
// signature, that the next one alone may follow it, and the last is the one that
// is trusted.
func (v *verification) keys() error {
	const table = "ledger_key"
	keys, err := keyRows(v.ctx, v.db)
	if errors.Is(err, ErrDamaged) || err == nil && len(keys) == 0 {
		v.found.add(table, -1, "its rows are not the keys 1, 2, 3, ...")
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", table, err)
	}
	last := len(keys) - 1
	if keys[last].VKey != v.vkey || keys[last].Statement != nil || keys[last].Proof != nil {
		v.found.add(table, -1, "the newest key is not "+v.vkey)
		return nil
	}
	v.Keys = len(keys)
	v.Next = keys[last].Next
	for i, k := range keys[:last] {
		if err := k.leads(keys[i+1].VKey); err != nil {
			v.found.add(table, -1, fmt.Sprintf("key %d, %s: %v", i+1, k.VKey, err))
			continue
		}
		verifier, err := note.NewVerifier(k.VKey)
		if err != nil {
			return err // leads has read it
		}
		v.former = append([]note.Verifier{verifier}, v.former...)
	}
	return nil
}

// leads verifies that a key that has ended named the next one.
func (k *Key) leads(next string) error {
	policy, err := check.LedgerPolicy(k.VKey)
	if err != nil {
		return err
	}
	if err := check.VerifyInclusion(check.KindStatement, k.Statement, string(k.Proof), policy); err != nil {
		return err
	}
	st, err := check.ParseStatement(k.Statement)
	if err != nil {
		return err
	}
	if st.Ledger == nil || st.Ledger.Key != check.VKeyHash(k.VKey) || st.Ledger.Next != check.VKeyHash(next) || k.Next != st.Ledger.Next {
		return errors.New("the statement under it does not name the key that followed")
	}
	return nil
}

// rows checks the rows about the entries [from, to), which both trees hold.
func (v *verification) rows(from, to int64) error {
	if from >= to {
		return nil
	}
	leafRows, err := v.leafRows(from, to)
	if err != nil {
		return err
	}
	first, end := tlog.StoredHashIndex(0, from), tlog.StoredHashIndex(0, to)
	stored, err := v.hashRows(first, end)
	if err != nil {
		return err
	}
	for _, t := range []*tree{&v.entries, &v.tiles} {
		t.compareRows(from, to, leafRows, stored)
	}
	return nil
}

// leafRows returns the rows of entries [from, to) by index, after checking the
// documents that they name.
func (v *verification) leafRows(from, to int64) (map[int64]tlog.Hash, error) {
	rows, err := v.db.QueryContext(v.ctx,
		`SELECT leaf, kind, data FROM ledger_leaves WHERE leaf >= $1 AND leaf < $2`, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[int64]tlog.Hash{}
	named := map[[32]byte]int64{}
	for rows.Next() {
		var index int64
		var kind string
		var data []byte
		if err := rows.Scan(&index, &kind, &data); err != nil {
			return nil, err
		}
		if len(data) == sha256.Size {
			found[index] = tlog.RecordHash(check.LeafOf(kind, [32]byte(data)))
			named[[32]byte(data)] = index
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	for hash, index := range named {
		_, err := readData(v.ctx, v.db, hash)
		switch {
		case errors.Is(err, ErrNotFound):
			v.found.add(fmt.Sprintf("ledger_data %x", hash), index, "missing")
		case errors.Is(err, ErrDamaged):
			v.found.add(fmt.Sprintf("ledger_data %x", hash), index, "not the bytes that its key is the SHA-256 of")
		case err != nil:
			return nil, err
		}
	}
	return found, nil
}

// hashRows returns the stored hashes at positions [first, end).
func (v *verification) hashRows(first, end int64) (map[int64]tlog.Hash, error) {
	rows, err := v.db.QueryContext(v.ctx,
		`SELECT position, hash FROM ledger_hashes WHERE position >= $1 AND position < $2`, first, end)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[int64]tlog.Hash{}
	for rows.Next() {
		var position int64
		var hash []byte
		if err := rows.Scan(&position, &hash); err != nil {
			return nil, err
		}
		if len(hash) == tlog.HashSize {
			found[position] = tlog.Hash(hash)
		}
	}
	return found, rows.Err()
}

// unpublishedRows checks the rows of entries that are committed but not yet
// published, by continuing the published tree.
func (v *verification) unpublishedRows(truth *tree, head checkpoint) error {
	truth.problems = problems{}
	for from := v.Size; from < head.N; from += torchwood.TileWidth {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		to := min(from+torchwood.TileWidth, head.N)
		leafRows, err := v.leafRows(from, to)
		if err != nil {
			return err
		}
		truth.begin()
		for i := from; i < to; i++ {
			truth.add(leafRows[i])
		}
		stored, err := v.hashRows(tlog.StoredHashIndex(0, from), tlog.StoredHashIndex(0, to))
		if err != nil {
			return err
		}
		truth.compareRows(from, to, leafRows, stored)
	}
	v.found.addAll(truth.problems)
	if head.N > v.Size && truth.root() != head.Hash {
		v.found.add("ledger_head", -1, "the checkpoint's root hash is not that of the entries")
	}
	return nil
}

// witnesses checks what is kept of every witness, and that below the published
// checkpoint stands nobody's signature but theirs.
func (v *verification) witnesses(head checkpoint) error {
	const table = "ledger_witness"
	known, err := witnessRows(v.ctx, v.db)
	if err != nil {
		return err
	}
	lines := map[string]string{} // by key name and hash, as note.Signature has them
	for vkey, row := range known {
		verifier, err := torchwood.NewCosignatureVerifier(vkey)
		if err != nil || row.size < 1 || row.size > head.N {
			v.found.add(table, -1, "no row of a witness: "+vkey)
			continue
		}
		root := v.Root
		if row.size != v.Size {
			if root, err = tlog.TreeHash(row.size, hashReader(v.ctx, v.db)); err != nil {
				v.found.add(table, -1, fmt.Sprintf("the tree of %d entries cannot be made, for %s", row.size, vkey))
				continue
			}
		}
		text := torchwood.Checkpoint{Origin: v.Origin, Tree: tlog.Tree{N: row.size, Hash: root}}.String()
		c, err := openCosignature(text, row.line+"\n", verifier, vkey)
		if err != nil || c.line() != row.line || !c.time.Equal(row.time) {
			v.found.add(table, -1, fmt.Sprintf("not a cosignature of %d entries by %s", row.size, vkey))
		}
		lines[fmt.Sprintf("%s %08x", verifier.Name(), verifier.KeyHash())] = vkey
	}
	_, signatures, _ := strings.Cut(string(v.published.signed), "\n\n")
	for _, line := range strings.SplitAfter(strings.TrimSuffix(signatures, "\n"), "\n")[1:] { // after the log's own
		if !v.cosignedBy(lines, strings.TrimSuffix(line, "\n")) {
			v.found.add(checkpointFile, -1, "a signature below it is not a cosignature by a witness that was asked")
		}
	}
	return nil
}

// cosignedBy reports whether a signature line is a witness's of the published
// checkpoint.
func (v *verification) cosignedBy(vkeys map[string]string, line string) bool {
	n, err := note.Open([]byte(v.published.text()+"\n"+line+"\n"), note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		return n != nil
	}
	sig := unverified.Note.UnverifiedSigs[0]
	vkey := vkeys[fmt.Sprintf("%s %08x", sig.Name, sig.Hash)]
	verifier, err := torchwood.NewCosignatureVerifier(vkey)
	if err != nil {
		return false
	}
	c, err := openCosignature(v.published.text(), line+"\n", verifier, vkey)
	return err == nil && c.line() == line
}

// extraRows looks for rows that no entry needs.
func (v *verification) extraRows() error {
	return v.db.View(v.ctx, func(tx *sql.Tx) error {
		var size int64
		if err := tx.QueryRowContext(v.ctx, `SELECT size FROM ledger_head`).Scan(&size); err != nil {
			return err
		}
		if size < 0 {
			return nil // reported by head
		}
		for _, t := range []struct {
			table, column string
			rows          int64
		}{
			{"ledger_leaves", "leaf", size},
			{"ledger_hashes", "position", tlog.StoredHashCount(size)},
		} {
			var extra int64
			err := tx.QueryRowContext(v.ctx, `SELECT count(*) FROM `+t.table+
				` WHERE `+t.column+` < 0 OR `+t.column+` >= $1`, t.rows).Scan(&extra)
			if err != nil {
				return err
			}
			if extra > 0 {
				v.found.add(t.table, -1, fmt.Sprintf("%d rows that belong to no entry", extra))
			}
		}
		return nil
	})
}
