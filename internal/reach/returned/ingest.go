package returned

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/reach/bounce"
	"shirase/internal/store"
)

// Summary is what was taken in.
type Summary struct {
	Read       int            `json:"read"`
	Matched    int            `json:"matched"`    // of a message of ours, by its token or its Message-ID
	Unmatched  int            `json:"unmatched"`  // of nobody that is known
	Known      int            `json:"known"`      // taken in before, and not counted again
	Unreadable int            `json:"unreadable"` // larger than returned mail is
	Doubtful   int            `json:"doubtful"`   // of the unmatched: it names somebody who was written to, and proves nothing
	States     map[string]int `json:"states"`     // of the matched: where each message is now
}

// States that returned mail proposes. What changes nothing is "unchanged".
const (
	Bounced   = "bounced"
	Refused   = "refused"
	Deferred  = "deferred"
	Accepted  = "accepted"
	Unchanged = "unchanged"
)

// group is how many messages are written down in one transaction. One that is cut short is read again.
const group = 64

// taken is one message, read and not written down yet.
type taken struct {
	hash    []byte
	report  bounce.Report
	matched string // token, message-id, address, seed
	sent    Sent
	address string // that it went to, where that is needed; "": not known
	state   string // that the message is in
	verdict Verdict
	said    string
	signed  string // of a mail that was sent to come back: how it is
	sealer  *store.Sealer
}

// Ingest takes in every message of a source, each once however often it is read; a process that dies begins again, and what was
// written down is known then. Only the server and the operator do so.
func (r *Returned) Ingest(ctx context.Context, who actor.Actor, source Source) (Summary, error) {
	sum := Summary{States: map[string]int{}}
	if err := machine(who, "take in returned mail"); err != nil {
		return sum, err
	}
	var waiting []*taken
	flush := func() error {
		err := r.write(ctx, who, waiting, &sum)
		waiting = waiting[:0]
		return err
	}
	sealers := map[string]*store.Sealer{}
	for m, err := range source(ctx) {
		if err != nil {
			return sum, errors.Join(err, flush())
		}
		sum.Read++
		if m == nil {
			sum.Unreadable++
			continue
		}
		t, err := r.read(ctx, m, "", sealers)
		if err != nil {
			return sum, err
		}
		if waiting = append(waiting, t); len(waiting) >= group {
			if err := flush(); err != nil {
				return sum, err
			}
		}
	}
	return sum, flush()
}

// take takes in one message that came for one address.
func (r *Returned) take(ctx context.Context, who actor.Actor, m []byte, address string) error {
	t, err := r.read(ctx, m, address, map[string]*store.Sealer{})
	if err != nil {
		return err
	}
	return r.gather(ctx, who, t)
}

// read says what a message is and of whom. address is the one it came for; "" where only the message says so.
func (r *Returned) read(ctx context.Context, m []byte, address string, sealers map[string]*store.Sealer) (*taken, error) {
	report, err := bounce.Parse(m)
	if err != nil {
		return nil, err
	}
	t := &taken{report: report}
	if err := r.match(ctx, t, report, address); err != nil {
		return nil, err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %s\x00", t.matched, t.sent.Token)
	sum.Write(still(m))
	t.hash = sum.Sum(nil)
	if t.matched == "seed" && r.Verify != nil {
		signed, err := json.Marshal(r.Verify(ctx, m), json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("returned: %w", err)
		}
		t.signed = string(signed)
	}
	if t.sent.Case == "" || r.Seal == nil {
		return t, nil
	}
	sealer, ok := sealers[t.sent.Case]
	if !ok {
		sealer, err = r.Seal(ctx, t.sent.Case, false)
		if err != nil && !errors.Is(err, files.ErrNotExist) {
			return nil, fmt.Errorf("returned: %w", err)
		}
		sealers[t.sent.Case] = sealer
	}
	t.sealer = sealer
	return t, nil
}

// judge says what came of the messages of a group. Where they went is asked for once, and only of those for whom it matters: a report that
// names several, or one that suppresses.
func (r *Returned) judge(ctx context.Context, all []*taken) error {
	var tokens []string
	for _, t := range all {
		if t.matched == "token" && (len(t.report.Recipients) > 1 || t.judged(r.now()).suppresses()) {
			tokens = append(tokens, t.sent.Token)
		}
	}
	addresses := map[string]string{}
	if len(tokens) > 0 && r.Addresses != nil {
		var err error
		if addresses, err = r.Addresses(ctx, tokens); err != nil {
			return fmt.Errorf("returned: %w", err)
		}
	}
	for _, t := range all {
		t.address = addresses[t.sent.Token]
		t.verdict = t.judged(r.now())
	}
	return nil
}

// judged is the verdict of what a message says of the address that it went to; of the first, where that is not known.
func (t *taken) judged(at time.Time) Verdict {
	v := Verdict{Matched: t.matched, Kind: t.report.Kind, At: at}
	if rcpt, ok := of(t.report, t.address); ok {
		v.Reason, v.Permanent, v.Status, t.said = rcpt.Reason, rcpt.Permanent, rcpt.Status, rcpt.Said
		if v.Kind == bounce.Failed || v.Kind == bounce.Delayed || v.Kind == bounce.Arrived {
			v.Kind = rcpt.Kind
		}
	}
	return v
}

// suppresses reports whether it is a reason not to write to an address again, where the token proves whose it is: a Message-ID is quoted
// and passed on, and silences nobody.
func (v Verdict) suppresses() bool {
	return v.Matched == "token" && v.Kind == bounce.Failed && v.Permanent && v.Reason.Suppresses() != 0
}

// match finds of whom a message is: by the token in the address that it came for, then by the keyed Message-ID of what came back, then
// by the address that it names, which proves nothing.
func (r *Returned) match(ctx context.Context, t *taken, report bounce.Report, address string) (err error) {
	to, ids := report.To, report.MessageIDs
	if address != "" {
		to, ids = []string{address}, nil // the envelope says more than anything that is written in it
	}
	try := func(list []string, matched string, open func(ctx context.Context, address string) (Sent, bool, error)) {
		for _, a := range list {
			if t.matched != "" || err != nil || open == nil {
				return
			}
			var ok bool
			if t.sent, ok, err = open(ctx, a); ok {
				t.matched = matched
			}
		}
	}
	try(to, "seed", func(ctx context.Context, address string) (Sent, bool, error) {
		token, ok := r.ours(address)
		if ok {
			ok, err = r.seed(ctx, token)
		}
		return Sent{Token: token}, ok, err
	})
	try(to, "token", func(ctx context.Context, address string) (Sent, bool, error) {
		if _, ok := r.ours(address); !ok || r.Open == nil {
			return Sent{}, false, nil
		}
		return r.Open(ctx, address)
	})
	try(ids, "message-id", r.Mailed)
	var named []string
	for _, rcpt := range report.Recipients {
		named = append(named, rcpt.Address)
	}
	try(named, "address", r.ByAddress)
	if t.matched == "" {
		t.sent = Sent{}
	}
	if err != nil {
		return fmt.Errorf("returned: %w", err)
	}
	return nil
}

// of gives what a report says of an address: of that one, where it names several.
func of(report bounce.Report, address string) (bounce.Recipient, bool) {
	if len(report.Recipients) == 0 {
		return bounce.Recipient{}, false
	}
	for _, rcpt := range report.Recipients {
		if same(rcpt.Address, address) {
			return rcpt, true
		}
	}
	return report.Recipients[0], true
}

func same(a, b string) bool {
	x, err := identity.ParseEmail(a)
	y, err2 := identity.ParseEmail(b)
	return err == nil && err2 == nil && x == y
}

// still is a message without what is written on its way, so that it is the same wherever it was kept.
func still(m []byte) []byte {
	m = bytes.TrimRight(bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n")), "\n")
	head, body, _ := bytes.Cut(m, []byte("\n\n"))
	var out bytes.Buffer
	passing := false
	for line := range bytes.Lines(head) {
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			switch strings.ToLower(string(name)) {
			case "received", "return-path", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-envelope-from", "status", "x-status", "x-uid", "x-keywords", "lines", "content-length":
				passing = true
			default:
				passing = bytes.HasPrefix(line, []byte("From ")) // of an mbox
			}
		}
		if !passing {
			out.Write(line)
		}
	}
	out.WriteByte('\n')
	return append(out.Bytes(), body...)
}

// proposes gives the state that a message would be in by what came back.
func (v Verdict) proposes() string {
	switch v.Kind {
	case bounce.Failed:
		if v.Reason.Refusal() {
			return Refused
		}
		return Bounced
	case bounce.Delayed:
		return Deferred
	case bounce.Arrived:
		return Accepted
	}
	return Unchanged
}

// write writes messages down, in one transaction, with all that follows from them. The campaign is told first: a process that dies in
// between tells it again, which moves nothing.
func (r *Returned) write(ctx context.Context, who actor.Actor, all []*taken, sum *Summary) error {
	if len(all) == 0 {
		return nil
	}
	if err := r.judge(ctx, all); err != nil {
		return fmt.Errorf("take in returned mail: %w", err)
	}
	for _, t := range all {
		if err := r.move(ctx, t); err != nil {
			return fmt.Errorf("take in returned mail: %w", err)
		}
		r.step()
	}
	var made Summary
	err := r.DB.Update(ctx, func(tx *sql.Tx) error {
		made = Summary{States: map[string]int{}}
		for _, t := range all {
			if err := r.writeOne(ctx, tx, who, t, &made); err != nil {
				return err
			}
			r.step()
		}
		return nil
	})
	r.step()
	if err != nil {
		return fmt.Errorf("take in returned mail: %w", err)
	}
	sum.Matched += made.Matched
	sum.Unmatched += made.Unmatched
	sum.Known += made.Known
	sum.Doubtful += made.Doubtful
	for state, n := range made.States {
		sum.States[state] += n
	}
	return nil
}

// move tells the campaign what came of a message, where that is proved and was not taken in before.
func (r *Returned) move(ctx context.Context, t *taken) error {
	t.state = t.verdict.proposes()
	if t.matched != "token" && t.matched != "message-id" || t.state == Unchanged || r.Moved == nil {
		return nil
	}
	var n int
	err := r.DB.QueryRowContext(ctx, `SELECT count(*) FROM returned_message WHERE hash = $1`, t.hash).Scan(&n)
	if err == nil && n == 0 {
		t.state, err = r.Moved(ctx, t.sent.Token, t.state, t.verdict)
	}
	return store.InWords(err)
}

func (r *Returned) writeOne(ctx context.Context, tx *sql.Tx, who actor.Actor, t *taken, made *Summary) error {
	v, said, state := t.verdict, []byte{}, ""
	proved := t.matched == "token" || t.matched == "message-id"
	if proved {
		state = t.state
	}
	if t.sealer != nil && t.said != "" {
		said = t.sealer.Seal("returned_message.said "+hex.EncodeToString(t.hash), []byte(t.said))
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO returned_message (hash, at, kind, reason, status, permanent, matched, case_id, token, state, said) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (hash) DO NOTHING`, t.hash, store.Micros(v.At), string(v.Kind), string(v.Reason), v.Status, v.Permanent, t.matched, t.sent.Case, t.sent.Token, state, said)
	if err != nil {
		return err
	}
	switch n, err := res.RowsAffected(); {
	case err != nil:
		return err
	case n == 0:
		made.Known++
		return nil
	case t.matched == "seed":
		made.Matched++
		made.States[Unchanged]++
		_, err := tx.ExecContext(ctx, `UPDATE returned_seed SET back_at = CASE WHEN back_at = 0 THEN $2 ELSE back_at END, signed = $3 WHERE token = $1`, t.sent.Token, store.Micros(v.At), t.signed)
		return err
	case !proved:
		made.Unmatched++
		if t.matched == "address" {
			made.Doubtful++
		}
		return nil
	}
	made.Matched++
	made.States[state]++
	if !v.suppresses() || t.sealer == nil {
		return nil
	}
	if _, err := canonical(t.address); err != nil { // the campaign does not know it any more: the message is moved all the same
		return nil
	}
	return r.suppress(ctx, tx, t.sealer, who, t.sent.Case, t.address, v.Reason, "", v.At, v.At.Add(v.Reason.Suppresses()))
}
