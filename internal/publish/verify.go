package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/ledger"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// Verified is what verifying everything that was ever published came to.
type Verified struct {
	Statements int64 `json:"statements"`
	ledger.Report
}

// Verify reads every file of the ledger and every row of the database behind it, and recomputes all of it: the chain of
// statements, every notice, every fact that a notice froze, what the public is shown of each incident, and every layer. It
// opens nothing that would mend or refuse what it verifies, and no roster ([roster.Verify]). What it found stands in the
// report beside the error.
func Verify(ctx context.Context, db *store.DB, dir *files.Dir, x *index.Index, vkey string) (Verified, error) {
	for try := 1; ; try++ {
		before, _ := ledger.Committed(ctx, db) // what is damaged there is told below
		out, err := verify(ctx, db, dir, x, vkey)
		if err == nil || try == verifyTries {
			return out, err
		}
		// Files and tables are not read in one instant: what was published meanwhile is no damage.
		if after, countErr := ledger.Committed(ctx, db); countErr != nil || after == before {
			return out, err
		}
	}
}

// Mended is what Repair found and wrote.
type Mended struct {
	Ledger ledger.Mended `json:"ledger"`
	Index  index.Mended  `json:"index"`
}

// Repair writes anew what follows from what is whole: the ledger's files from the database, and served layers from the
// incidents' own. signingKey is needed only where witnesses have to be asked; "" where it is not here. What it cannot mend is
// an error with the command that does, beside what it has mended. Errors: ErrDamaged, ErrFork, ErrUnwitnessed.
func Repair(ctx context.Context, db *store.DB, dir *files.Dir, x *index.Index, signingKey string, witnesses Witnesses) (out Mended, err error) {
	if out.Ledger, err = ledger.Repair(ctx, db, dir, signingKey, witnesses); err != nil && !errors.Is(err, ErrUnwitnessed) {
		return out, err
	}
	var other error
	out.Index, other = x.Repair(ctx)
	return out, errors.Join(err, other)
}

// verifyTries is how often what changes while it is verified is verified again.
const verifyTries = 5

func verify(ctx context.Context, db *store.DB, dir *files.Dir, x *index.Index, vkey string) (Verified, error) {
	chain, audit := new(index.Chain), new(incident.Audit)
	var broken error // told after the damage that may have broken it
	var out Verified
	var err error
	out.Report, err = ledger.Verify(ctx, dir, vkey, db, func(at int64, kind string, data []byte) error {
		switch kind {
		case check.KindStatement:
			if broken == nil {
				broken = chain.NextAt(at, data)
			}
		case check.KindNotice:
			audit.Next(at, data)
		}
		return nil
	})
	out.Statements = chain.Seq
	if err == nil {
		err = broken
	}
	if err == nil {
		err = x.VerifyChain(ctx, chain, out.Size, out.Database)
	}
	if err == nil {
		err = verifyNotices(ctx, db, audit, &out.Report)
	}
	if err == nil {
		err = x.VerifyPublished(ctx, chain)
	}
	if err == nil {
		err = verifyLedgerKeys(ctx, x, &out.Report, vkey)
	}
	if err == nil {
		err = verifyScopes(ctx, db, x, chain)
	}
	return out, err
}

// verifyLedgerKeys compares the ledger's keys with what the newest statement says of them.
func verifyLedgerKeys(ctx context.Context, x *index.Index, report *ledger.Report, vkey string) error {
	st, _, _, err := x.Statement(ctx)
	if errors.Is(err, index.ErrNone) || err == nil && st.Ledger == nil {
		return nil
	}
	if err == nil && (st.Ledger.Key != check.VKeyHash(vkey) || st.Ledger.Next != report.Next) {
		err = fmt.Errorf("ledger_key: %w: the newest statement names other keys", ledger.ErrDamaged)
	}
	return err
}

// verifyScopes compares each revision that was published with the roster that it is said to be sealed from: whoever edits which
// one that is decides whom the next publication takes for sealed.
func verifyScopes(ctx context.Context, db *store.DB, x *index.Index, chain *index.Chain) error {
	rosters, err := roster.Reader(ctx, db)
	if err != nil {
		return err
	}
	for _, r := range chain.Revisions() {
		name, err := x.Roster(ctx, r.Incident, r.Revision)
		if err != nil {
			return err
		}
		scope, err := rosters.Named(ctx, r.Incident, name)
		if err != nil {
			return fmt.Errorf("index_revision %s revision %s: the roster that it was sealed from: %w", r.Incident, r.Revision, err)
		}
		counts := map[string]int64{}
		for _, kind := range scope.Index {
			if n := scope.Counts.Identities[kind]; n > 0 {
				counts[string(kind)] = n
			}
		}
		if !maps.Equal(counts, r.Counts) {
			return fmt.Errorf("index_revision %s revision %s: %w: it was sealed from another roster than its row says", r.Incident, r.Revision, ledger.ErrDamaged)
		}
	}
	return nil
}

// maxProblems is how many problems of notices a report lists.
const maxProblems = 100

// verifyNotices compares notices, facts and what is shown with the ledger, and puts what is wrong into the report.
func verifyNotices(ctx context.Context, db *store.DB, audit *incident.Audit, report *ledger.Report) error {
	incidents, err := incident.New(ctx, db, nil)
	if err != nil {
		return err
	}
	problems, err := incidents.VerifyPublished(ctx, audit, report.Size, report.Database)
	if err != nil || len(problems) == 0 {
		return err
	}
	first := len(report.Problems)
	for _, p := range problems[:min(len(problems), maxProblems)] {
		report.Problems = append(report.Problems, ledger.Problem{Where: p.Where, Index: p.Index, What: p.What})
	}
	return fmt.Errorf("%w: problem 1 of %d: %s", ledger.ErrDamaged, len(problems), report.Problems[first].String())
}
