package enquiry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shirase/internal/store"
)

// Load is how the desk of an incident gets on with what it is asked, for whoever decides whether more people are told.
type Load struct {
	Used    bool  // somebody has opened it, or closed it again
	Open    bool  // it takes enquiries
	Waiting int64 // enquiries that wait for an answer
	Late    int64 // of them, those whose deadline has passed

	Oldest            time.Time // when the first of those that wait came; zero: none waits
	Handlers          int64     // people who have one in hand that waits
	Answered          int64     // answered, or closed
	LastHour, LastDay int64     // that came in the last hour, and the last 24: spam, and those that nobody has confirmed, are none
	Moves             int64     // goes up with all that is done with any
}

// Came gives how many enquiries of an incident came before a moment, spam and those that nobody has confirmed aside; false where its desk was never
// opened. It names nobody.
func (d *Desk) Came(ctx context.Context, of string, before time.Time) (n int64, ok bool, err error) {
	var opened int64
	err = d.DB.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM enquiry_desk WHERE incident = $1), (SELECT count(*) FROM enquiry WHERE incident = $1 AND state IN ('open', 'answered', 'closed') AND created < $2)`, of, store.Micros(before)).Scan(&opened, &n)
	if err != nil {
		return 0, false, fmt.Errorf("how many have asked of %s: %w", of, err)
	}
	return n, opened > 0, nil
}

// howItGetsOn reads each figure from an index alone (created + 0 is not walked in its order) but those of the last day, whose rows it reads: a board asks often, and a desk has a hundred thousand.
const howItGetsOn = `SELECT (SELECT count(*) FROM enquiry WHERE incident = $1 AND state = 'open'), (SELECT count(*) FROM enquiry WHERE incident = $1 AND state = 'open' AND due > 0 AND due < $2),
	(SELECT coalesce(min(created + 0), 0) FROM enquiry WHERE incident = $1 AND state = 'open'), moved.handlers, moved.answered,
	(SELECT count(*) FROM enquiry WHERE incident = $1 AND created > $3 AND state || '' IN ('open', 'answered', 'closed')), (SELECT count(*) FROM enquiry WHERE incident = $1 AND created > $4 AND state || '' IN ('open', 'answered', 'closed')),
	moved.moves FROM (SELECT count(DISTINCT CASE WHEN state = 'open' AND assignee <> '' THEN assignee END) AS handlers, coalesce(sum(CASE WHEN state IN ('answered', 'closed') THEN 1 ELSE 0 END), 0) AS answered,
	coalesce(sum(version), 0) + count(*) AS moves FROM enquiry WHERE incident = $1) moved`

// howTheyStand are the ends and the small ranges of indexes. Of messages those that are still to leave have an index of their own.
var howTheyStand = func() string {
	last := func(kind string) string {
		return `coalesce((SELECT max(at) FROM enquiry_message m WHERE m.incident = i.incident AND m.kind = '` + kind + `'), 0)`
	}
	return `WITH RECURSIVE i(incident) AS (SELECT min(incident) FROM enquiry UNION ALL SELECT (SELECT min(incident) FROM enquiry WHERE incident > i.incident) FROM i WHERE i.incident IS NOT NULL)
		SELECT incident, ` + last("asked") + `, ` + last("answer") + `, ` + last("spoken") + `, ` + last("note") + `,
		(SELECT count(*) FROM enquiry e WHERE e.incident = i.incident AND e.state = 'open'), coalesce((SELECT max(due) FROM enquiry e WHERE e.incident = i.incident AND e.state = 'open'), 0),
		(SELECT count(*) FROM enquiry_message m WHERE m.incident = i.incident AND m.state IN ('pending', 'intended', 'deferred')) FROM i WHERE incident IS NOT NULL`
}()

// Load gives it as it is now. It names nobody.
func (d *Desk) Load(ctx context.Context, of string) (l Load, err error) {
	var open int64
	err = d.DB.QueryRowContext(ctx, `SELECT open FROM enquiry_desk WHERE incident = $1`, of).Scan(&open)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return l, nil
	case err == nil:
		l.Used = true
		l.Open, err = d.Takes(ctx, of)
	}
	if err == nil {
		var oldest int64
		now := d.Now()
		err = d.DB.QueryRowContext(ctx, howItGetsOn, of, store.Micros(now), store.Micros(now.Add(-time.Hour)), store.Micros(now.AddDate(0, 0, -1))).
			Scan(&l.Waiting, &l.Late, &oldest, &l.Handlers, &l.Answered, &l.LastHour, &l.LastDay, &l.Moves)
		if oldest > 0 {
			l.Oldest = store.FromMicros(oldest)
		}
	}
	if err != nil {
		return Load{}, fmt.Errorf("how the desk of %s gets on: %w", of, err)
	}
	return l, nil
}

// Versions gives, for each case in which anybody has asked, what changes when something of its desk does: an enquiry or a letter comes, somebody
// answers or writes a note, a mail leaves. It is asked every second while staff looks at a desk, and reads the ends of indexes.
func (d *Desk) Versions(ctx context.Context) (map[string]string, error) {
	rows, err := d.DB.QueryContext(ctx, howTheyStand)
	if err != nil {
		return nil, fmt.Errorf("how desks stand: %w", store.InWords(err))
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var of string
		var n [7]int64
		if err := rows.Scan(&of, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6]); err != nil {
			return nil, fmt.Errorf("how desks stand: %w", err)
		}
		out[of] = fmt.Sprint(n)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
