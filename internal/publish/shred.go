package publish

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// Ends is what the end of a case needs to know of, and to do in, other rooms. Functions may be nil.
type Ends struct {
	// Allowed says why a case may not be shredded.
	Allowed func(ctx context.Context, id string) error
	// OnHold says, in the transaction from which on its key is to be destroyed, that a legal hold is on.
	OnHold func(ctx context.Context, q store.Querier, id string) error
	// Stands says how the case stands, in that transaction: another text as soon as something is recorded of it.
	Stands func(ctx context.Context, q store.Querier, id string) (string, error)
	// Ready says how the case stands that is to end, and why that is refused: it is not closed, and nobody has given a reason to overrule it.
	Ready func(ctx context.Context, who actor.Actor, id, despite string) (Ready, error)
	// Retained gives the record that stays of a case, as it stands; its zero value where there is no case to keep one of.
	Retained func(ctx context.Context, who actor.Actor, id string) (Retained, error)
	// Held counts what the case's key seals, and what of it has left, while that can be read.
	Held func(ctx context.Context, id string) (Held, error)
	// Others counts what others hold now, which no key is needed for.
	Others func(ctx context.Context, id string) ([]check.Accounted, error)
	// Copies destroys the sealed copies of a key that backups have, and gives those that it did not reach.
	Copies func(ctx context.Context, keyFile string) (gone int64, left []Remaining, err error)
	// Tidy lets go, in every room, what is of cases that were shredded.
	Tidy func(ctx context.Context) error
}

// Ready is how a case stands that is to end.
type Ready struct {
	Stands []string // part of what is approved
	Doubts []language.Text
	Keep   func(ctx context.Context, tx *sql.Tx) error // keeps what of it outlives the case; nil: nothing does
}

// Retained is the record that stays of a case.
type Retained struct {
	SHA256 string
	Keep   func(ctx context.Context, tx *sql.Tx) error // keeps it, and no other one of the case
}

// AskedEnd is what a proposal to shred asks for: why, where the case is not at its end.
type AskedEnd struct {
	Despite string `json:"despite,omitzero"`
}

// Held is what of a case its key sealed, and what had left the machine.
type Held struct {
	Gone []check.Accounted `json:"gone"`
	Left []check.Accounted `json:"left"`
	// Uncounted says that the key was gone when it was to be counted: an earlier version shredded the case.
	Uncounted bool `json:"uncounted,omitzero"`
}

// ErrNothing says that a reason was given to overrule what keeps a case whose key is destroyed already: it would stay, and nobody would look at it.
var ErrNothing = errors.New("the key is destroyed already: there is nothing to overrule")

// ErrNoCertificate says that there is no certificate of an incident.
var ErrNoCertificate = errors.New("there is no certificate of it")

// Certified is a certificate, and where it stands.
type Certified struct {
	check.Certificate
	Data        []byte
	LedgerIndex int64
	Salt        []byte      // by which it stands for an incident that is not public; nil where it names it
	Left        []Remaining // the copies of the key that were not reached, each with its place: nothing of that is in the certificate
	Waiting     error       // it is recorded, and is public once witnesses have cosigned it
}

// anEnd is what asks for a case to end: somebody, or a proposal that was approved.
type anEnd struct {
	id, despite string
	digest      string                 // of what was approved; "": it was not proposed
	settle      func(tx *sql.Tx) error // is called in the transaction in which it is decided; nil: nobody has to be told
}

// shred has a case end, in an order that a dead process cannot leave half done. What is to be kept of it is made, and what its key seals is
// counted. One transaction decides it: no legal hold is on, the case stands as it was looked at, what is kept and counted is kept, and from
// then on its key is to be destroyed. Until it nothing is over, and nothing is kept. Then the key is destroyed; what lies in other rooms is
// let go; the copies of the key in backups are destroyed as far as they are reached; and only then is it certified. Called again it goes on,
// reaches for copies that were left, and certifies that where something has changed.
//
// Errors: roster.ErrNone, ErrNothing, proposal.ErrChanged where it is not what was approved any more, and why it is not allowed.
func (p *Publisher) shred(ctx context.Context, who actor.Actor, a anEnd) (*Certified, error) {
	ending, err := p.Rosters.Ending(ctx, p.DB, a.id)
	if err != nil {
		return nil, err
	}
	if !ending {
		if err := p.decide(ctx, who, a); err != nil {
			return nil, err
		}
		return p.finishShred(ctx, who, a.id, nil)
	}
	if a.digest != "" { // it is compared with what was approved
		a.despite = ""
	}
	plan, err := p.again(ctx, a.id, a.despite)
	if errors.Is(err, ErrNoCertificate) { // it is to be gone on with, whatever was approved
		if _, err = p.decided(ctx, a.id); errors.Is(err, sql.ErrNoRows) {
			err = p.uncounted(ctx, who, a.id)
		}
	} else if err == nil && a.digest != "" && plan.Digest() != a.digest {
		err = proposal.ErrChanged
	}
	if err != nil {
		return nil, err
	}
	return p.finishShred(ctx, who, a.id, a.settle)
}

type shredding struct {
	retained string
	held     Held
	salt     []byte
	stands   string
}

func (p *Publisher) decided(ctx context.Context, id string) (s shredding, err error) {
	var held string
	if err = p.DB.QueryRowContext(ctx, `SELECT retained, held, salt, stands FROM publish_shred WHERE incident = $1`, id).Scan(&s.retained, &held, &s.salt, &s.stands); err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(held), &s.held)
}

// recordEnd writes down that a case is to end. A row that is there was written by an earlier version, which decided before the transaction that
// has the key destroyed.
func (p *Publisher) recordEnd(ctx context.Context, tx *sql.Tx, who actor.Actor, id string, s shredding) error {
	salt := make([]byte, 16)
	rand.Read(salt)
	held, err := json.Marshal(s.held, json.Deterministic(true), json.FormatNilSliceAsNull(false))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO publish_shred (incident, decided_at, actor, retained, held, salt, stands) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (incident) DO UPDATE SET decided_at = excluded.decided_at, actor = excluded.actor, retained = excluded.retained, held = excluded.held, stands = excluded.stands`,
		id, store.Micros(p.now()), who.String(), s.retained, string(held), salt, s.stands)
	return err
}

// uncounted records the end of a case whose key an earlier version destroyed: it can be read by nobody, and has no record.
func (p *Publisher) uncounted(ctx context.Context, who actor.Actor, id string) error {
	return p.DB.Update(ctx, func(tx *sql.Tx) error {
		return p.recordEnd(ctx, tx, who, id, shredding{held: Held{Uncounted: true}})
	})
}

// errMoved says that something was recorded since the case was looked at.
var errMoved = errors.New("the case was worked in while it was to be shredded")

// decide has a case's key destroyed, unless a hold is on or something was recorded since the case was looked at: both are asked in the
// transaction that decides it. Then it is looked at again: whether it may end, whether that is what was approved, and what is kept of it.
func (p *Publisher) decide(ctx context.Context, who actor.Actor, a anEnd) error {
	if there, err := p.Rosters.Holds(ctx, p.DB, a.id); err != nil || !there {
		return errors.Join(err, roster.ErrNone)
	}
	for try := 1; ; try++ {
		stands, err := p.stands(ctx, p.DB, a.id) // first: what comes later is seen
		if err != nil {
			return err
		}
		l, err := p.leaving(ctx, who, a.id, a.despite)
		if err != nil {
			return err
		}
		if a.digest != "" && l.plan.Digest() != a.digest {
			return proposal.ErrChanged
		}
		s := shredding{retained: l.retained.SHA256, stands: stands}
		if p.Ends.Held != nil {
			if s.held, err = p.Ends.Held(ctx, a.id); err != nil {
				return err
			}
		}
		err = p.Rosters.ShredIf(ctx, who, a.id, func(tx *sql.Tx) error {
			if p.Ends.OnHold != nil {
				if err := p.Ends.OnHold(ctx, tx, a.id); err != nil {
					return err
				}
			}
			if now, err := p.stands(ctx, tx, a.id); err != nil || now != stands {
				return cmp.Or(err, errMoved)
			}
			for _, keep := range []func(context.Context, *sql.Tx) error{l.retained.Keep, l.ready.Keep} {
				if keep != nil {
					if err := keep(ctx, tx); err != nil {
						return err
					}
				}
			}
			if err := p.recordEnd(ctx, tx, who, a.id, s); err != nil {
				return err
			}
			if a.settle == nil {
				return nil
			}
			return a.settle(tx)
		})
		if !errors.Is(err, errMoved) || try == maxTries {
			return err
		}
	}
}

func (p *Publisher) stands(ctx context.Context, q store.Querier, id string) (string, error) {
	rosters, err := p.Rosters.Stands(ctx, q, id)
	if err != nil || p.Ends.Stands == nil {
		return rosters, err
	}
	rest, err := p.Ends.Stands(ctx, q, id)
	return rosters + "\n" + rest, err
}

// maxTries is how often a case is looked at that somebody works in.
const maxTries = 20

// finishShred goes on from where it was decided that a case is to be shredded. settle is called in the transaction that has it certified.
func (p *Publisher) finishShred(ctx context.Context, who actor.Actor, id string, settle func(tx *sql.Tx) error) (*Certified, error) {
	s, err := p.decided(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := p.Rosters.Shred(ctx, who, id); err != nil { // nothing, where it was done, and is not there again
		return nil, err
	}
	if p.Ends.Tidy != nil {
		if err := p.Ends.Tidy(ctx); err != nil {
			return nil, err
		}
	}
	c := check.Certificate{Time: check.At(p.now()), Outcome: check.OutcomeDestroyed, Retained: s.retained,
		Unknown: []string{"copies-by-hand", "account-export", "accounts", "whoever-read"}, V: check.CertificateVersion, Exercise: p.instance.Exercise}
	if s.held.Uncounted {
		c.Unknown = append(c.Unknown, check.NotCounted)
	}
	gone, remains := map[string]int64{"case-key": 1}, map[string]int64{}
	count(remains, s.held.Left)
	var left []Remaining
	if p.Ends.Copies != nil {
		var n int64
		if n, left, err = p.Ends.Copies(ctx, roster.KeyFile(id)); err != nil {
			return nil, err
		}
		gone["key-copies"], remains["key-copies"] = n, int64(len(left))
		if len(left) > 0 {
			c.Outcome = check.OutcomeRemoved
		}
	}
	if c.Outcome == check.OutcomeDestroyed { // whoever has a copy of the key reads what it sealed
		count(gone, s.held.Gone)
	}
	if p.Ends.Others != nil {
		others, err := p.Ends.Others(ctx, id)
		if err != nil {
			return nil, err
		}
		count(remains, others)
	}
	answered, err := p.Answered(ctx, id)
	if err != nil {
		return nil, err
	}
	if answered {
		remains["sealed-index"] = 1
	}
	c.Gone, c.Remains = accounted(gone, check.CertificateGone), accounted(remains, check.CertificateRemains)
	public, err := p.public(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.Incident = id; !public { // that there was such a case is nobody's to know
		c.Incident, c.Subject = "", check.CertificateSubject(s.salt, id)
	}
	return p.certifyShred(ctx, who, id, c, left, settle)
}

func count(into map[string]int64, list []check.Accounted) {
	for _, a := range list {
		into[a.What] += a.N
	}
}

// accounted gives what there is any of, in the order of words.
func accounted(of map[string]int64, words []string) []check.Accounted {
	out := []check.Accounted{}
	for _, w := range words {
		if of[w] > 0 {
			out = append(out, check.Accounted{What: w, N: of[w]})
		}
	}
	return out
}

// public reports whether anything of an incident is published.
func (p *Publisher) public(ctx context.Context, id string) (bool, error) {
	notices, err := p.Incidents.Notices(ctx, id)
	return len(notices) > 0, err
}

// certifyShred puts a certificate into the ledger, where the last one of the case does not say the same.
func (p *Publisher) certifyShred(ctx context.Context, who actor.Actor, id string, c check.Certificate, left []Remaining, settle func(tx *sql.Tx) error) (*Certified, error) {
	var out *Certified
	err := p.ledger.Update(ctx, func(tx *sql.Tx) error {
		if settle != nil {
			if err := settle(tx); err != nil {
				return err
			}
		}
		last, err := p.certificate(ctx, tx, id)
		if err != nil && !errors.Is(err, ErrNoCertificate) {
			return err
		}
		if c.N = 1; err == nil {
			if same(last.Certificate, c) {
				out = last
				return nil
			}
			c.N = last.N + 1
		}
		data, err := c.Bytes()
		if err != nil {
			return err
		}
		at, err := p.append(ctx, tx, who, check.KindCertificate, data, nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO publish_certificate (incident, n, ledger_index, data) VALUES ($1, $2, $3, $4)`, id, c.N, at, data); err != nil {
			return err
		}
		out = &Certified{Certificate: c, Data: data, LedgerIndex: at}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("certify the end of %s: %w", id, err)
	}
	if out.Waiting, err = p.serve(ctx); err != nil {
		return nil, err
	}
	out.Left = left
	return out, nil
}

// same reports whether two certificates differ only in when they were made.
func same(a, b check.Certificate) bool {
	a.Time, a.N, b.Time, b.N = check.Time{}, 0, check.Time{}, 0
	x, errX := json.Marshal(a, json.Deterministic(true))
	y, errY := json.Marshal(b, json.Deterministic(true))
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func (p *Publisher) certificate(ctx context.Context, q store.Querier, id string) (*Certified, error) {
	out := &Certified{}
	err := q.QueryRowContext(ctx, `SELECT data, ledger_index FROM publish_certificate WHERE incident = $1 ORDER BY n DESC LIMIT 1`, id).Scan(&out.Data, &out.LedgerIndex)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoCertificate
	}
	if err == nil {
		out.Certificate, err = check.ParseCertificate(out.Data)
	}
	return out, err
}

// CertificateOf gives the newest certificate of a case, as the ledger has it. Who may ask is whoever opens the door's to say. Errors:
// ErrNoCertificate, ErrDamaged.
func (p *Publisher) CertificateOf(ctx context.Context, id string) (*Certified, error) {
	out, err := p.certificate(ctx, p.DB, id)
	if err == nil { // a row that was edited says nothing: what counts is what the ledger has
		var kind string
		var data []byte
		if kind, data, err = p.ledger.Entry(ctx, out.LedgerIndex); err == nil && (kind != check.KindCertificate || !bytes.Equal(data, out.Data)) {
			err = fmt.Errorf("%w: entry %d is not this certificate", ErrDamaged, out.LedgerIndex)
		}
	}
	if err == nil && out.Incident == "" {
		var s shredding
		if s, err = p.decided(ctx, id); err == nil {
			out.Salt = s.salt
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the certificate of %s: %w", id, err)
	}
	return out, nil
}

// FinishShreds goes on where the end of a case was decided and a process died before it was certified.
func (p *Publisher) FinishShreds(ctx context.Context, who actor.Actor) error {
	if err := who.Check("finish to shred cases"); err != nil {
		return err
	}
	ids, err := p.unfinished(ctx)
	if err != nil {
		return fmt.Errorf("finish to shred cases: %w", err)
	}
	for _, id := range ids {
		ending, e := p.Rosters.Ending(ctx, p.DB, id)
		switch {
		case e != nil:
		case ending:
			_, e = p.finishShred(ctx, who, id, nil)
		default: // an earlier version decided it and did not come to it: whoever wants it says so again, of the case as it is now
			_, e = p.DB.ExecContext(ctx, `DELETE FROM publish_shred WHERE incident = $1`, id)
		}
		if e != nil {
			err = errors.Join(err, fmt.Errorf("finish to shred %s: %w", id, e))
		}
	}
	return err
}

func (p *Publisher) unfinished(ctx context.Context) (ids []string, err error) {
	ids, err = store.Column[string](ctx, p.DB, `SELECT incident FROM publish_shred s WHERE NOT EXISTS (SELECT 1 FROM publish_certificate c WHERE c.incident = s.incident)`)
	slices.Sort(ids)
	return ids, err
}
