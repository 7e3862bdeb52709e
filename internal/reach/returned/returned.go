// Package returned takes in mail that came back, and keeps who is not written to again and why. It counts each message once, moves the
// message it is about by what the campaign says of it, and suppresses an address only by the keyed token that the mail to that address
// carried: what a returned message says of whom it is, anybody can write.
package returned

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/reach/bounce"
	"shirase/internal/reach/preflight"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrInput says that something cannot be taken.
	ErrInput = errors.New("cannot be taken")
	// ErrNotFound says that there is no such suppression, or no such case for whoever asks.
	ErrNotFound = errors.New("there is no such suppression")
	// ErrNoAddress says that mail comes back to nowhere.
	ErrNoAddress = errors.New("no address is set that mail comes back to")
)

// Sent is a message of a campaign.
type Sent struct {
	Token string // that it is known by: one, however it was found
	Case  string // the incident
}

// Verdict is what came of a message.
type Verdict struct {
	Matched   string // token or message-id
	Kind      bounce.Kind
	Reason    bounce.Reason
	Permanent bool
	Status    string    // RFC 3463
	At        time.Time // it was taken in
}

// Rooms are what the room stands on. Open, Mailed, Addresses, ByAddress and Moved are the campaign's; without Open nobody is known, and
// without Addresses nobody is suppressed.
type Rooms struct {
	DB *store.DB
	// Address is where mail comes back to, with a + and a token before its @; "": nowhere, and nothing is listened for.
	Address string
	// Seal gives what a case's columns are sealed under.
	Seal func(ctx context.Context, incident string, make bool) (*store.Sealer, error)
	// Open gives the message whose keyed token stands in an address that mail comes back to, and false for every other: also for one that
	// is made from a Message-ID.
	Open func(ctx context.Context, address string) (Sent, bool, error)
	// Mailed gives the message that has a keyed Message-ID, and false for every other.
	Mailed func(ctx context.Context, messageID string) (Sent, bool, error)
	// Addresses gives where messages went, by their tokens: of many at once, as it may read a whole roster for it. Of whom the campaign
	// knows no address any more, it gives none.
	Addresses func(ctx context.Context, tokens []string) (map[string]string, error)
	// ByAddress gives the newest message to an address, for what came back without a token. It moves nothing.
	ByAddress func(ctx context.Context, address string) (Sent, bool, error)
	// Verify looks how a mail that was sent to come back is signed; nil: nobody looks.
	Verify func(ctx context.Context, m []byte) preflight.Signed
	// Moved has the campaign take up what came of a message, which by itself would be the state proposed; it gives the state that the
	// message is in then. Told twice, as after a crash, it moves nothing the second time.
	Moved func(ctx context.Context, token, proposed string, v Verdict) (state string, err error)
	// Letters takes what people write by the same listener; nil: nothing but what comes back is taken.
	Letters *Letters
}

// Letters is who takes what people write.
type Letters struct {
	Size  int // of a letter, in bytes
	Takes func(ctx context.Context, address string) (bool, error)
	// Take takes one in that came for an address, and returns when it is on disk. A letter that is sent again is known then.
	Take func(ctx context.Context, raw []byte, address string) error
}

// Returned is the room.
type Returned struct {
	Rooms
	before, domain string // of Address
	now            func() time.Time
	step           func() // in tests: where a process may be killed
	gathering      gathering
	large          chan struct{} // a place for each large message that is in memory
	patient        time.Duration // for which one waits for its place
}

// New opens the room.
func New(ctx context.Context, rooms Rooms) (*Returned, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("returned: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "returned", sub); err != nil {
		return nil, fmt.Errorf("returned: %w", err)
	}
	r := &Returned{Rooms: rooms, now: time.Now, step: func() {}, large: make(chan struct{}, large), patient: patient}
	r.before, r.domain, _ = strings.Cut(strings.ToLower(rooms.Address), "@")
	return r, nil
}

// ours reports whether an address is one that mail of ours comes back to, and gives what is between its + and its @.
func (r *Returned) ours(address string) (token string, ok bool) {
	local, domain, _ := strings.Cut(strings.ToLower(strings.Trim(address, "<> ")), "@")
	before, token, plus := strings.Cut(local, "+")
	return token, plus && r.Address != "" && before == r.before && domain == r.domain && token != ""
}

// machine refuses members of the staff: mail is taken in by the server and by whoever runs the command line.
func machine(who actor.Actor, what string) error {
	if err := who.Check(what); err != nil {
		return err
	}
	if who.Person() {
		return fmt.Errorf("%s: %w", what, actor.ErrRole)
	}
	return nil
}

// seedPrefix begins the token of a mail that is to come back. What follows is random, and written down here.
const seedPrefix = "seed-"

// NewSeed gives the address of a mail that is to come back: whoever sends it sends it there.
func (r *Returned) NewSeed(ctx context.Context, who actor.Actor) (address string, err error) {
	if err := who.Check("send a mail that is to come back"); err != nil {
		return "", err
	}
	if r.Address == "" {
		return "", ErrNoAddress
	}
	token := seedPrefix + strings.ToLower(rand.Text())
	if _, err = r.DB.ExecContext(ctx, `INSERT INTO returned_seed (token, sent_at, sent_by, back_at) VALUES ($1, $2, $3, 0)`, token, store.Micros(r.now()), who.String()); err != nil {
		return "", fmt.Errorf("returned: %w", err)
	}
	return r.before + "+" + token + "@" + r.domain, nil
}

// seed reports whether a token is of a mail that was sent to come back.
func (r *Returned) seed(ctx context.Context, token string) (bool, error) {
	if !strings.HasPrefix(token, seedPrefix) || len(token) > 64 {
		return false, nil
	}
	var n int
	err := r.DB.QueryRowContext(ctx, `SELECT count(*) FROM returned_seed WHERE token = $1`, token).Scan(&n)
	return n > 0, store.InWords(err)
}

// Seed gives what became of the mails that were to come back: when one was sent last, when the newest of those that did came back, and how that
// one was signed.
func (r *Returned) Seed(ctx context.Context) (preflight.Seed, error) {
	var out preflight.Seed
	var s, b int64
	var signed string
	err := r.DB.QueryRowContext(ctx, `SELECT coalesce(max(sent_at), 0), coalesce(max(back_at), 0), coalesce((SELECT signed FROM returned_seed ORDER BY back_at DESC, token LIMIT 1), '') FROM returned_seed`).Scan(&s, &b, &signed)
	if err != nil {
		return out, fmt.Errorf("returned: %w", store.InWords(err))
	}
	if s != 0 {
		out.Sent = store.FromMicros(s)
	}
	if b != 0 {
		out.Back = store.FromMicros(b)
	}
	if signed != "" {
		out.Signed = &preflight.Signed{}
		if err := json.Unmarshal([]byte(signed), out.Signed); err != nil {
			return out, fmt.Errorf("returned: how a mail was signed: %w", err)
		}
	}
	return out, nil
}
