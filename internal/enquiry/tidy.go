package enquiry

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/store"
)

// Tidy lets go what is over: enquiries whose mailbox was not shown to be theirs within two days, who and what of those that were closed or answered
// longer ago than is kept, and all of cases that were shredded. What was asked when, and about what, stays for the figures. While a legal hold is on,
// what was shown to be somebody's stays; what was not goes all the same: anybody can write it, in whatever quantity, and nobody here has read it.
func (d *Desk) Tidy(ctx context.Context) error {
	now := d.Now()
	for _, old := range []struct {
		table string
		after time.Duration
	}{{"enquiry_form", formLasts + time.Hour}, {"enquiry_asked", 48 * time.Hour}} {
		if _, err := d.DB.ExecContext(ctx, `DELETE FROM `+old.table+` WHERE at < $1`, store.Micros(now.Add(-old.after))); err != nil {
			return fmt.Errorf("tidy enquiries: %w", err)
		}
	}
	// One at a time, so that others write in between; what a process leaves undone the next one does.
	gone, err := store.Column[string](ctx, d.DB, `SELECT id FROM enquiry WHERE state = 'unverified' AND created < $1 ORDER BY id LIMIT 5000`, store.Micros(now.Add(-linkLasts)))
	if err != nil {
		return fmt.Errorf("tidy enquiries: %w", err)
	}
	for _, id := range gone {
		if err := d.DB.Update(ctx, func(tx *sql.Tx) error { return d.drop(ctx, tx, id) }); err != nil {
			return fmt.Errorf("tidy enquiries: %w", err)
		}
	}
	cases, err := store.Column[string](ctx, d.DB, `SELECT DISTINCT incident FROM enquiry WHERE wiped = 0 ORDER BY incident`)
	if err != nil {
		return fmt.Errorf("tidy enquiries: %w", err)
	}
	for _, of := range cases {
		if err := d.tidyCase(ctx, of, store.Micros(now.Add(-d.Keep))); err != nil {
			return fmt.Errorf("tidy enquiries: %w", err)
		}
	}
	return nil
}

// tidyCase lets go what is over of a case: all of it, where it was shredded, and nothing while a legal hold is on.
func (d *Desk) tidyCase(ctx context.Context, of string, before int64) error {
	_, err := d.Seal(ctx, of, false)
	gone := err != nil && d.Gone != nil && d.Gone(err)
	held := func(q store.Querier) (bool, error) {
		if gone || d.Held == nil {
			return false, nil
		}
		return d.Held(ctx, q, of)
	}
	if on, err := held(d.DB); err != nil || on {
		return err
	}
	over := `SELECT id FROM enquiry WHERE incident = $1 AND wiped = 0 ORDER BY id`
	args := []any{of}
	if gone {
		if _, err := d.DB.ExecContext(ctx, `UPDATE enquiry_desk SET open = 0 WHERE incident = $1`, of); err != nil {
			return err
		}
	} else {
		// A part goes with what it was merged into, and stays as long.
		over = `SELECT id FROM (
			SELECT id FROM enquiry WHERE incident = $1 AND wiped = 0 AND ended > 0 AND ended < $2 AND state NOT IN ('open', 'merged')
			UNION ALL SELECT p.id FROM enquiry p JOIN enquiry e ON e.id = p.merged WHERE p.incident = $1 AND p.state = 'merged' AND p.wiped = 0
				AND (e.wiped = 1 OR e.ended > 0 AND e.ended < $2 AND e.state NOT IN ('open', 'merged'))) o ORDER BY id LIMIT 5000`
		args = append(args, before)
	}
	ids, err := store.Column[string](ctx, d.DB, over, args...)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := d.DB.Update(ctx, func(tx *sql.Tx) error {
			if on, err := held(tx); err != nil || on {
				return err
			}
			return d.wipe(ctx, tx, id)
		}); err != nil {
			return err
		}
	}
	return nil
}

// drop takes away all of an enquiry.
func (d *Desk) drop(ctx context.Context, tx *sql.Tx, id string) error {
	for _, q := range []string{
		`DELETE FROM enquiry_said WHERE message IN (SELECT id FROM enquiry_message WHERE enquiry = $1)`,
		`DELETE FROM enquiry_file WHERE enquiry = $1`, `DELETE FROM enquiry_message WHERE enquiry = $1`, `DELETE FROM enquiry_event WHERE enquiry = $1`,
		`DELETE FROM enquiry_report WHERE enquiry = $1`, `DELETE FROM enquiry_link WHERE a = $1 OR b = $1`, `DELETE FROM enquiry WHERE id = $1`,
	} {
		if _, err := tx.ExecContext(ctx, q, id); err != nil {
			return err
		}
	}
	return nil
}

// wipe takes away who asked and what was written, and leaves what is counted: one person, whom nothing tells from others.
func (d *Desk) wipe(ctx context.Context, tx *sql.Tx, id string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM enquiry_file WHERE enquiry = $1`, id); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE enquiry_message SET sealed = $2, seen = $2, state = CASE WHEN state IN ('pending', 'deferred', 'unknown', 'intended') THEN 'refused' ELSE state END WHERE enquiry = $1`, id, []byte{}); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM enquiry_said WHERE message IN (SELECT id FROM enquiry_message WHERE enquiry = $1)`, id); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM enquiry_report WHERE enquiry = $1`, id); err != nil {
		return err
	}
	nobody := []byte{}
	var has int64
	if err := tx.QueryRowContext(ctx, `SELECT length(who) FROM enquiry WHERE id = $1`, id).Scan(&has); err != nil {
		return err
	}
	if has > 0 {
		nobody = []byte(rand.Text())
	}
	_, err := tx.ExecContext(ctx, `UPDATE enquiry SET wiped = 1, person = $2, who = $3, state = CASE WHEN state IN ('open', 'answered') THEN 'closed' ELSE state END, version = version + 1 WHERE id = $1`, id, []byte{}, nobody)
	return err
}

// Export writes the queue of a case as CSV (RFC 4180), without names and texts. No cell is one that a spreadsheet takes for a formula.
func (d *Desk) Export(ctx context.Context, who actor.Actor, of string, w io.Writer) error {
	if err := may(who, actor.See, of); err != nil {
		return fmt.Errorf("list enquiries: %w", err)
	}
	out := csv.NewWriter(w)
	columns := []string{"id", "state", "channel", "language", "topic", "assignee", "created", "due", "ended"}
	if d.Exercise { // the rows of a queue that is empty would say nothing: its columns do
		columns = append(columns, "exercise")
	}
	if err := out.Write(columns); err != nil {
		return err
	}
	// In the order in which they came, each page from where the last one ended: no page reads what others have read, and whoever reads slowly keeps nothing open.
	var last Enquiry
	for {
		list, err := d.found(ctx, ` WHERE incident = $1 AND (created, id) > ($2, $3) AND state NOT IN ('unverified', 'merged', 'spam') ORDER BY created, id LIMIT 1000`, of, micros(last.Created), last.ID)
		if err != nil {
			return fmt.Errorf("list enquiries: %w", err)
		}
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			row := []string{e.ID, string(e.State), e.Channel, string(e.Lang), e.Topic, e.Assignee, stamp(e.Created), stamp(e.Due), stamp(e.Ended)}
			for i := range row {
				row[i] = harmless(row[i])
			}
			if d.Exercise {
				row = append(row, "yes")
			}
			if err := out.Write(row); err != nil {
				return err
			}
		}
		last = *list[len(list)-1]
	}
	out.Flush()
	return out.Error()
}

// harmless keeps a spreadsheet from taking a cell for a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r'", rune(s[0])) {
		return "'" + s
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Proposed is what the enquiries say of secondary damage, as facts to be looked at and recorded by who writes facts: that enquiries are received,
// and, where at least as many people as the floor say so, that misuse is reported. Neither says that anything is confirmed. none: nothing follows
// from them.
func (d *Desk) Proposed(ctx context.Context, who actor.Actor, of string) ([]incident.Fact, error) {
	s, err := d.Stats(ctx, who, of)
	if err != nil {
		return nil, err
	}
	return d.ProposedBy(ctx, of, s)
}

// ProposedBy is Proposed for whoever has the figures of the case.
func (d *Desk) ProposedBy(ctx context.Context, of string, s *Stats) ([]incident.Fact, error) {
	now := incident.Moment{Time: d.Now().In(incident.Japan).Truncate(time.Minute), Precision: incident.Minute}
	in, err := d.Incident(ctx, of)
	if err != nil && !errors.Is(err, incident.ErrNotFound) {
		return nil, err
	}
	status := func(word string) string {
		for _, f := range in.Listed("secondary-damage") {
			if f.Value.Word == word {
				return f.Value.Status
			}
		}
		return ""
	}
	var out []incident.Fact
	add := func(word, is string) {
		out = append(out, incident.Fact{Key: "secondary-damage", Item: word, Certainty: incident.Confirmed, Source: "enquiries", AsOf: now, Author: "",
			Value: incident.Value{Word: word, Status: is}})
	}
	if s.All >= d.Floor && status("enquiry") != "reported" && status("enquiry") != "confirmed" {
		add("enquiry", "reported")
	}
	if s.Misused >= d.Floor && (status("misuse") == "" || status("misuse") == "none-confirmed") {
		add("misuse", "reported")
	}
	return out, nil
}

// Line is a line of the script of the telephone.
type Line struct {
	Topic   Topic
	Content Content
	Wrong   string // why there is no answer to be read out
}

// Script gives what is said on the telephone: the answer to each topic, with the facts as they are now.
func (d *Desk) Script(ctx context.Context, who actor.Actor, of string, lang language.Lang) ([]Line, error) {
	topics, err := d.Topics(ctx, who, of)
	if err != nil {
		return nil, err
	}
	var out []Line
	for _, t := range topics {
		l := Line{Topic: t}
		if t.Canned != "" {
			a, err := d.draft(ctx, of, Draft{Canned: t.Canned})
			if err == nil {
				l.Content, err = d.render(ctx, of, lang, a)
			}
			if err != nil {
				l.Wrong = err.Error()
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// Sent counts the mails that left of a case's enquiries: whatever relay carried them has them in its logs.
func (d *Desk) Sent(ctx context.Context, of string) (n int64, err error) {
	err = d.DB.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_message WHERE incident = $1 AND state IN ('handed-over', 'bounced', 'unknown', 'left')`, of).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count mails of enquiries: %w", err)
	}
	return n, nil
}
