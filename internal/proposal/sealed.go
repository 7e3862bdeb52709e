package proposal

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"shirase/internal/language"
	"shirase/internal/store"
)

// What a proposal is of, and what became of it, is people's words: a reason, the text of an answer, a notice that is no fact yet. So it is
// sealed under the case's key from its first write, and nobody reads it once the case is shredded. That there was one, of which kind, by
// whom and when it was proposed and approved, and the digest of what they signed for stay.

// ErrGone says that the key of a proposal's case is destroyed: nobody can read any more what was proposed.
var ErrGone = errors.New("the key of its case is destroyed: nobody can read what it is of any more")

// How the columns of a row are kept.
const (
	inClear = 0
	sealed  = 1
	letGo   = 2
)

// A value that is sealed begins so; one of a sealed row that does not is the program's own, written when the key was gone.
const (
	sealedByte = 0x01
	sealedText = "sealed:"
)

// box seals and opens the columns of one case's proposals. Its zero value leaves them in the clear.
type box struct {
	s    *store.Sealer
	gone bool
}

// box gives that of a case. Errors: ErrGone, those of Rooms.Sealer.
func (p *Proposals) box(ctx context.Context, incident string) (box, error) {
	if p.Sealer == nil || incident == "" {
		return box{}, nil
	}
	s, err := p.Sealer(ctx, incident)
	return box{s: s}, err
}

func (b box) mode() int {
	if b.s == nil {
		return inClear
	}
	return sealed
}

func (b box) bytes(id, column string, v []byte) []byte {
	if len(v) == 0 {
		return []byte{} // never NULL
	}
	if b.s == nil {
		return v
	}
	return append([]byte{sealedByte}, b.s.Seal("proposal "+column+" "+id, v)...)
}

func (b box) text(id, column, v string) string {
	if b.s == nil || v == "" {
		return v
	}
	return sealedText + base64.RawStdEncoding.EncodeToString(b.s.Seal("proposal "+column+" "+id, []byte(v)))
}

func (b box) openBytes(id, column string, v []byte) ([]byte, error) {
	if len(v) == 0 || v[0] != sealedByte {
		return v, nil
	}
	return b.s.Open("proposal "+column+" "+id, v[1:])
}

func (b box) openText(id, column, v string) (string, error) {
	enc, is := strings.CutPrefix(v, sealedText)
	if !is {
		return v, nil
	}
	raw, err := base64.RawStdEncoding.DecodeString(enc)
	if err == nil {
		raw, err = b.s.Open("proposal "+column+" "+id, raw)
	}
	return string(raw), err
}

// later gives the box for what is written into a row that is there. Where the key is gone, what the program says is left in the clear, and
// what people say is not kept.
func (p *Proposals) later(ctx context.Context, x *Proposal) (box, error) {
	if x.kept != sealed {
		return box{}, nil
	}
	b, err := p.box(ctx, x.Incident)
	if errors.Is(err, ErrGone) {
		err = nil
	}
	return b, err
}

// unseal opens a row that was read. Of one whose key is gone nothing is left but what is in the clear.
func (p *Proposals) unseal(ctx context.Context, x *Proposal) error {
	effect := x.effect
	switch x.kept {
	case letGo:
		return x.unread(ErrGone)
	case sealed:
	default:
		return x.read(effect)
	}
	b, err := p.box(ctx, x.Incident)
	if err == nil && b.s == nil {
		err = ErrGone
	}
	if err != nil { // the key is gone, or away: the row is one all the same
		return x.unread(err)
	}
	var errs [5]error
	x.request, errs[0] = b.openBytes(x.ID, "request", x.request)
	x.Bytes, errs[1] = b.openBytes(x.ID, "bytes", x.Bytes)
	x.Result, errs[2] = b.openBytes(x.ID, "result", x.Result)
	effect, errs[3] = b.openText(x.ID, "effect", effect)
	x.Why, errs[4] = b.openText(x.ID, "why", x.Why)
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("proposal %s: %w: its row was edited: %w", x.ID, ErrChanged, err)
	}
	return x.read(effect)
}

// unread makes what is left of a proposal that cannot be read.
func (x *Proposal) unread(why error) error {
	x.Unread, x.request, x.Bytes = why, []byte("{}"), nil
	if len(x.Result) > 0 && x.Result[0] == sealedByte {
		x.Result = nil
	}
	if strings.HasPrefix(x.Why, sealedText) {
		x.Why = ""
	}
	says := language.Text{JA: "事案の鍵が手元にないため、内容を読めません", EN: "cannot be read now: the key of its case is away"}
	if errors.Is(why, ErrGone) {
		says = language.Text{JA: "事案の鍵を壊したため、内容はもうだれにも読めません", EN: "cannot be read any more: the key of its case is destroyed"}
	}
	x.Effect = Effect{Says: says, People: -1}
	return nil
}

// Seal seals what is in the clear of cases that have a key, as of an earlier version, and lets go what is of cases whose key is gone, but for
// the kinds that outlive it. It is done whenever the room is opened, and when a case is shredded: it needs nothing that proposals stand on.
func Seal(ctx context.Context, db *store.DB, sealer func(ctx context.Context, incident string) (*store.Sealer, error), outlives func(kind string) bool) error {
	if err := migrate(ctx, db); err != nil {
		return err
	}
	p := &Proposals{Rooms: Rooms{DB: db, Sealer: sealer}, now: time.Now}
	if err := p.seal(ctx, outlives); err != nil {
		return fmt.Errorf("seal proposals: %w", err)
	}
	return nil
}

func (p *Proposals) seal(ctx context.Context, outlives func(kind string) bool) error {
	if p.Sealer == nil {
		return nil
	}
	clear, err := p.inClear(ctx)
	if err != nil {
		return err
	}
	boxes := map[string]box{}
	for _, x := range clear {
		b, there := boxes[x.Incident]
		if !there {
			b, err = p.box(ctx, x.Incident)
			b.gone = errors.Is(err, ErrGone)
			if boxes[x.Incident] = b; err != nil && !b.gone {
				continue // it is away: they are sealed when it is there
			}
		}
		switch {
		case b.s != nil:
			err = p.sealOld(ctx, b, x.ID)
		case b.gone && x.State != Started && !outlives(x.Kind):
			err = p.letGo(ctx, x.ID)
		default:
			err = nil
		}
		if err != nil {
			return fmt.Errorf("proposal %s: %w", x.ID, err)
		}
	}
	return nil
}

// inClear lists what is in the clear, of cases.
func (p *Proposals) inClear(ctx context.Context) (out []Proposal, err error) {
	rows, err := p.DB.QueryContext(ctx, `SELECT id, kind, incident, state FROM proposal WHERE sealed = 0 AND incident <> '' ORDER BY incident, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var x Proposal
		var state string
		if err := rows.Scan(&x.ID, &x.Kind, &x.Incident, &state); err != nil {
			return nil, err
		}
		x.State = State(state)
		out = append(out, x)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

func (p *Proposals) sealOld(ctx context.Context, b box, id string) error {
	return p.DB.Update(ctx, func(tx *sql.Tx) error {
		var request, bytes, result []byte
		var effect, why string
		err := tx.QueryRowContext(ctx, `SELECT request, bytes, result, effect, why FROM proposal WHERE id = $1 AND sealed = 0`, id).Scan(&request, &bytes, &result, &effect, &why)
		if errors.Is(err, sql.ErrNoRows) { // another process was faster
			return nil
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE proposal SET request = $2, bytes = $3, result = $4, effect = $5, why = $6, sealed = $7 WHERE id = $1`, id,
			b.bytes(id, "request", request), b.bytes(id, "bytes", bytes), b.bytes(id, "result", result), b.text(id, "effect", effect), b.text(id, "why", why), sealed)
		return err
	})
}

// letGo empties a row. What was still to be approved or carried out is void.
func (p *Proposals) letGo(ctx context.Context, id string) error {
	_, err := p.DB.ExecContext(ctx, `UPDATE proposal SET request = $2, bytes = $2, result = $2, effect = '', why = '', sealed = $3,
		ended_at = CASE WHEN state IN ('proposed', 'approved') THEN CAST($4 AS bigint) ELSE ended_at END, state = CASE WHEN state IN ('proposed', 'approved') THEN 'void' ELSE state END
		WHERE id = $1 AND sealed = 0 AND state <> 'started'`, id, []byte{}, letGo, store.Micros(p.now()))
	return err
}
