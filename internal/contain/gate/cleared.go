package gate

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"

	"shirase/identity"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// shards are how many counters number what is cleared: transactions that clear at once seldom wait for one another.
const shards = 16

// An Account is somebody at a login, by what the application knows of them; what it does not know is "". Account is the organisation's
// own id, as it stands in the exports that rosters are made of; Email an address in any form.
type Account struct {
	Account string
	Email   string
}

// hashSize is how much of a keyed hash is kept of an account that has done what was asked of it.
const hashSize = 16

type hash [hashSize]byte

// looksUp is the context of keyed hashes at the gate.
const looksUp = "gate account"

func hashOf(s *store.Sealer, kind, value string) hash {
	return hash(s.Lookup(looksUp, []byte(kind+"\x00"+value))[:hashSize])
}

// hashes gives what an account may be found by under a case's key: by id, and by address.
func (a Account) hashes(s *store.Sealer) []hash {
	var out []hash
	if a.Account != "" && len(a.Account) <= identity.MaxInput {
		out = append(out, hashOf(s, "account", a.Account))
	}
	if a.Email != "" {
		if id, err := identity.ParseEmail(a.Email); err == nil {
			out = append(out, hashOf(s, "email", id.Value))
		}
	}
	return out
}

// Clear says that an account has done what a hold of a case asks of it: it has a new password, or has read the notice. It is in tx: it
// becomes true with whatever else does. It does nothing where the hold is not in force. The caller then has [Gate.Poke] called, so that
// it is true on this machine at once; elsewhere it is within two seconds. Errors: those of the case's key.
//
// All of an account's names are wanted that an application may ask by: by one that is not named here it is held still.
func (g *Gate) Clear(ctx context.Context, tx *sql.Tx, incident string, hold Hold, accounts ...Account) error {
	force, err := blocks(ctx, tx, `lifted_at = 0 AND incident = $1 AND accounts = $2`, incident, string(hold))
	if err != nil || len(force) == 0 {
		return wrap("clear an account at the gate", err)
	}
	s, err := roster.SealerOf(g.Keys, incident)
	if err != nil {
		return fmt.Errorf("clear an account at the gate: %w", err)
	}
	for _, a := range accounts {
		for i, h := range a.hashes(s) {
			for _, b := range force {
				if err := g.clear(ctx, tx, b.Round, h, i == 0); err != nil {
					return wrap("clear an account at the gate", err)
				}
			}
		}
	}
	return nil
}

// clear writes down one hash; twice is once. The first of an account's counts as the account.
func (g *Gate) clear(ctx context.Context, tx *sql.Tx, round string, h hash, first bool) error {
	var there int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM gate_cleared WHERE round = $1 AND hash = $2`, round, h[:]).Scan(&there); err != nil || there > 0 {
		return err
	}
	shard := int64(binary.BigEndian.Uint16(h[hashSize-2:]) % shards)
	var n int64
	if err := tx.QueryRowContext(ctx, `INSERT INTO gate_shard (n, last) VALUES ($1, 1) ON CONFLICT (n) DO UPDATE SET last = gate_shard.last + 1 RETURNING last`, shard).Scan(&n); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO gate_cleared (shard, n, round, hash, first, at) VALUES ($1, $2, $3, $4, $5, $6)`, shard, n, round, h[:], first, store.Micros(g.Now()))
	return err
}

// ClearNow is Clear in a transaction of its own, and true on this machine when it returns.
func (g *Gate) ClearNow(ctx context.Context, incident string, hold Hold, accounts ...Account) error {
	err := g.DB.Update(ctx, func(tx *sql.Tx) error { return g.Clear(ctx, tx, incident, hold, accounts...) })
	if err == nil {
		g.poke()
	}
	return err
}

// Poke has the nodes of this process look now at what was written down.
func (g *Gate) Poke() { g.poke() }

// InForceFor gives the hold of a kind that is in force in a case; false where there is none. For whoever opens and closes the reset.
func (g *Gate) InForceFor(ctx context.Context, incident string, hold Hold) (Block, bool, error) {
	force, err := blocks(ctx, g.DB, `lifted_at = 0 AND incident = $1 AND accounts = $2`, incident, string(hold))
	if err != nil || len(force) == 0 {
		return Block{}, false, wrap("read the gate", err)
	}
	return force[len(force)-1], true, nil
}

// Cleared reports, by the database, whether an account has done what a hold of a case asks: by any of its names.
func (g *Gate) Cleared(ctx context.Context, incident string, hold Hold, a Account) (bool, error) {
	b, ok, err := g.InForceFor(ctx, incident, hold)
	if err != nil || !ok {
		return false, err
	}
	s, err := roster.SealerOf(g.Keys, incident)
	if err != nil {
		return false, fmt.Errorf("read the gate: %w", err)
	}
	for _, h := range a.hashes(s) {
		var n int
		if err := g.DB.QueryRowContext(ctx, `SELECT count(*) FROM gate_cleared WHERE round = $1 AND hash = $2`, b.Round, h[:]).Scan(&n); err != nil {
			return false, wrap("read the gate", err)
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, nil
}

// Seen says that somebody has read the notice of a case at their login. It is counted once, and [Rooms].Told hears of it in the same transaction.
func (g *Gate) Seen(ctx context.Context, incident string, a Account) error {
	s, err := roster.SealerOf(g.Keys, incident)
	if err != nil {
		return fmt.Errorf("note who has read a notice: %w", err)
	}
	names := a.hashes(s)
	err = g.DB.Update(ctx, func(tx *sql.Tx) error {
		force, err := blocks(ctx, tx, `lifted_at = 0 AND incident = $1 AND accounts = $2`, incident, string(Notice))
		if err != nil || len(force) == 0 || len(names) == 0 {
			return err
		}
		round := force[len(force)-1].Round
		var before int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM gate_cleared WHERE round = $1 AND hash = $2`, round, names[0][:]).Scan(&before); err != nil {
			return err
		}
		for i, h := range names {
			if err := g.clear(ctx, tx, round, h, i == 0); err != nil {
				return err
			}
		}
		if before > 0 || g.Told == nil {
			return nil
		}
		return g.Told(ctx, tx, incident, a)
	})
	return wrap("note who has read a notice", err)
}
