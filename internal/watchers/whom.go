package watchers

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"shirase/internal/roster"
	"shirase/internal/store"
)

// That somebody is told that they are in a case says that they were in it. So whom a row is of is under the case's key and nothing else: with that
// key gone, neither the database nor a backup of any day says it, whoever has the keys of the room and of every other case. What somebody is told of
// several cases by one mail is found together by their tag in each, and by nothing that is the same in the rows of two cases: not the mail's id, not
// the instant at which it is tried again, and not the order in which rows are written.

// item is one thing that somebody is to be told.
type item struct {
	news
	tag, whom  []byte
	tries, due int64
	seal       *store.Sealer
	n          int64
	mail       string // by which it was tried before: what is sent again is known for the same; "": not yet
	next       []byte // whom, once it is intended
}

func sealWhom(seal *store.Sealer, n int64, mail string) []byte {
	return seal.Seal("watchers_mail.whom", append(number(n), mail...))
}

func tagOf(seal *store.Sealer, n int64) []byte {
	return seal.Lookup("watchers told", number(n))[:tagBytes]
}

// open opens whom an item is of. store.ErrSeal.
func (x *item) open(seal *store.Sealer) error {
	plain, err := seal.Open("watchers_mail.whom", x.whom)
	if err != nil {
		return err
	}
	if len(plain) < 8 {
		return store.ErrSeal
	}
	x.n, x.mail, x.seal = int64(binary.BigEndian.Uint64(plain)), string(plain[8:]), seal
	if !bytes.Equal(x.tag, tagOf(seal, x.n)) { // it is another row's
		return store.ErrSeal
	}
	return nil
}

// sealers are the keys of cases, each read once.
type sealers map[string]func() (*store.Sealer, error)

func (s sealers) of(ctx context.Context, w *Watchers, incident string) (*store.Sealer, error) {
	if s[incident] == nil {
		seal, err := w.Rosters.Sealer(ctx, incident, false)
		s[incident] = func() (*store.Sealer, error) { return seal, err }
	}
	return s[incident]()
}

func (w *Watchers) items(ctx context.Context, where string, args ...any) ([]*item, error) {
	rows, err := w.DB.QueryContext(ctx, `SELECT incident, kind, ref, tag, whom, tries, due FROM watchers_mail WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*item
	for rows.Next() {
		x := &item{}
		if err := rows.Scan(&x.incident, &x.kind, &x.ref, &x.tag, &x.whom, &x.tries, &x.due); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// unfinished gives the incidents of which somebody is still to be told something, or it is unknown whether they were.
func (w *Watchers) unfinished(ctx context.Context) ([]string, error) {
	return store.Column[string](ctx, w.DB, `SELECT DISTINCT incident FROM watchers_news n WHERE EXISTS (SELECT 1 FROM watchers_mail m WHERE m.incident = n.incident AND m.state IN ('waiting', 'unknown'))`)
}

// due gives up to a batch of people to whom something is due, each with all that is; looked is how many rows were looked at, 0 where nothing is due.
// What cannot be read any more is dropped, and what cannot be for now, as a case's key is away, waits, and keeps nobody else waiting; so does what an
// earlier version wrote until it is sealed.
func (w *Watchers) due(ctx context.Context) (out []*telling, looked int, err error) {
	now := store.Micros(w.Now())
	first, err := w.items(ctx, `state = 'waiting' AND due <= $1 AND n = 0 ORDER BY due LIMIT $2`, now, batchSize)
	if err != nil || len(first) == 0 {
		return nil, 0, err
	}
	keys, people, cases, away := sealers{}, map[int64]bool{}, map[string]bool{}, map[string]error{}
	var lost []*item
	for _, x := range first {
		seal, err := keys.of(ctx, w, x.incident)
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		if err == nil {
			if err = x.open(seal); err == nil {
				people[x.n], cases[x.incident] = true, true
				continue
			}
			w.Log.Error("whom something is to be told cannot be read", "case", x.incident, "error", err)
		} else if !errors.Is(err, roster.ErrShredded) {
			away[x.incident] = err
			continue
		}
		lost = append(lost, x)
	}
	if err := w.lose(ctx, lost); err != nil {
		return nil, 0, err
	}
	for id, err := range away {
		w.Log.Error("nobody can be told of a case for now", "case", id, "error", err)
		if _, err := w.DB.ExecContext(ctx, `UPDATE watchers_mail SET due = $3 WHERE incident = $1 AND state = 'waiting' AND due <= $2`, id, now, now+time.Hour.Microseconds()); err != nil {
			return nil, 0, err
		}
	}
	open, err := w.unfinished(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, id := range open {
		cases[id] = true
	}
	all, err := w.ofPeople(ctx, keys, slices.Sorted(maps.Keys(cases)), slices.Sorted(maps.Keys(people)))
	return together(all, now), len(first), err
}

// ofPeople gives all that waits for somebody.
func (w *Watchers) ofPeople(ctx context.Context, keys sealers, cases []string, people []int64) (out []*item, err error) {
	if len(people) == 0 {
		return nil, nil
	}
	for _, id := range cases {
		seal, err := keys.of(ctx, w, id)
		if err != nil { // of that one it is said when it is due
			continue
		}
		args, in := []any{id}, make([]string, len(people))
		for i, n := range people {
			args, in[i] = append(args, tagOf(seal, n)), fmt.Sprintf("$%d", i+2)
		}
		of, err := w.items(ctx, `incident = $1 AND state = 'waiting' AND tag IN (`+strings.Join(in, ", ")+`)`, args...)
		if err != nil {
			return nil, err
		}
		for _, x := range of {
			if x.open(seal) == nil {
				out = append(out, x)
			}
		}
	}
	return out, nil
}

// together gives what each is told by one mail: what is due, and what an earlier try of it told with that.
func together(all []*item, now int64) (out []*telling) {
	type key struct {
		n    int64
		mail string
	}
	again := map[key]bool{}
	for _, x := range all {
		again[key{x.n, x.mail}] = again[key{x.n, x.mail}] || x.mail != "" && x.due <= now
	}
	slices.SortFunc(all, func(a, b *item) int {
		return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.mail, b.mail), cmp.Compare(a.incident, b.incident), cmp.Compare(a.kind, b.kind), cmp.Compare(a.ref, b.ref))
	})
	for _, x := range all {
		if x.due > now && !again[key{x.n, x.mail}] {
			continue
		}
		if len(out) == 0 || out[len(out)-1].n != x.n || out[len(out)-1].mail != x.mail {
			out = append(out, &telling{n: x.n, mail: x.mail})
		}
		t := out[len(out)-1]
		t.items, t.tries = append(t.items, x), max(t.tries, x.tries)
	}
	return out
}

// written is an item with what it is told by.
type written struct {
	*item
	of *telling
}

// ordered gives what a batch tells in the order in which it is written down, which is no order of people: by the tags of each case.
func ordered(due []*telling) (out []written) {
	for _, t := range due {
		for _, x := range t.items {
			out = append(out, written{x, t})
		}
	}
	slices.SortFunc(out, func(a, b written) int {
		return cmp.Or(cmp.Compare(a.incident, b.incident), bytes.Compare(a.tag, b.tag), cmp.Compare(a.kind, b.kind), cmp.Compare(a.ref, b.ref))
	})
	return out
}

// orLater is how long something waits that is to wait for d: for each row another time.
func orLater(d time.Duration) time.Duration { return d + rand.N(d) }

// earlier is since when something is due that is from now on: for each row another time.
func earlier(now time.Time) time.Time { return now.Add(-rand.N(24 * time.Hour)) }

// lose drops what cannot be told to anybody.
func (w *Watchers) lose(ctx context.Context, lost []*item) error {
	if len(lost) == 0 {
		return nil
	}
	return w.DB.Update(ctx, func(tx *sql.Tx) error {
		for _, x := range lost {
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_mail SET state = 'dropped', whom = $5, due = 0 WHERE incident = $1 AND kind = $2 AND ref = $3 AND tag = $4 AND state = 'waiting'`,
				x.incident, x.kind, x.ref, x.tag, []byte{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// tags gives by which tag somebody is known in each case of which something waits, or is unknown. Where a case's key is away, what is due says it.
func (w *Watchers) tags(ctx context.Context, n int64) (map[string][]byte, error) {
	cases, err := w.unfinished(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, id := range cases {
		if seal, err := w.Rosters.Sealer(ctx, id, false); err == nil {
			out[id] = tagOf(seal, n)
		}
	}
	return out, ctx.Err()
}

// named are the cases of which anything may be left that says whom it is of. It goes from one case to the next, as there are lines of every look and rows
// of every domain, and this is asked at each turn.
const named = `WITH RECURSIVE news(incident) AS (SELECT min(incident) FROM watchers_domain_news
		UNION ALL SELECT (SELECT min(n.incident) FROM watchers_domain_news n WHERE n.incident > news.incident) FROM news WHERE news.incident IS NOT NULL),
	looks(incident) AS (SELECT min(incident) FROM watchers_domain_log WHERE incident > ''
		UNION ALL SELECT (SELECT min(l.incident) FROM watchers_domain_log l WHERE l.incident > looks.incident) FROM looks WHERE looks.incident IS NOT NULL)
	SELECT incident FROM watchers_news WHERE state = 'matched' UNION SELECT incident FROM news WHERE incident IS NOT NULL UNION SELECT incident FROM looks WHERE incident IS NOT NULL`

// inClear are the cases of which an earlier version kept in the clear whom it is of.
const inClear = `SELECT incident FROM watchers_mail WHERE n <> 0 UNION SELECT incident FROM watchers_domain_news WHERE length(whom) = 0
	UNION SELECT incident FROM watchers_domain_log WHERE what = 'looked' AND incident <> ''`

// forget takes from what is to be told, or is unknown, of whom it is where the case was shredded: then nobody is to read any more who was in it.
func (w *Watchers) forget(ctx context.Context) error {
	all, err := store.Column[string](ctx, w.DB, named)
	if err != nil {
		return err
	}
	for _, id := range all {
		if _, err := w.Rosters.Sealer(ctx, id, false); !errors.Is(err, roster.ErrShredded) {
			continue
		}
		if err := w.forgetCase(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (w *Watchers) forgetCase(ctx context.Context, id string) error {
	return w.DB.Update(ctx, func(tx *sql.Tx) error {
		// What is in flight stays as it is, so that what comes of it is counted.
		if _, err := tx.ExecContext(ctx, `UPDATE watchers_mail SET n = 0, mail = '', whom = $2, due = CASE WHEN state = 'intended' THEN due ELSE 0 END, state = CASE WHEN state IN ('waiting', 'unknown') THEN 'dropped' ELSE state END
			WHERE incident = $1 AND (length(whom) > 0 OR n <> 0 OR mail <> '')`, id, []byte{}); err != nil {
			return err
		}
		for _, q := range []string{`DELETE FROM watchers_domain_news WHERE incident = $1`, // how many of which organisation were in it
			`DELETE FROM watchers_domain_log WHERE incident = $1 AND what = 'shown'`,
			`UPDATE watchers_domain_log SET incident = '' WHERE incident = $1`, // and whose owner was shown some, which an earlier version wrote
			`UPDATE watchers_news SET state = 'gone' WHERE incident = $1 AND state = 'matched'`} {
			if _, err := tx.ExecContext(ctx, q, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// sealEarlier takes under the cases' keys what earlier versions kept in the clear: of whom it is what waits or is unknown, what owners of domains were
// told, and in which cases they were shown addresses.
func (w *Watchers) sealEarlier(ctx context.Context) error {
	cases, err := store.Column[string](ctx, w.DB, inClear)
	if err != nil {
		return err
	}
	for _, id := range cases {
		seal, err := w.Rosters.Sealer(ctx, id, false)
		switch {
		case errors.Is(err, roster.ErrShredded):
			err = w.forgetCase(ctx, id)
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil: // it is sealed once the key is there
			w.Log.Error("whom an earlier version was to tell of a case cannot be sealed for now", "case", id, "error", err)
			err = nil
		default:
			if err = w.sealCase(ctx, id, seal); err == nil {
				err = w.DB.Update(ctx, func(tx *sql.Tx) error {
					return errors.Join(w.sealDomains(ctx, tx, id, seal), w.sealLooks(ctx, tx, id, seal))
				})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *Watchers) sealCase(ctx context.Context, id string, seal *store.Sealer) error {
	for more := true; more; {
		if err := w.DB.Update(ctx, func(tx *sql.Tx) error {
			rows, err := tx.QueryContext(ctx, `SELECT kind, ref, tag, n, mail, due FROM watchers_mail WHERE incident = $1 AND n <> 0 LIMIT $2`, id, chunk)
			if err != nil {
				return err
			}
			defer rows.Close()
			var some []*item
			for rows.Next() {
				x := &item{}
				if err := rows.Scan(&x.kind, &x.ref, &x.tag, &x.n, &x.mail, &x.due); err != nil {
					return err
				}
				some = append(some, x)
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return err
			}
			for _, x := range some {
				if x.mail != "" { // it was tried with others, at one instant
					x.due += rand.N(time.Minute).Microseconds()
				}
				if _, err := tx.ExecContext(ctx, `UPDATE watchers_mail SET n = 0, mail = '', whom = $5, due = $6 WHERE incident = $1 AND kind = $2 AND ref = $3 AND tag = $4`,
					id, x.kind, x.ref, x.tag, sealWhom(seal, x.n, x.mail), x.due); err != nil {
					return err
				}
			}
			more = len(some) > 0
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
