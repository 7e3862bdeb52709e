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
		err = d.DB.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE state = 'open'), count(*) FILTER (WHERE state = 'open' AND due > 0 AND due < $2), coalesce(min(CASE WHEN state = 'open' THEN created END), 0),
			count(DISTINCT CASE WHEN state = 'open' AND assignee <> '' THEN assignee END), count(*) FILTER (WHERE state IN ('answered', 'closed')),
			count(*) FILTER (WHERE state IN ('open', 'answered', 'closed') AND created > $3), count(*) FILTER (WHERE state IN ('open', 'answered', 'closed') AND created > $4), coalesce(sum(version), 0) + count(*)
			FROM enquiry WHERE incident = $1`, of, store.Micros(now), store.Micros(now.Add(-time.Hour)), store.Micros(now.AddDate(0, 0, -1))).
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
