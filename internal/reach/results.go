package reach

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// ErrResults says that a file of results is refused: nothing of it counts.
var ErrResults = errors.New("the results are refused, and nothing of them counts")

// ResultsRead is what a file of results has come to.
type ResultsRead struct {
	SHA256  string
	Sealed  bool // it was sealed to the case
	Again   bool // the same file was read before: nothing was changed
	Rows    int64
	Changed int64
	Kept    int64 // rows that say less than is known
	Counts  map[State]int64
}

// Columns of a file of results (docs/FORMAT.md, results of a house).
const (
	outcomeColumn = "outcome"
	dateColumn    = "date"
	reasonColumn  = "reason"
)

// outcomes are what a house can say of somebody. Japanese words are those that Japan Post and houses use.
var outcomes = map[string]State{"handed-over": HandedOver, "受付": HandedOver, "accepted": Accepted, "差出済": Accepted, "差出": Accepted, "returned": Bounced, "返戻": Bounced, "返送": Bounced, "unsent": Refused, "未発送": Refused,
	"unknown": Unknown, "不明": Unknown}

// resultReasons are why somebody was not reached, by the words that a house may use.
var resultReasons = map[string]string{"moved": "hasmoved", "転居先不明": "hasmoved", "unknown": "userunknown", "あて所に尋ねあたりません": "userunknown", "あて所に尋ねあたらず": "userunknown", "refused": "declined", "受取拒絶": "declined",
	"unclaimed": "unclaimed", "保管期間経過": "unclaimed", "address": "address", "あて名不完全": "address", "suspended": "suspend", "expired": "expired", "other": "undefined", "その他": "undefined"}

// Bounds of a file of results.
const (
	maxResultRow  = 4 << 10 // bytes a row, on the whole
	maxResultText = 1 << 20 // beside that
	maxRowErrors  = 20      // that are told
)

// reported is what a row says.
type reported struct {
	ordinal int64
	line    int64
	state   State
	reason  uint8
	at      uint32 // 0: the row has no day
}

// rowErrors are why rows are refused, with their lines.
type rowErrors struct {
	told []string
	n    int64
}

func (e *rowErrors) add(line int64, format string, args ...any) {
	if e.n++; len(e.told) < maxRowErrors {
		e.told = append(e.told, fmt.Sprintf("line %d: ", line)+fmt.Sprintf(format, args...))
	}
}

func (e *rowErrors) err() error {
	if e.n == 0 {
		return nil
	}
	text := strings.Join(e.told, "; ")
	if more := e.n - int64(len(e.told)); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return hint.Add(fmt.Errorf("%w: %s", ErrResults, text), "have the house mend these rows, and read the whole file again")
}

// Results reads what came of those who are in a file: all of it counts, or nothing does. It may be sealed to the case. What is read twice
// changes nothing. Errors: ErrResults with the lines, ErrState.
func (r *Reach) Results(ctx context.Context, who actor.Actor, id string, in io.Reader) (ResultsRead, error) {
	const what = "read results"
	x, err := r.mayExport(ctx, who, id, what, actor.Contribute)
	if err != nil {
		return ResultsRead{}, err
	}
	if x.State != ExportHanded && x.State != ExportDestroyed {
		return ResultsRead{}, fmt.Errorf("%s: %w: %s is %s: the house has not got it", what, ErrState, id, x.State)
	}
	out, err := r.results(ctx, who, x, in)
	if err != nil {
		if errors.Is(err, roster.ErrExport) {
			err = fmt.Errorf("%w: %w", ErrResults, err)
		}
		return ResultsRead{}, fmt.Errorf("%s: %w", what, err)
	}
	r.seen()
	return out, nil
}

func (r *Reach) results(ctx context.Context, who actor.Actor, x *Export, in io.Reader) (ResultsRead, error) {
	seal, err := r.Rosters.Sealer(ctx, x.Incident, false)
	if err != nil {
		return ResultsRead{}, err
	}
	out := ResultsRead{Counts: map[State]int64{}}
	plain, sealed, err := r.Rosters.Unseal(ctx, x.Incident, in)
	if err != nil {
		return out, err
	}
	sum := sha256.New()
	out.Sealed = sealed
	most := x.Manifest.Rows*maxResultRow + maxResultText
	whole := io.TeeReader(io.LimitReader(plain, most+1), sum)
	rows, err := r.parseResults(ctx, seal, x, whole, most)
	if err == nil {
		_, err = io.Copy(io.Discard, whole) // to its end: an age file that was cut off is known there
	}
	if err != nil {
		return out, err
	}
	out.SHA256, out.Rows = hex.EncodeToString(sum.Sum(nil)), int64(len(rows))
	slices.SortFunc(rows, func(a, b reported) int { return int(a.ordinal - b.ordinal) })
	err = r.DB.Update(ctx, func(tx *sql.Tx) error { return r.applyResults(ctx, tx, who, x, seal, rows, &out) })
	return out, err
}

// parseResults reads the rows, and refuses them all where one is none.
func (r *Reach) parseResults(ctx context.Context, seal *store.Sealer, x *Export, in io.Reader, most int64) ([]reported, error) {
	refs := newReferences(seal, x.ID)
	var rows []reported
	var bad rowErrors
	first := map[int64]int64{} // the line of each who was named
	source := func(context.Context) (io.ReadCloser, int64, error) { return io.NopCloser(in), 0, nil }
	table := roster.Table{Source: source, Columns: []string{referenceColumn, outcomeColumn}, Optional: []string{dateColumn, reasonColumn}, Only: true, MaxText: most}
	err := roster.Rows(ctx, table, func(row roster.Row) error {
		if int64(len(rows))+bad.n > 2*x.Manifest.Rows+maxRowErrors {
			return fmt.Errorf("%w: line %d: it has more than twice the rows that the file had", ErrResults, row.Line)
		}
		if row.Flaw != "" {
			bad.add(row.Line, "%s", row.Flaw)
			return nil
		}
		one, why := parseResult(refs, row, x.Made, r.Now())
		switch was, double := first[one.ordinal]; {
		case why == notOurs && len(bad.told) < maxRowErrors: // it is looked for in every other file, which nobody waits for where all rows are another's
			bad.add(row.Line, "%s", r.whose(ctx, x, string(row.Values[0])))
		case why != "":
			bad.add(row.Line, "%s", why)
		case double:
			bad.add(row.Line, "the same reference as in line %d", was)
		default:
			first[one.ordinal] = row.Line
			rows = append(rows, one)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if bad.n == 0 && len(rows) == 0 {
		return nil, fmt.Errorf("%w: it has no rows", ErrResults)
	}
	return rows, bad.err()
}

// notOurs is what is wrong with a reference that is of no row of the file.
const notOurs = "reference"

// whose says what is wrong with a reference that is none of a file's.
func (r *Reach) whose(ctx context.Context, x *Export, ref string) string {
	if others, err := r.Exports(ctx, actor.Server(), x.Incident); err == nil {
		if seal, err := r.Rosters.Sealer(ctx, x.Incident, false); err == nil {
			for _, o := range others {
				if _, ok := newReferences(seal, o.ID).place(ref); ok && o.ID != x.ID {
					return "a reference of file " + o.ID + ", and not of " + x.ID
				}
			}
		}
	}
	return "a reference that is none of this file's"
}

// parseResult reads one row. why holds no value of it.
func parseResult(refs references, row roster.Row, made, now time.Time) (one reported, why string) {
	one.line = row.Line
	value := func(i int) string { return strings.TrimSpace(string(row.Values[i])) }
	ordinal, ok := refs.place(value(0))
	if !ok {
		return one, notOurs
	}
	one.ordinal = ordinal
	if one.state, ok = outcomes[value(1)]; !ok {
		return one, "an outcome that is none of handed-over, accepted, returned, unsent, unknown"
	}
	if d := value(2); d != "" {
		day, err := time.Parse("2006-1-2", strings.ReplaceAll(d, "/", "-"))
		if err != nil {
			return one, "a date that is no day such as 2026-12-01"
		}
		if day.Before(made.AddDate(0, 0, -2)) || day.After(now.AddDate(0, 0, 1)) {
			return one, "a date before the file was made, or still to come"
		}
		one.at = uint32(day.Unix())
	}
	reason := value(3)
	name, known := resultReasons[reason]
	failed := one.state == Bounced || one.state == Refused
	switch {
	case reason != "" && !known:
		return one, "a reason that is none of moved, unknown, refused, unclaimed, address, suspended, expired, other"
	case failed && reason == "":
		return one, "no reason, though it was not delivered"
	case !failed && reason != "":
		return one, "a reason, though it is not said that it was returned or not sent"
	}
	if one.reason = reasonOf(name); one.state == Unknown {
		one.reason = reasonOf("interrupted")
	}
	return one, ""
}

// applyResults moves all whom the rows are of.
func (r *Reach) applyResults(ctx context.Context, tx *sql.Tx, who actor.Actor, x *Export, seal *store.Sealer, rows []reported, out *ResultsRead) error {
	*out = ResultsRead{SHA256: out.SHA256, Sealed: out.Sealed, Rows: out.Rows, Counts: map[State]int64{}}
	var before int64
	err := tx.QueryRowContext(ctx, `SELECT rows FROM reach_result WHERE export = $1 AND sha256 = $2`, x.ID, out.SHA256).Scan(&before)
	if err == nil {
		out.Again = true
		return nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	now := uint32(r.Now().Unix())
	j := newJournal()
	for len(rows) > 0 {
		n := rows[0].ordinal / blockSize
		b, err := loadBlock(ctx, tx, x.Campaign, n)
		if errors.Is(err, ErrNotFound) {
			return fmt.Errorf("%w: block %d", ErrDamaged, n)
		}
		if err != nil {
			return err
		}
		changed := false
		for ; len(rows) > 0 && rows[0].ordinal/blockSize == n; rows = rows[1:] {
			one, i := rows[0], int(rows[0].ordinal%blockSize)
			if i >= b.size() || b.get(i).state == outside {
				return fmt.Errorf("%w: a reference leads to nobody", ErrDamaged)
			}
			was := b.get(i)
			is := was
			if int64(was.relay) == x.n && was.state != Pending && was.state != Intended { // else a later file has them
				is = was.result(one, now)
			}
			if out.Counts[one.state]++; is == was {
				if was.state != one.state || was.reason != one.reason {
					out.Kept++
				}
				continue
			}
			out.Changed++
			b.set(i, is)
			j.add(one.ordinal, is, "")
			changed = true
		}
		if changed {
			if err := b.save(ctx, tx, x.Campaign); err != nil {
				return err
			}
		}
		if j.hi-j.lo >= shardBlocks {
			if err := j.save(ctx, tx, x.Campaign, seal, r.Now()); err != nil {
				return err
			}
			j = newJournal()
		}
		r.step()
	}
	if err := j.save(ctx, tx, x.Campaign, seal, r.Now()); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO reach_result (export, sha256, at, actor, rows, changed) VALUES ($1, $2, $3, $4, $5, $6)`, x.ID, out.SHA256, store.Micros(r.Now()), who.String(), out.Rows, out.Changed); err != nil {
		return err
	}
	if err := r.event(ctx, tx, who, x.Campaign, "results", x.ID); err != nil {
		return err
	}
	r.step()
	return r.overIn(ctx, tx, x.Campaign)
}

// result is the record after what a house says. What came back stays so when it is said that it had left, and who is told in another way
// stays so.
func (x record) result(one reported, now uint32) record {
	at := one.at
	if at == 0 {
		at = now
	}
	if x.state == one.state && x.reason == one.reason && (one.at == 0 || one.at == x.at) {
		return x
	}
	switch {
	case x.state == Substitute,
		x.state == Bounced && one.state != Bounced,
		x.state == Accepted && (one.state == HandedOver || one.state == Unknown),
		x.state == Refused && one.state == HandedOver:
		return x
	case x.state == one.state && one.state == HandedOver: // it was handed over when it was, by us
		return x
	}
	x.state, x.reason, x.at, x.due = one.state, one.reason, at, 0
	return x
}
