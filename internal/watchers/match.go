package watchers

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"shirase/identity"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// Kinds of news.
const (
	in       = "in"       // the address is in the scope
	addendum = "addendum" // or a correction
	final    = "final"    // the scope is settled
)

// blockSize is how many of those who watch are held in memory at once: 24 bytes each.
const blockSize = 2_000_000

// chunk is how many rows are written at once, so that others write in between.
const chunk = 1000

// news is something to be told.
type news struct{ id, incident, kind, ref, roster string }

// Look finds what has become public since it looked last, and writes down what is to be told. The first time nothing is: whoever watches was
// not there before.
func (w *Watchers) Look(ctx context.Context) error {
	standing, err := w.Public(ctx)
	if err != nil {
		return fmt.Errorf("look for news: %w", err)
	}
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		seen, err := w.seen(ctx, tx)
		if err != nil {
			return err
		}
		_, begun := seen[""]
		if !begun {
			standing = append(slices.Clone(standing), Standing{})
		}
		for _, now := range standing {
			was, known := seen[now.Incident]
			if known && was.State == now.State && was.Scope == now.Scope && was.Told == now.Told {
				continue
			}
			if begun {
				for _, n := range between(was, now) {
					if _, err := tx.ExecContext(ctx, `INSERT INTO watchers_news (id, incident, kind, ref, roster, at, state, matched) VALUES ($1, $2, $3, $4, $5, $6, 'matching', 0) ON CONFLICT (incident, kind, ref) DO NOTHING`,
						newID(), n.incident, n.kind, n.ref, n.roster, store.Micros(w.Now())); err != nil {
						return err
					}
				}
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO watchers_seen (incident, state, scope, told) VALUES ($1, $2, $3, $4)
				ON CONFLICT (incident) DO UPDATE SET state = excluded.state, scope = excluded.scope, told = excluded.told`, now.Incident, now.State, now.Scope, now.Told); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for news: %w", err)
	}
	return nil
}

func (w *Watchers) seen(ctx context.Context, tx *sql.Tx) (map[string]Standing, error) {
	rows, err := tx.QueryContext(ctx, `SELECT incident, state, scope, told FROM watchers_seen`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]Standing{}
	for rows.Next() {
		var s Standing
		if err := rows.Scan(&s.Incident, &s.State, &s.Scope, &s.Told); err != nil {
			return nil, err
		}
		out[s.Incident] = s
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// between gives what is news in how an incident stands.
func between(was, now Standing) (out []news) {
	add := func(kind, ref string) { out = append(out, news{"", now.Incident, kind, ref, now.Roster}) }
	if now.Scope != was.Scope && now.Roster != "" {
		add(in, now.Scope)
	}
	if was.State == "investigating" && now.State == "final" {
		add(final, now.Scope)
	}
	if now.Told > was.Told && was.Incident != "" { // of one that is new all of it is
		add(addendum, fmt.Sprint(now.Told))
	}
	return out
}

// Match matches what is to be told against those who watch, and gives how much of it. What was begun by a process that died is begun anew:
// nobody is written down twice. What cannot be matched for now, as a case's key is away, waits with all that is news of that case, which is told in its
// order; it keeps no other case waiting.
func (w *Watchers) Match(ctx context.Context) (done int, err error) {
	var failed error
	waits := map[string]bool{}
	for at, after := int64(math.MinInt64), ""; ctx.Err() == nil; {
		var n news
		err := w.DB.QueryRowContext(ctx, `SELECT at, id, incident, kind, ref, roster FROM watchers_news WHERE state = 'matching' AND (at > $1 OR at = $1 AND id > $2) ORDER BY at, id LIMIT 1`, at, after).
			Scan(&at, &n.id, &n.incident, &n.kind, &n.ref, &n.roster)
		if errors.Is(err, sql.ErrNoRows) {
			return done, failed
		}
		if err != nil {
			return done, errors.Join(failed, fmt.Errorf("match news: %w", err))
		}
		if after = n.id; waits[n.incident] {
			continue
		}
		state := "matched"
		matched, err := w.match(ctx, n)
		if err == nil {
			err = w.countDomains(ctx, n)
		}
		switch {
		case errors.Is(err, roster.ErrShredded): // with what was written down of it before
			state, err = "gone", w.forgetCase(ctx, n.incident)
		case errors.Is(err, roster.ErrNone):
			state, err = "gone", nil
		}
		if err == nil {
			_, err = w.DB.ExecContext(ctx, `UPDATE watchers_news SET state = $2, matched = $3 WHERE id = $1`, n.id, state, matched)
		}
		if err != nil {
			failed, waits[n.incident] = errors.Join(failed, fmt.Errorf("match news of %s: %w", n.incident, err)), true
			continue
		}
		done++
	}
	return done, errors.Join(failed, ctx.Err())
}

// entry is one of those who watch, as they are held in memory.
type entry struct {
	who    [tagBytes]byte
	n      int64
	digest bool
}

// match finds who is told one thing: members of the roster who watch, and whoever follows the incident.
func (w *Watchers) match(ctx context.Context, n news) (matched int64, err error) {
	seal, err := w.Rosters.Sealer(ctx, n.incident, true)
	if err != nil {
		return 0, err
	}
	out := &hits{w: w, n: n, seal: seal, at: w.Now()}
	if n.kind != in {
		if err := w.followers(ctx, n.incident, out); err != nil {
			return 0, err
		}
	}
	if err := out.write(ctx); err != nil || n.roster == "" { // who follows is told even where the roster is gone
		return out.total, err
	}
	r, err := w.Rosters.Named(ctx, n.incident, n.roster)
	if err != nil {
		return 0, err
	}
	for after := []byte{}; ; {
		block, err := w.block(ctx, after)
		if err != nil || len(block) == 0 {
			return out.total, errors.Join(err, out.write(ctx))
		}
		if err := w.among(ctx, r, block, out); err != nil {
			return 0, err
		}
		after = block[len(block)-1].who[:]
	}
}

// block reads those who watch, in the order of their hashes.
func (w *Watchers) block(ctx context.Context, after []byte) ([]entry, error) {
	rows, err := w.DB.QueryContext(ctx, `SELECT who, n, digest FROM watchers_person WHERE who > $1 ORDER BY who LIMIT $2`, after, blockSize)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []entry
	var who sql.RawBytes
	for rows.Next() {
		var e entry
		var digest int64
		if err := rows.Scan(&who, &e.n, &digest); err != nil {
			return nil, err
		}
		copy(e.who[:], who)
		e.digest = digest == 1
		out = append(out, e)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// among streams the roster past a block.
func (w *Watchers) among(ctx context.Context, r roster.Roster, block []entry, out *hits) error {
	for m, err := range w.Rosters.Members(ctx, r) {
		if err != nil {
			return err
		}
		if m.Identity.Kind != identity.KindEmail {
			continue
		}
		who := w.who(m.Identity)
		i, found := slices.BinarySearchFunc(block, who, func(e entry, who []byte) int { return bytes.Compare(e.who[:], who) })
		if !found {
			continue
		}
		if err := out.add(ctx, block[i].n, block[i].digest); err != nil {
			return err
		}
	}
	return nil
}

func (w *Watchers) followers(ctx context.Context, incident string, out *hits) error {
	for after := int64(0); ; {
		var page []entry
		rows, err := w.DB.QueryContext(ctx, `SELECT p.n, p.digest FROM watchers_follow f JOIN watchers_person p ON p.n = f.n WHERE f.incident = $1 AND p.n > $2 ORDER BY p.n LIMIT $3`, incident, after, 10*chunk)
		if err != nil {
			return err
		}
		for rows.Next() {
			var e entry
			var digest int64
			if err := rows.Scan(&e.n, &digest); err != nil {
				rows.Close()
				return err
			}
			e.digest = digest == 1
			page = append(page, e)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			if err := out.add(ctx, e.n, e.digest); err != nil {
				return err
			}
		}
		after = page[len(page)-1].n
	}
}

// hit is somebody who is told.
type hit struct {
	tag []byte
	n   int64
	due int64
}

// hits gathers who is told, and writes them down.
type hits struct {
	w     *Watchers
	n     news
	seal  *store.Sealer
	at    time.Time // one for all: a roster is sorted by who is in it, and so would be the instants at which they are found
	rows  []hit
	total int64
}

func (h *hits) add(ctx context.Context, n int64, digest bool) error {
	due := h.at
	if digest {
		due = nextDigest(due)
	}
	h.rows = append(h.rows, hit{tagOf(h.seal, n), n, store.Micros(due)})
	h.total++
	if len(h.rows) < chunk {
		return nil
	}
	return h.write(ctx)
}

func (h *hits) write(ctx context.Context) error {
	if len(h.rows) == 0 {
		return nil
	}
	ref := h.n.ref
	if h.n.kind == in { // of one incident once, whatever becomes of its scope
		ref = ""
	}
	slices.SortFunc(h.rows, func(a, b hit) int { return bytes.Compare(a.tag, b.tag) }) // and so would be the rows
	rows := make([]any, 0, 3*len(h.rows))
	for _, x := range h.rows {
		rows = append(rows, x.tag, sealWhom(h.seal, x.n, ""), x.due)
	}
	h.w.step()
	err := h.w.DB.Update(ctx, func(tx *sql.Tx) error {
		for some := range slices.Chunk(rows, 3*atOnce) {
			if _, err := tx.ExecContext(ctx, insert(len(some)/3), append([]any{h.n.incident, h.n.kind, ref}, some...)...); err != nil {
				return err
			}
		}
		return nil
	})
	h.rows = h.rows[:0]
	h.w.step()
	return err
}

// atOnce is how many rows one statement writes: SQLite looks each parameter up among all of the statement's, so that the time goes with the square.
const atOnce = 20

func insert(n int) string {
	var q strings.Builder
	q.WriteString(`INSERT INTO watchers_mail (incident, kind, ref, tag, whom, due, n, state, mail, tries) VALUES `)
	for i := range n {
		if i > 0 {
			q.WriteString(", ")
		}
		fmt.Fprintf(&q, "($1, $2, $3, $%d, $%d, $%d, 0, 'waiting', '', 0)", 3*i+4, 3*i+5, 3*i+6)
	}
	q.WriteString(` ON CONFLICT (incident, kind, ref, tag) DO NOTHING`)
	return q.String()
}

// japan is where the day's news is sent: at nine in the morning.
var japan = time.FixedZone("JST", 9*60*60)

func nextDigest(now time.Time) time.Time {
	at := now.In(japan)
	next := time.Date(at.Year(), at.Month(), at.Day(), 9, 0, 0, 0, japan)
	if !next.After(at) {
		next = next.AddDate(0, 0, 1)
	}
	return next
}
