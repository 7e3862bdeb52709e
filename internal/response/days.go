package response

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/store"
)

// SealDay fixes what the records of all cases end with on a day, and gives the root that the day's head in the ledger commits to. It
// is called in the transaction that records the head, and keep in the same, with the entry of the ledger.
func (c *Cases) SealDay(ctx context.Context, tx *sql.Tx, day string) (root check.Hash, keep func(ledgerIndex int64) error, err error) {
	seed := make([]byte, 32)
	rand.Read(seed)
	heads, err := headsNow(ctx, tx)
	if err != nil {
		return root, nil, fmt.Errorf("seal the cases of %s: %w", day, err)
	}
	tree, err := check.NewCasesTree(seed, heads)
	if err != nil {
		return root, nil, fmt.Errorf("seal the cases of %s: %w", day, err)
	}
	return tree.Root(), func(at int64) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO response_day (day, seed, ledger_index) VALUES ($1, $2, $3)`, day, seed, at); err != nil {
			return err
		}
		for _, h := range heads {
			if _, err := tx.ExecContext(ctx, `INSERT INTO response_day_case (day, case_id, entries, head) VALUES ($1, $2, $3, $4)`, day, h.Case, h.Entries, h.Head.String()); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

func headsNow(ctx context.Context, q store.Querier) ([]check.CaseHead, error) {
	return heads(ctx, q, `SELECT id, entries, head FROM response_case ORDER BY id`)
}

func heads(ctx context.Context, q store.Querier, query string, args ...any) ([]check.CaseHead, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []check.CaseHead{}
	for rows.Next() {
		var h check.CaseHead
		var hash string
		if err := rows.Scan(&h.Case, &h.Entries, &hash); err != nil {
			return nil, err
		}
		if err := h.Head.UnmarshalText([]byte(hash)); err != nil {
			return nil, fmt.Errorf("case %s: %w: its head is no hash", h.Case, ErrChain)
		}
		out = append(out, h)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// LoggedHead is a head over all cases as the ledger has it, in its order: internal/publish gives them, verified.
type LoggedHead struct {
	LedgerIndex int64
	Data        []byte // as it is in the ledger
	Proof       []byte // a tlog-proof; nil where it is not public yet
}

// Day is a head of the ledger that commits to a case's record.
type Day struct {
	Day         string
	Entries     int64 // of the case, that it commits to
	LedgerIndex int64
	Public      bool
	head        LoggedHead
	proof       check.CaseProof
}

// Verified is what verifying a case showed.
type Verified struct {
	Case    string
	Entries int64
	Head    Hash
	Logged  int64 // how many entries the ledger's heads commit to
	Days    []Day // each head that commits to the case, the oldest first; of an export those that are in it
}

// Verify reads every entry of a case and requires that the chain is the one that was written, and that every head that the ledger has
// is of this record: an entry that was edited, removed, added or moved is ErrChain, also where database and key were in the hands of
// whoever did it, as far as a head of the ledger goes. logged are all heads of the ledger.
func (c *Cases) Verify(ctx context.Context, who actor.Actor, id string, logged []LoggedHead) (Verified, error) {
	v := Verified{Case: id}
	if err := may(who, actor.See, id); err != nil {
		return v, err
	}
	k, err := c.get(ctx, id)
	if err != nil {
		return v, err
	}
	v.Entries, v.Head = k.Entries, k.Head
	if v.Days, err = c.days(ctx, k, logged); err != nil {
		return Verified{}, fmt.Errorf("verify case %s: %w", id, err)
	}
	if n := len(v.Days); n > 0 {
		v.Logged = v.Days[n-1].Entries
	}
	return v, nil
}

// days holds a case against every head of the ledger.
func (c *Cases) days(ctx context.Context, k *Case, logged []LoggedHead) ([]Day, error) {
	hashes := map[int64]Hash{}
	for _, e := range k.log {
		data, err := e.canonical()
		if err != nil {
			return nil, err
		}
		hashes[e.Seq] = hashOf(data)
	}
	var out []Day
	err := c.DB.View(ctx, func(tx *sql.Tx) error {
		out = nil
		for _, l := range logged {
			tree, h, err := day(ctx, tx, l)
			if err != nil {
				return err
			}
			p, err := tree.Prove(k.ID)
			if err != nil {
				// It may have been declared after the head of its day was made.
				if k.At.UTC().Format(time.DateOnly) >= h.Day {
					continue
				}
				return fmt.Errorf("%w: it was declared on %s, and the ledger's head of %s is without it", ErrChain, k.At.UTC().Format(time.DateOnly), h.Day)
			}
			if err := p.Verify(h); err != nil {
				return fmt.Errorf("%w: %w", ErrChain, err)
			}
			if got, there := hashes[p.Entries]; !there || check.Hash(got) != p.Head {
				return fmt.Errorf("%w: the ledger's head of %s is of another record: entry %d and those before it are not those that there were", ErrChain, h.Day, p.Entries)
			}
			out = append(out, Day{Day: h.Day, Entries: p.Entries, LedgerIndex: l.LedgerIndex, Public: l.Proof != nil, head: l, proof: p})
		}
		return nil
	})
	return out, err
}

// day makes the tree of a day again, and requires that it is the one that the ledger's head commits to.
func day(ctx context.Context, tx *sql.Tx, l LoggedHead) (*check.CasesTree, check.CasesHead, error) {
	h, err := check.ParseCasesHead(l.Data)
	if err != nil {
		return nil, h, err
	}
	var seed []byte
	var at int64
	err = tx.QueryRowContext(ctx, `SELECT seed, ledger_index FROM response_day WHERE day = $1`, h.Day).Scan(&seed, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, h, fmt.Errorf("%w: what the ledger's head of %s was made of is gone", ErrChain, h.Day)
	}
	if err != nil {
		return nil, h, err
	}
	of, err := heads(ctx, tx, `SELECT case_id, entries, head FROM response_day_case WHERE day = $1 ORDER BY case_id`, h.Day)
	if err != nil {
		return nil, h, err
	}
	tree, err := check.NewCasesTree(seed, of)
	if err != nil {
		return nil, h, fmt.Errorf("%w: %w", ErrChain, err)
	}
	if tree.Root() != h.Head || at != l.LedgerIndex {
		return nil, h, fmt.Errorf("%w: what the ledger's head of %s was made of has changed", ErrChain, h.Day)
	}
	return tree, h, nil
}

// telling are the days that an export needs: the first that commits to each number of entries, and the newest.
func telling(days []Day) []Day {
	var out []Day
	for i, d := range days {
		if d.Public && (len(out) == 0 || d.Entries != out[len(out)-1].Entries || i == len(days)-1) {
			out = append(out, d)
		}
	}
	return slices.Clip(out)
}
