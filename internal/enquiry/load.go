package enquiry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"shirase/internal/store"
)

// Load is how the desk of an incident gets on with what it is asked, for whoever decides whether more people are told.
type Load struct {
	Used    bool  // somebody has opened it, or closed it again
	Open    bool  // it takes enquiries
	Waiting int64 // enquiries that wait for an answer
	Late    int64 // of them, those whose deadline has passed
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
		err = d.DB.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(CASE WHEN due > 0 AND due < $2 THEN 1 ELSE 0 END), 0) FROM enquiry WHERE incident = $1 AND state = 'open'`, of, store.Micros(d.Now())).Scan(&l.Waiting, &l.Late)
	}
	if err != nil {
		return Load{}, fmt.Errorf("how the desk of %s gets on: %w", of, err)
	}
	return l, nil
}
