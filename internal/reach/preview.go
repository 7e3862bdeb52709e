package reach

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
)

// Preview is what a campaign would send, and how it would go.
type Preview struct {
	Campaign *Campaign
	Counts   Counts
	Contents []PreviewText
	Duration time.Duration   // that sending is expected to take; 0: as long as the relay takes
	By       string          // what bounds it: "rate", "signing", "relay"
	Problems []language.Text // of the preflight, and of the texts: they are sent only for a reason
	Texts    []language.Text // of those: what the facts have against a text
	Checked  bool            // the preflight was made
	Signed   []string        // algorithms; none: the relay signs, or nobody does
}

// PreviewText is the text of one group of recipients.
type PreviewText struct {
	Content
	Exposed []string
}

// Preview shows a campaign with the facts as they are now, or, once it is approved, with what was approved.
func (r *Reach) Preview(ctx context.Context, who actor.Actor, id string) (*Preview, error) {
	c, err := r.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	p, err := r.preview(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("preview campaign %s: %w", id, err)
	}
	return p, nil
}

func (r *Reach) preview(ctx context.Context, c *Campaign) (*Preview, error) {
	f, sets, err := r.texts(ctx, c)
	if err != nil {
		return nil, err
	}
	p := &Preview{Campaign: c}
	if p.Counts, err = r.counts(ctx, r.DB, c.ID); err != nil {
		return nil, err
	}
	for _, v := range f.Variants {
		said, err := f.in(v.Lang, v.Set)
		if err != nil {
			return nil, err
		}
		if c.Link != "" {
			said = said.linked(c.Link + "…")
		}
		p.Contents = append(p.Contents, PreviewText{said, sets[v.Set]})
	}
	if c.Way() != Mail {
		return p, r.read(ctx, p)
	}
	if r.Preflight != nil {
		p.Checked = true
		if p.Problems, err = r.Preflight(ctx, c.From.Address); err != nil {
			return nil, err
		}
	}
	if err := r.read(ctx, p); err != nil {
		return nil, err
	}
	if c.promises() && !slices.Contains(c.Needs, "reset") {
		p.Problems = append(p.Problems, language.Both("文章は再設定を約束していますが、受付が開いているかどうかを、ここではだれも知りません", "its text promises the reset, and nobody here knows whether that is open"))
	}
	if r.Mailer == nil {
		p.Problems = append(p.Problems, language.Both("配信に使う送信サーバーが決まっていません", ErrNoRelay.Error()))
		return p, nil
	}
	signers, err := r.signers(c)
	if err != nil {
		return nil, err
	}
	for _, s := range signers {
		p.Signed = append(p.Signed, s.Algorithm())
	}
	p.Duration, p.By = expected(p.Counts[Pending]+p.Counts[Deferred], c.Rates, signers)
	return p, nil
}

// read holds what recipients would get against the facts: subject and text, of each group.
func (r *Reach) read(ctx context.Context, p *Preview) error {
	if r.Read == nil {
		return nil
	}
	for _, c := range p.Contents {
		found, err := r.Read(ctx, p.Campaign.Incident, c.Lang, c.Subject+"\n\n"+c.Text)
		if err != nil {
			return fmt.Errorf("read its texts: %w", err)
		}
		for _, f := range found {
			if one := language.Same(f); !slices.Contains(p.Problems, one) {
				p.Problems, p.Texts = append(p.Problems, one), append(p.Texts, one)
			}
		}
	}
	return nil
}

// texts gives what a campaign says, and the sets of its roster.
func (r *Reach) texts(ctx context.Context, c *Campaign) (*frozen, [][]string, error) {
	ro, err := r.Rosters.Named(ctx, c.Incident, c.Roster)
	if err != nil {
		return nil, nil, err
	}
	if len(c.texts) > 0 {
		f, err := c.frozen()
		return f, ro.Sets, err
	}
	f, err := r.render(ctx, &c.Spec, ro)
	return f, ro.Sets, err
}

// Said is what a campaign says, in the languages that it is written in.
type Said struct {
	Campaign      string
	Subject, Text language.Text
}

// Texts gives what the campaigns of an incident say that they may see, but for those that are cancelled: word for word what was approved,
// or a draft with the facts as they are now. A draft that refers to what is not known yet says nothing.
func (r *Reach) Texts(ctx context.Context, who actor.Actor, of string) ([]Said, error) {
	all, err := r.List(ctx, who, of)
	if err != nil {
		return nil, err
	}
	var out []Said
	for _, c := range all {
		if c.State == Cancelled {
			continue
		}
		f, _, err := r.texts(ctx, c)
		switch {
		case err != nil && c.State == Draft:
			continue
		case err != nil:
			return nil, fmt.Errorf("what campaign %s says: %w", c.ID, err)
		}
		said := Said{Campaign: c.ID}
		for _, v := range f.Variants { // the others differ in what was exposed only
			subject, text := &said.Subject.JA, &said.Text.JA
			if v.Lang == language.EN {
				subject, text = &said.Subject.EN, &said.Text.EN
			}
			if *text != "" {
				continue
			}
			one, err := content(f.Subject.In(v.Lang), v.Markdown, v.Lang)
			if err != nil {
				return nil, fmt.Errorf("what campaign %s says: %w", c.ID, err)
			}
			*subject, *text = one.Subject, one.Text
		}
		out = append(out, said)
	}
	return out, nil
}

func (r *Reach) signers(c *Campaign) ([]*message.Signer, error) {
	if r.Mailer == nil || r.Mailer.Signers == nil {
		return nil, nil
	}
	return r.Mailer.Signers(domainOf(c.From.Address))
}

// expected is how long n mails take: by their rate, or by what this machine's processors sign. What the relay takes nobody knows before.
func expected(n int64, rates Rates, signers []*message.Signer) (time.Duration, string) {
	perSecond, by := rates.PerSecond, "rate"
	if len(signers) > 0 {
		if s := message.SigningRate(signers); perSecond == 0 || s < perSecond {
			perSecond, by = s, "signing"
		}
	}
	if perSecond == 0 {
		return 0, "relay"
	}
	d := time.Duration(math.Ceil(float64(n)/perSecond)) * time.Second
	if by == "rate" { // while it comes up, half of the mails of that time leave
		d += time.Duration(rates.RampUp) / 2
	}
	return d.Round(time.Second), by
}

// Test sends what a recipient of each language would get to addresses that are named, at once and beside the campaign: nothing is kept of
// it. Preflights that want a mail that came back go by these.
func (r *Reach) Test(ctx context.Context, who actor.Actor, id string, to []string) error {
	c, err := r.mayChange(ctx, who, id, "send a test")
	if err != nil {
		return err
	}
	if len(to) == 0 || len(to) > 50 {
		return fmt.Errorf("send a test: %w: it goes to 1 to 50 addresses", ErrInput)
	}
	if c.Way() != Mail {
		return fmt.Errorf("send a test: %w: %s is no campaign of mail", ErrInput, c.ID)
	}
	if err := r.ownAddresses(ctx, c, to); err != nil {
		return fmt.Errorf("send a test: %w", err)
	}
	f, _, err := r.texts(ctx, c)
	if err != nil {
		return fmt.Errorf("send a test: %w", err)
	}
	o, err := r.outgoing(c, f)
	if err != nil {
		return fmt.Errorf("send a test: %w", err)
	}
	var mails []smtp.Mail
	for i, address := range to {
		path, err := smtp.Path(address)
		if err != nil {
			return fmt.Errorf("send a test: %w", err)
		}
		for _, l := range c.languages() {
			said, err := f.in(l, f.Variants[0].Set)
			if err != nil {
				return err
			}
			said = said.linked(c.Link + "test")
			body := message.NewBody(string(l), said.Text, said.HTML)
			head, err := o.composers[l].Mail(nil, address, fmt.Sprintf("test.%d.%s.%d", i, l, r.Now().UnixNano()), r.Now(), body)
			if err != nil {
				return fmt.Errorf("send a test: %w", err)
			}
			mails = append(mails, smtp.Mail{From: o.returnPath(""), To: path, Data: message.Data(head, body)})
		}
	}
	conn, err := smtp.Dial(ctx, r.Mailer.Relays[0])
	if err != nil {
		return fmt.Errorf("send a test: %w: %w", ErrRelay, err)
	}
	defer conn.Close()
	var refused error
	n, _, err := conn.Deliver(mails, nil, func(_ int, o smtp.Outcome) {
		if !o.Taken() {
			refused = fmt.Errorf("send a test: %w: it answers with code %d", ErrRelay, o.Reply.Code) // its text may have the address
		}
	})
	if err != nil {
		return fmt.Errorf("send a test: %w: %w", ErrRelay, err)
	}
	if n < len(mails) {
		return fmt.Errorf("send a test: %w", ErrRelay)
	}
	if refused != nil {
		return refused
	}
	// That mail left in the organisation's name stays on record; to whom it went, whoever sent it knows.
	return r.DB.Update(ctx, func(tx *sql.Tx) error { return r.event(ctx, tx, who, c.ID, "tested", strconv.Itoa(len(to))) })
}

// ownAddresses refuses a test to somebody whom the roster has: they are told by the campaign, which a second person approves, and not one by one
// before it. It reads the roster once.
func (r *Reach) ownAddresses(ctx context.Context, c *Campaign, to []string) error {
	own := map[string]bool{}
	for _, a := range to {
		if id, err := identity.ParseEmail(a); err == nil {
			own[id.Value] = true
		}
	}
	ro, err := r.Rosters.Named(ctx, c.Incident, c.Roster)
	if err != nil {
		return err
	}
	for m, err := range r.Rosters.Members(ctx, ro) {
		if err != nil {
			return err
		}
		if m.Identity.Kind == identity.KindEmail && own[m.Identity.Value] {
			return hint.Add(fmt.Errorf("%w: one of the addresses is of somebody on the roster, whom the campaign tells", ErrInput), "send tests to addresses of your own, which are not affected")
		}
	}
	return nil
}

// KindMail is the proposal to send a campaign.
const KindMail = "mail"

// Asked is what a proposal to send asks for.
type Asked struct {
	Campaign string `json:"campaign"`
	Despite  string `json:"despite,omitzero"` // why it is sent although the preflight, or a text, speaks against it
}

// Plan is exactly what a campaign would send, to how many: what a second person approves.
type Plan struct {
	Bytes    []byte // canonical JSON
	People   int64
	Says     language.Text
	Doubts   []language.Text // what speaks against it, and why it is sent all the same
	despite  string
	campaign *Campaign
	texts    *frozen
}

// Approve has what was planned be sent, from now on or from its time. settle is called in the transaction in which it becomes true; it may
// be nil. That somebody may approve, and that the plan is the one that they saw, whoever calls it has made sure of.
func (r *Reach) Approve(ctx context.Context, who actor.Actor, p *Plan, settle func(tx *sql.Tx) error) error {
	if err := who.Check("send a campaign"); err != nil {
		return err
	}
	return r.approve(ctx, who, p, settle)
}

// Start begins a campaign at once, or at its time, where no second person is wanted. Errors: ErrWanted, ErrNotReady, ErrState.
func (r *Reach) Start(ctx context.Context, who actor.Actor, id, despite string) error {
	c, err := r.mayChange(ctx, who, id, "start a campaign")
	if err != nil {
		return err
	}
	if r.Wanted != nil {
		if wanted, err := r.Wanted(ctx); err != nil || wanted {
			return fmt.Errorf("start a campaign: %w", orWanted(err))
		}
	}
	p, err := r.Plan(ctx, who, c.Incident, Asked{id, despite})
	if err == nil {
		err = r.approve(ctx, who, p, nil)
	}
	if err != nil {
		return fmt.Errorf("start a campaign: %w", err)
	}
	return nil
}

func orWanted(err error) error {
	if err == nil {
		return ErrWanted
	}
	return err
}

// Plan works out what a draft would send now: the same in the same situation, to the byte. Errors: ErrNotReady, ErrState, ErrNoRelay.
func (r *Reach) Plan(ctx context.Context, who actor.Actor, of string, a Asked) (*Plan, error) {
	c, err := r.Get(ctx, who, a.Campaign)
	if err != nil {
		return nil, err
	}
	if c.Incident != of {
		return nil, fmt.Errorf("campaign %s: %w", a.Campaign, ErrNotFound)
	}
	if c.State != Draft {
		return nil, fmt.Errorf("%w: %s is %s", ErrState, c.ID, c.State)
	}
	if c.Way() != Mail {
		return nil, hint.Add(fmt.Errorf("%w: %s goes by a house, which is given a sealed file", ErrInput, c.ID), "shirase campaign export "+c.ID)
	}
	p, err := r.preview(ctx, c)
	if err != nil {
		return nil, err
	}
	if r.Mailer == nil || len(r.Mailer.Relays) == 0 {
		return nil, hint.Add(ErrNoRelay, "shirase config set campaign.relays mail.example.org:587")
	}
	if len(p.Problems) > 0 && a.Despite == "" {
		return nil, hint.Add(fmt.Errorf("%w: %s", ErrNotReady, p.Problems[0].EN), "see shirase doctor; or say why it is sent all the same: --despite WHY")
	}
	f, _, err := r.texts(ctx, c)
	if err != nil {
		return nil, err
	}
	shown, err := json.Marshal(f, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(shown)
	doc := map[string]any{"v": 1, "kind": KindMail, "incident": c.Incident, "campaign": c.ID, "roster": c.Roster, "recipients": p.Counts.Total(), "from": c.From, "replyTo": c.ReplyTo,
		"link": c.Link, "needs": c.Needs, "texts": jsontext.Value(shown), "textsSHA256": hex.EncodeToString(sum[:]), "despite": a.Despite, "problems": english(p.Problems)}
	if c.InUse >= 0 {
		doc["inUse"] = c.InUse
	}
	if !c.Start.IsZero() {
		doc["start"] = c.Start.UTC().Format(time.RFC3339)
	}
	b, err := json.Marshal(doc, json.Deterministic(true), json.FormatNilSliceAsNull(false))
	if err != nil {
		return nil, err
	}
	val := jsontext.Value(b)
	if err := val.Canonicalize(); err != nil {
		return nil, err
	}
	out := &Plan{Bytes: val, People: p.Counts.Total(), campaign: c, texts: f, Says: language.Text{
		JA: fmt.Sprintf("%s件のアドレスにメールを送ります。送ったメールは取り消せません", language.Digits(p.Counts.Total())),
		EN: fmt.Sprintf("sends mail to %s addresses, which nobody can take back", language.Digits(p.Counts.Total()))}}
	out.Doubts = append(out.Doubts, p.Problems...)
	if len(p.Problems) > 0 {
		out.despite = a.Despite
		out.Doubts = append(out.Doubts, language.Both("それでも送る理由: "+a.Despite, "sent all the same, because: "+a.Despite))
	}
	return out, nil
}

// english gives texts in the language that what is approved is written in.
func english(list []language.Text) []string {
	out := []string{}
	for _, t := range list {
		out = append(out, t.EN)
	}
	return out
}

// approve keeps what is sent, word for word, and lets it begin.
func (r *Reach) approve(ctx context.Context, who actor.Actor, p *Plan, settle func(tx *sql.Tx) error) error {
	c := p.campaign
	texts, err := json.Marshal(p.texts, json.Deterministic(true))
	if err != nil {
		return err
	}
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		to := Approved
		if !c.Start.After(r.Now()) {
			to = Running
		}
		if err := r.moveIn(ctx, tx, who, c.ID, to, "", Draft); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE reach_campaign SET texts = $2 WHERE id = $1`, c.ID, string(texts)); err != nil {
			return err
		}
		if p.despite != "" {
			if err := r.event(ctx, tx, who, c.ID, "overruled", p.despite); err != nil {
				return err
			}
		}
		if settle != nil {
			return settle(tx)
		}
		return nil
	})
}

// outgoing is what writes a campaign's mails.
type outgoing struct {
	composers map[language.Lang]*message.Composer
	before    string // of the token in the address that mails come back to
	at        string // its domain
}

func (r *Reach) outgoing(c *Campaign, f *frozen) (*outgoing, error) {
	if r.Mailer == nil || len(r.Mailer.Relays) == 0 {
		return nil, ErrNoRelay
	}
	signers, err := r.signers(c)
	if err != nil {
		return nil, err
	}
	bounces := r.Mailer.Bounces
	if bounces == "" {
		bounces = c.From.Address
	}
	at := len(bounces) - len(domainOf(bounces)) - 1
	o := &outgoing{composers: map[language.Lang]*message.Composer{}, before: bounces[:at], at: bounces[at+1:]}
	for _, l := range c.languages() {
		m, err := message.New(message.Address{Name: c.From.Name.In(l), Addr: c.From.Address}, message.Address{Addr: c.ReplyTo}, f.Subject.In(l), domainOf(c.From.Address), signers...)
		if err != nil {
			return nil, err
		}
		o.composers[l] = m
	}
	return o, nil
}

// returnPath is the address that somebody's mail comes back to; with an empty token, a test's.
func (o *outgoing) returnPath(tok string) string {
	if tok == "" {
		return o.before + "@" + o.at
	}
	return o.before + "+" + tok + "@" + o.at
}

func domainOf(address string) string {
	for i, c := range slices.Backward([]byte(address)) {
		if c == '@' {
			return address[i+1:]
		}
	}
	return ""
}
