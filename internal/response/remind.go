package response

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"shirase/internal/actor"
	"shirase/internal/law"
)

// Remind tells whoever follows a case of its clocks: at half, at four fifths and at the end of each one's time, once. Where several
// of these have passed since somebody looked, it tells of the last. What cannot be read of one case does not keep others from
// being told of; the errors are joined.
func (c *Cases) Remind(ctx context.Context, who actor.Actor) error {
	if c.Tell == nil {
		return nil
	}
	list, err := c.List(ctx, who)
	if err != nil {
		return err
	}
	var failed []error
	for _, l := range list {
		if err := c.remind(ctx, l.ID); err != nil && !c.over(err) {
			failed = append(failed, fmt.Errorf("remind of case %s: %w", l.ID, err))
		}
	}
	return errors.Join(failed...)
}

func (c *Cases) remind(ctx context.Context, id string) error {
	k, err := c.get(ctx, id)
	if err != nil || k.Closed {
		return err
	}
	clocks, err := c.clocks(ctx, k)
	if err != nil {
		return err
	}
	for _, clock := range clocks.Clocks {
		var last *law.Reminder
		for _, r := range clock.Reminders() {
			if !r.At.After(c.now()) {
				last = &r
			}
		}
		if last == nil || last.Percent == 100 && ofCase(clock) { // TellOverdue tells of that one
			continue
		}
		m := Message{Case: id, Kind: "clock", About: fmt.Sprintf("clock %s %d", clock.ID, last.Percent), Key: fmt.Sprintf("%s/%s/%s/%d", id, clock.ID, clock.Due, last.Percent)}
		if err := c.DB.Update(ctx, func(tx *sql.Tx) error { return c.Tell(ctx, tx, m) }); err != nil {
			return err
		}
	}
	return nil
}
