package enquiry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/reach/bounce"
	"shirase/internal/store"
)

// MaxLetter is the size of a letter that is taken, in bytes.
const MaxLetter = bounce.MaxLetter

// behindPlus gives what stands behind the + of an address of ours; false where it is none.
func (d *Desk) behindPlus(address string) (string, bool) {
	local, domain, ok := strings.Cut(strings.ToLower(strings.TrimSpace(address)), "@")
	ours, host, _ := strings.Cut(strings.ToLower(d.Address), "@")
	if !ok || d.Address == "" || domain != host {
		return "", false
	}
	if local == ours {
		return "", true
	}
	return strings.CutPrefix(local, ours+"+")
}

// AddressOf is by what people write about an incident; "" where mail is not taken.
func (d *Desk) AddressOf(of string) string {
	local, host, ok := strings.Cut(d.Address, "@")
	if !ok {
		return ""
	}
	return local + "+" + of + "@" + host
}

func (d *Desk) threadOf(seal *store.Sealer, id string) string {
	local, host, ok := strings.Cut(d.Address, "@")
	if !ok {
		return ""
	}
	return local + "+" + id + "-" + mac(seal, "thread", id) + "@" + host
}

// TakesMail reports whether mail to an address is taken: a thread's, an incident's whose desk is open, or the desk's own, where one only is open.
func (d *Desk) TakesMail(ctx context.Context, address string) (bool, error) {
	token, ok := d.behindPlus(address)
	if !ok {
		return false, nil
	}
	_, of, _, over, err := d.thread(ctx, token)
	switch {
	case err == nil && !over:
		return true, nil
	case err == nil:
		token = of
	case !errors.Is(err, ErrToken):
		return false, err
	}
	of, err = d.incidentOf(ctx, token)
	return of != "", err
}

// thread finds of which enquiry the token of an address is. over says that its texts are gone by their age: nobody reads any more what would be
// added, and a letter to it begins anew. Errors: ErrToken.
func (d *Desk) thread(ctx context.Context, token string) (id, of string, seal *store.Sealer, over bool, err error) {
	if id, of, seal, err = d.opened(ctx, token, "thread"); err != nil {
		return "", "", nil, false, err
	}
	var wiped int64
	err = d.DB.QueryRowContext(ctx, `SELECT wiped FROM enquiry WHERE id = $1`, id).Scan(&wiped)
	return id, of, seal, wiped != 0, err
}

// incidentOf is the incident that mail to an address is about; "" where it is about none.
func (d *Desk) incidentOf(ctx context.Context, token string) (string, error) {
	if token != "" {
		open, err := d.Takes(ctx, token)
		if err != nil || !open {
			return "", err
		}
		return token, nil
	}
	list, err := d.opens(ctx)
	if err != nil || len(list) != 1 {
		return "", err
	}
	return list[0], nil
}

// opens gives the incidents whose desks are open.
func (d *Desk) opens(ctx context.Context) ([]string, error) {
	all, err := store.Column[string](ctx, d.DB, `SELECT incident FROM enquiry_desk WHERE open = 1 ORDER BY incident`)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, of := range all {
		own, err := d.Own(ctx, of)
		if err != nil {
			return nil, err
		}
		if own {
			out = append(out, of)
		}
	}
	return out, nil
}

// TakeMail takes a letter that came for an address of ours, once however often it is read. What no person wrote is not taken (RFC 3834):
// nothing answers it, so that no two machines write to each other for ever. Errors: ErrBusy; ErrNotFound, where nothing is taken at the address.
func (d *Desk) TakeMail(ctx context.Context, raw []byte, address string) error {
	token, ok := d.behindPlus(address)
	if !ok {
		return fmt.Errorf("take a letter: %w", ErrNotFound)
	}
	l, err := bounce.ReadLetter(raw)
	if err != nil {
		return fmt.Errorf("take a letter: %w", err)
	}
	id, of, seal, over, err := d.thread(ctx, token)
	switch {
	case err == nil && !over:
		err = d.reply(ctx, id, of, seal, l, raw)
	case err == nil || errors.Is(err, ErrToken):
		if over {
			token = of
		}
		if of, err = d.incidentOf(ctx, token); err == nil && of == "" {
			err = ErrNotFound
		}
		if err == nil {
			err = d.begin(ctx, of, l, raw)
		}
	}
	if err != nil {
		return fmt.Errorf("take a letter: %w", err)
	}
	d.poke()
	return nil
}

// begin takes a letter as a new enquiry, whose mailbox is asked to show that it is theirs: the header's author may be anybody.
func (d *Desk) begin(ctx context.Context, of string, l bounce.Letter, raw []byte) error {
	from, err := mailbox(l.From)
	if !l.Answered() || err != nil || d.ours(from) {
		return nil
	}
	seal, err := d.Seal(ctx, of, true)
	if err != nil {
		return err
	}
	return d.take(ctx, taking{of: of, channel: Mail, lang: spoken(l.Subject + l.Text), topic: Other, person: Person{Address: from},
		written: written{Subject: l.Subject, Text: clipText(l.Text), ID: l.ID, Left: l.Left}, files: l.Files, seen: seal.Lookup("enquiry.seen", raw)})
}

// ours reports whether a letter claims to come from ourselves.
func (d *Desk) ours(from string) bool {
	_, ours := d.behindPlus(from)
	return ours
}

// spoken is the language that a text seems to be in: one with kana or kanji is Japanese.
func spoken(s string) language.Lang {
	if strings.ContainsFunc(s, func(r rune) bool { return '\u3040' <= r && r <= '\u30ff' || '\u4e00' <= r && r <= '\u9fff' }) {
		return language.JA
	}
	return language.EN
}

func clipText(s string) string {
	if r := []rune(s); len(r) > maxText {
		return string(r[:maxText]) + "…"
	}
	return s
}

// reply adds a letter to the thread whose token it came by. Answers go to the mailbox of the thread all the same, whoever wrote.
func (d *Desk) reply(ctx context.Context, id, of string, seal *store.Sealer, l bounce.Letter, raw []byte) error {
	if l.Report.Kind == bounce.Failed {
		return d.cameBack(ctx, id, of, seal.Lookup("enquiry.report", raw), l.Report)
	}
	if !l.Answered() || d.ours(l.From) {
		return nil
	}
	seen := seal.Lookup("enquiry.seen", raw)
	now := d.Now()
	return d.DB.Update(ctx, func(tx *sql.Tx) error {
		var state, merged string
		var wiped int64
		if err := tx.QueryRowContext(ctx, `SELECT state, merged, wiped FROM enquiry WHERE id = $1`, id).Scan(&state, &merged, &wiped); err != nil {
			return err
		}
		var known, today int64
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_message WHERE incident = $1 AND kind = 'asked' AND seen = $2`, of, seen).Scan(&known); err != nil || known > 0 {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_message WHERE enquiry = $1 AND kind = 'asked' AND at > $2`, id, store.Micros(now.Add(-24*time.Hour))).Scan(&today); err != nil {
			return err
		}
		if today >= perThread || wiped != 0 || State(state) == Spam {
			return nil
		}
		if _, err := d.addMessage(ctx, tx, seal, adding{enquiry: id, incident: of, kind: "asked", written: written{Subject: l.Subject, Text: clipText(l.Text), ID: l.ID, Left: l.Left}, seen: seen}); err != nil {
			return err
		}
		if err := d.addFiles(ctx, tx, seal, id, of, l.Files); err != nil {
			return err
		}
		if State(state) == Merged { // it is read where it was merged into
			id = merged
		}
		_, err := tx.ExecContext(ctx, `UPDATE enquiry SET state = 'open', ended = 0, due = $2, version = version + 1 WHERE id = $1 AND state IN ('answered', 'closed')`, id, store.Micros(now.Add(d.Within)))
		return err
	})
}

// cameBack marks the mail of a thread that a report is of as one that came back, once however often the report is brought: the one whose Message-ID it
// returns, or, where it returns none, the newest. One that returns another's says nothing of any.
func (d *Desk) cameBack(ctx context.Context, id, of string, seen []byte, r bounce.Report) error {
	if len(r.Recipients) == 0 || !r.Recipients[0].Permanent {
		return nil
	}
	return d.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO enquiry_report (incident, seen, enquiry, at) VALUES ($1, $2, $3, $4) ON CONFLICT (incident, seen) DO NOTHING`, of, seen, id, store.Micros(d.Now()))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		message, err := returnedMail(ctx, tx, id, r.MessageIDs)
		if err != nil || message == "" {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE enquiry_message SET state = 'bounced', said = $2 WHERE id = $1`, message, string(r.Recipients[0].Reason)); err != nil {
			return err
		}
		if err := d.uncorrect(ctx, tx, id, message); err != nil {
			return err
		}
		return d.event(ctx, tx, actor.Server(), of, id, "mail came back", string(r.Recipients[0].Reason))
	})
}

// returnedMail gives the mail of a thread that came back; "" where it is none, or is known to have come back already.
func returnedMail(ctx context.Context, tx *sql.Tx, id string, named []string) (message string, err error) {
	const left = `SELECT id FROM enquiry_message WHERE enquiry = $1 AND kind IN ('answer', 'verify') AND state IN ('handed-over', 'unknown', 'left')`
	if len(named) == 0 {
		err = tx.QueryRowContext(ctx, left+` ORDER BY seq DESC LIMIT 1`, id).Scan(&message)
	}
	for _, name := range named {
		local, _, _ := strings.Cut(name, "@")
		ours, is := strings.CutPrefix(local, mailID)
		if !is {
			continue
		}
		if err = tx.QueryRowContext(ctx, left+` AND id = $2`, id, ours).Scan(&message); err == nil || !errors.Is(err, sql.ErrNoRows) {
			break
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return message, err
}

// Ingest takes a letter that lies in a folder, for the address that is given, or the first of ours that it says it came for; false where that is
// none. A letter is taken once.
func (d *Desk) Ingest(ctx context.Context, raw []byte, address string) (bool, error) {
	list := []string{address}
	if address == "" {
		l, err := bounce.ReadLetter(raw)
		if err != nil {
			return false, fmt.Errorf("take a letter: %w", err)
		}
		list = l.Report.To
	}
	for _, to := range list {
		ok, err := d.TakesMail(ctx, to)
		if err != nil {
			return false, err
		}
		if ok {
			return true, d.TakeMail(ctx, raw, to)
		}
	}
	return false, nil
}
