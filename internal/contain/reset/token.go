package reset

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/identity"
	"shirase/internal/language"
	"shirase/internal/store"
)

// tokenSize is that of a link's secret: 256 bits.
const tokenSize = 32

// claimLasts is how long a link is being used at most: a process that died in the middle of it holds it no longer.
const claimLasts = 2 * time.Minute

var tokens = base64.RawURLEncoding

// newToken makes the secret of a link, and what is kept of it.
func newToken() (token string, hash []byte) {
	b := make([]byte, tokenSize)
	rand.Read(b)
	token = tokens.EncodeToString(b)
	hash, _ = hashOf(token)
	return token, hash
}

// hashOf is what is kept of a link's secret. ErrToken where it cannot be one. Each secret is written in one way only.
func hashOf(token string) ([]byte, error) {
	if len(token) != tokens.EncodedLen(tokenSize) {
		return nil, ErrToken
	}
	b, err := tokens.Strict().DecodeString(token)
	if err != nil || len(b) != tokenSize {
		return nil, ErrToken
	}
	h := sha256.Sum256(append([]byte("shirase/v1 reset link\x00"), b...))
	return h[:], nil
}

// sent is what is kept, sealed, of a link.
type sent struct {
	Address string        `json:"address"`
	Lang    language.Lang `json:"lang"`
	Return  string        `json:"return,omitzero"`
}

func tokenContext(hash []byte) string { return fmt.Sprintf("reset_token %x", hash) }

// maxAccounts is how many accounts of one address are sent links in one mail.
const maxAccounts = 10

// Ask has a link sent to an address, where it is one of somebody who is to reset. Whether it is, nobody is told: what is done, and kept, is
// the same for both. ErrInput where it is no address; ErrNotFound, ErrNotOpen.
func (r *Resets) Ask(ctx context.Context, incident, address, to string, lang language.Lang) error {
	id, err := identity.ParseEmail(address)
	if err != nil {
		return fmt.Errorf("%w: that is no address of mail", ErrInput)
	}
	s, err := r.At(ctx, incident)
	if err != nil {
		return err
	}
	if !s.Open() {
		return ErrNotOpen
	}
	x, err := r.current(ctx, r.DB, incident)
	if err != nil {
		return err
	}
	seal, err := r.sealer(ctx, incident)
	if err != nil {
		return err
	}
	places, err := r.find(ctx, r.DB, x, seal, ofAddress, id.Value)
	if err != nil {
		return err
	}
	if !r.MayReturn(to) {
		to = ""
	}
	if len(places) == 0 {
		places = []int64{-1}
	}
	return r.link(ctx, x, seal, places[:min(len(places), maxAccounts)], sent{id.Value, lang, to}, true)
}

// link makes links and queues the mail that has them; limited says that no address is sent more than a few in a while. An earlier link goes on
// being good, so that whoever asks for many in somebody's name does not keep them from theirs.
func (r *Resets) link(ctx context.Context, x *run, seal *store.Sealer, places []int64, to sent, limited bool) error {
	now := r.Now()
	kept, err := json.Marshal(to, json.Deterministic(true))
	if err != nil {
		return err
	}
	var links []string
	type row struct {
		hash []byte
		at   int64
	}
	var rows []row
	for _, p := range places {
		token, hash := newToken()
		links, rows = append(links, r.URL+"/reset/"+x.incident+"/new?t="+token), append(rows, row{hash, p})
	}
	first, _, err := r.account(ctx, r.DB, seal, x.id, max(places[0], 0)) // read for nobody, too
	if err != nil {
		return err
	}
	names := make([]string, len(places))
	for i, p := range places {
		if names[i] = first; i > 0 {
			if names[i], _, err = r.account(ctx, r.DB, seal, x.id, p); err != nil {
				return err
			}
		}
	}
	mail := r.linkMail(to, names, links, now)
	if places[0] < 0 {
		mail.To = ""
	}
	lookup := seal.Lookup("reset asked", []byte(to.Address))
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		if limited {
			var n int64
			err := tx.QueryRowContext(ctx, `INSERT INTO reset_asked (lookup, since, n) VALUES ($1, $2, 1) ON CONFLICT (lookup) DO UPDATE SET
				n = CASE WHEN reset_asked.since < $3 OR reset_asked.since > $2 THEN 1 ELSE reset_asked.n + 1 END,
				since = CASE WHEN reset_asked.since < $3 OR reset_asked.since > $2 THEN excluded.since ELSE reset_asked.since END RETURNING n`,
				lookup, store.Micros(now), store.Micros(now.Add(-r.Life))).Scan(&n)
			if err != nil || n > int64(r.PerHour) {
				return err
			}
		}
		for _, each := range rows {
			if _, err := tx.ExecContext(ctx, `INSERT INTO reset_token (hash, run, incident, place, sealed, expires, claimed) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
				each.hash, x.id, x.incident, each.at, seal.Seal(tokenContext(each.hash), kept), store.Micros(now.Add(r.Life))); err != nil {
				return err
			}
		}
		return r.queue(ctx, tx, seal, x, mail, -1, now)
	})
}

// Link is what a link leads to.
type Link struct {
	Incident string
	Least    int // characters of a password
	Lang     language.Lang
	Return   string

	run   *run
	seal  *store.Sealer
	hash  []byte
	place int64
	to    sent
}

// Look gives what a link leads to, and changes nothing, however often it is asked: mail is read by programs that open every link in it.
// Errors: ErrToken, ErrNotOpen.
func (r *Resets) Look(ctx context.Context, incident, token string) (Link, error) {
	s, err := r.At(ctx, incident)
	if err != nil {
		return Link{}, err
	}
	if !s.Open() {
		return Link{}, ErrNotOpen
	}
	return r.look(ctx, r.DB, incident, token)
}

func (r *Resets) look(ctx context.Context, q store.Querier, incident, token string) (Link, error) {
	hash, err := hashOf(token)
	if err != nil {
		return Link{}, err
	}
	var id string
	var sealed []byte
	var expires, claimed int64
	l := Link{Incident: incident, Least: r.Least, hash: hash}
	err = q.QueryRowContext(ctx, `SELECT run, place, sealed, expires, claimed FROM reset_token WHERE hash = $1 AND incident = $2`, hash, incident).Scan(&id, &l.place, &sealed, &expires, &claimed)
	if errors.Is(err, sql.ErrNoRows) {
		return Link{}, ErrToken
	}
	if err != nil {
		return Link{}, store.InWords(err)
	}
	now := r.Now()
	if l.place < 0 || expires <= store.Micros(now) || held(claimed, now) {
		return Link{}, ErrToken
	}
	if l.run, err = r.current(ctx, q, incident); err != nil {
		return Link{}, err
	}
	if l.run.id != id { // the roster has changed since: it may be of nobody
		return Link{}, ErrToken
	}
	if l.seal, err = r.sealer(ctx, incident); err != nil {
		return Link{}, err
	}
	kept, err := l.seal.Open(tokenContext(hash), sealed)
	if err == nil {
		err = json.Unmarshal(kept, &l.to)
	}
	if err != nil {
		return Link{}, fmt.Errorf("%w: a link", ErrDamaged)
	}
	l.Lang, l.Return = l.to.Lang, l.to.Return
	return l, nil
}

// held reports whether a link is being used.
func held(claimed int64, now time.Time) bool {
	return claimed > store.Micros(now.Add(-claimLasts)) && claimed <= store.Micros(now.Add(claimLasts))
}
