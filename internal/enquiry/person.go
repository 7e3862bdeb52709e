package enquiry

import (
	"context"
	"errors"
	"fmt"
)

// People gives whoever asked in a case, as they said who they are. It is for the program, which looks for them in what outlives the case. What was
// found to be spam is of nobody, nor is what nobody has confirmed: else whoever writes a common word for a name would have it left out of everything.
func (d *Desk) People(ctx context.Context, of string, do func(p Person)) error {
	seal, err := d.Seal(ctx, of, false)
	if err != nil {
		return fmt.Errorf("who asked in %s: %w", of, err)
	}
	rows, err := d.DB.QueryContext(ctx, `SELECT `+columns+` FROM enquiry WHERE incident = $1 AND state NOT IN ('spam', 'unverified')`, of)
	if err != nil {
		return fmt.Errorf("who asked in %s: %w", of, err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scan(rows)
		if err == nil && !e.wiped {
			var p Person
			if err = openJSON(seal, personIn(e.ID), e.sealed, &p); err == nil {
				do(p)
			}
		}
		if err != nil {
			return fmt.Errorf("who asked in %s: %w", of, err)
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
