package collect

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/outward"
	"shirase/internal/store"
)

// ErrFull says that so much waits that no more is taken for now.
var ErrFull = errors.New("more waits to be read than is taken")

// Bounds of what those concerned send.
const (
	maxSaid        = 5000 // characters
	maxContact     = 300
	maxWaiting     = 500 // all together
	maxOfOne       = 50  // about one incident
	claimLasts     = 14 * 24 * time.Hour
	claimPrefix    = "shirase-reply="
	claimName      = "_shirase-reply."
	claimWellKnown = "/.well-known/shirase-reply.txt"
)

// Claim is what somebody said of a record, and whose word it is.
type Claim struct {
	Item, Incident string
	Kind           string // Correction or Reply
	Text           string
	Domain         string // that they say they speak for; "" of a correction by anybody
	Contact        string // where they are written to; read by who decides, and sealed
	Token          string // that proves it
	Until          time.Time
	Verified       time.Time // zero: not yet
	How            string    // dns, file
	OfSource       bool      // one of the incident's sources lies in that domain
}

// Record is the text that is to stand in DNS, at Name.
func (c *Claim) Record() string { return claimPrefix + c.Token }

// Name is where DNS is asked.
func (c *Claim) Name() string { return claimName + c.Domain }

// File is the address that is asked instead.
func (c *Claim) File() string { return "https://" + c.Domain + claimWellKnown }

// Say takes what somebody says of an incident that is shown. A reply is an organisation's, which shows that it has the domain; a
// correction may be anybody's. Errors: ErrInput, ErrFull.
func (c *Collection) Say(ctx context.Context, cl Claim) (*Claim, error) {
	cl.Text, cl.Contact = strings.TrimSpace(cl.Text), strings.TrimSpace(cl.Contact)
	switch {
	case cl.Kind != Correction && cl.Kind != Reply:
		return nil, fmt.Errorf("%w: it is neither a correction nor a reply", ErrInput)
	case cl.Text == "" || utf8.RuneCountInString(cl.Text) > maxSaid || !utf8.ValidString(cl.Text):
		return nil, fmt.Errorf("%w: a text of 1 to %d characters is wanted", ErrInput, maxSaid)
	case len(cl.Contact) > maxContact || strings.ContainsAny(cl.Contact, "\r\n\x00"):
		return nil, fmt.Errorf("%w: where you are written to is one line", ErrInput)
	case cl.Kind == Reply && cl.Domain == "":
		return nil, hint.Add(fmt.Errorf("%w: a reply is an organisation's, which shows that it has its domain", ErrInput), "example.co.jp")
	}
	var err error
	if cl.Domain, err = domainOf(cl.Domain); err != nil {
		return nil, err
	}
	cl.Item, cl.Until = newID("i"), c.Now().Add(claimLasts)
	if cl.Domain != "" {
		cl.Token = strings.ToLower(rand.Text())
	}
	sealed := []byte{}
	if cl.Contact != "" {
		sealed = c.sealer.Seal("collect_claim.contact "+cl.Item, []byte(cl.Contact))
	}
	err = c.DB.Update(ctx, func(tx *sql.Tx) error {
		var all, ofOne int
		if err := tx.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE incident = $1) FROM collect_item WHERE state = 'new' AND kind IN ('correction', 'reply')`, cl.Incident).Scan(&all, &ofOne); err != nil {
			return err
		}
		if all >= maxWaiting || ofOne >= maxOfOne {
			return ErrFull
		}
		title := firstLine(cl.Text)
		if err := insertItem(ctx, tx, &Item{ID: cl.Item, Kind: cl.Kind, Relation: Addendum, State: Waiting, URL: "", Title: title, Organisation: cl.Domain, Rank: rank(cl.Kind, Addendum, 0), Incident: cl.Incident,
			Created: c.Now(), CreatedBy: "the public by the site"}); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO collect_claim (item, token, domain, contact, text, next_at, until_at, lease, verified_at, how) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, '')`,
			cl.Item, cl.Token, cl.Domain, sealed, cl.Text, store.Micros(c.Now().Add(10*time.Minute)), store.Micros(cl.Until))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &cl, nil
}

// domainOf reads a domain that somebody may own: a name below a public suffix, in the form that DNS has.
func domainOf(s string) (string, error) {
	s = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), ".")
	for _, scheme := range []string{"https://", "http://"} {
		s = strings.TrimPrefix(s, scheme)
	}
	s, _, _ = strings.Cut(s, "/")
	if s == "" {
		return "", nil
	}
	name, err := idna.Lookup.ToASCII(s)
	if err == nil {
		_, err = publicsuffix.EffectiveTLDPlusOne(name)
	}
	if err != nil || len(name) > 200 {
		return "", hint.Add(fmt.Errorf("%w: it is no domain of an organisation", ErrInput), "example.co.jp")
	}
	return name, nil
}

// claim reads what was said with an item; nil where nothing was.
func (c *Collection) claim(ctx context.Context, item string) (*Claim, error) {
	var cl Claim
	var contact []byte
	var until, verified int64
	err := c.DB.QueryRowContext(ctx, `SELECT c.item, i.incident, i.kind, c.text, c.domain, c.contact, c.token, c.until_at, c.verified_at, c.how FROM collect_claim c JOIN collect_item i ON i.id = c.item WHERE c.item = $1`, item).
		Scan(&cl.Item, &cl.Incident, &cl.Kind, &cl.Text, &cl.Domain, &contact, &cl.Token, &until, &verified, &cl.How)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	cl.Until = store.FromMicros(until)
	if verified != 0 {
		cl.Verified = store.FromMicros(verified)
	}
	if len(contact) > 0 {
		open, err := c.sealer.Open("collect_claim.contact "+item, contact)
		if err != nil {
			return nil, fmt.Errorf("read where they are written to: %w", err)
		}
		cl.Contact = string(open)
	}
	inc, err := c.Incidents.Get(ctx, cl.Incident)
	if err == nil && cl.Domain != "" {
		cl.OfSource = slices.ContainsFunc(inc.Facts, func(f incident.Fact) bool {
			host := hostOf(f.Value.URL)
			return (f.Key == "source" || f.Key == "contact") && (host == cl.Domain || strings.HasSuffix(host, "."+cl.Domain))
		})
	}
	return &cl, nil
}

// Prove looks whether the domain of the claim that has waited longest says what it was asked to say; false where none is due. It asks
// more and more seldom, and gives up after two weeks.
func (c *Collection) Prove(ctx context.Context) (bool, error) {
	var item string
	now := c.Now()
	err := c.DB.Update(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT item FROM collect_claim WHERE domain <> '' AND verified_at = 0 AND next_at <= $1 AND until_at > $1 AND lease < $1 ORDER BY next_at LIMIT 1`, store.Micros(now)).Scan(&item)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE collect_claim SET lease = $2 WHERE item = $1`, item, store.Micros(now.Add(leased)))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("prove a domain: %w", err)
	}
	_, err = c.prove(ctx, item)
	return true, err
}

// ProveNow looks at once, for whoever decides.
func (c *Collection) ProveNow(ctx context.Context, who actor.Actor, item string) (bool, error) {
	if err := who.May(actor.Record, ""); err != nil {
		return false, fmt.Errorf("prove a domain: %w", err)
	}
	return c.prove(ctx, item)
}

func (c *Collection) prove(ctx context.Context, item string) (bool, error) {
	cl, err := c.claim(ctx, item)
	if err != nil || cl == nil {
		return false, errors.Join(err, ErrNotFound)
	}
	if cl.Domain == "" || !cl.Verified.IsZero() {
		return !cl.Verified.IsZero(), nil
	}
	how := c.shown(ctx, cl)
	now := c.Now()
	if how == "" {
		wait := max(10*time.Minute, claimLasts-cl.Until.Sub(now)) // as long as it has waited
		_, err := c.DB.ExecContext(ctx, `UPDATE collect_claim SET lease = 0, next_at = $2 WHERE item = $1`, item, store.Micros(now.Add(min(wait, 12*time.Hour))))
		return false, err
	}
	_, err = c.DB.ExecContext(ctx, `UPDATE collect_claim SET lease = 0, verified_at = $2, how = $3 WHERE item = $1 AND verified_at = 0`, item, store.Micros(now), how)
	return err == nil, err
}

// shown looks where a domain shows the token: in DNS, where whoever has the domain writes, or else in a file of its web server.
func (c *Collection) shown(ctx context.Context, cl *Claim) string {
	if outward.IsShut(ctx) {
		return ""
	}
	if texts, err := c.Resolver.LookupTXT(ctx, cl.Name()+"."); err == nil && slices.Contains(texts, cl.Record()) {
		return "dns"
	}
	p, err := c.Web.Ask(ctx, cl.File())
	if err != nil || p.Status != http.StatusOK || len(p.Body) > 64<<10 || hostOf(p.Final) != strings.TrimPrefix(cl.Domain, "www.") {
		return ""
	}
	for line := range strings.SplitSeq(string(p.Body), "\n") {
		if strings.TrimSpace(line) == cl.Record() {
			return "file"
		}
	}
	return ""
}
