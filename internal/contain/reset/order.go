package reset

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/store"
)

// Kinds of proposals.
const (
	KindForce = "force-reset" // the bulk order
	KindLift  = "lift-reset"
)

// Asked is what a proposal of the bulk order asks for.
type Asked struct {
	PerSecond float64 `json:"perSecond,omitzero"`
	Why       string  `json:"why,omitzero"`
}

// Plan is what would be done, exactly.
type Plan struct {
	Bytes  []byte
	Says   language.Text
	People int64
	Doubts []language.Text

	asked Asked
	run   *run
	lift  bool
}

// mayPlan lets those work out what would be done who may propose it, and those who may approve it: it is worked out once more when they do.
func mayPlan(who actor.Actor, incident string) error {
	err := may(who, actor.Propose, incident)
	if err != nil && who.May(actor.Approve, incident) == nil {
		return nil
	}
	return err
}

// PlanForce works out the bulk order: no account's old password is good any more, its sessions are ended, and nobody gets in before they
// have reset. The bytes name the roster, and the connector with its statements, so that these and no others are approved.
func (r *Resets) PlanForce(ctx context.Context, who actor.Actor, incident string, a Asked) (*Plan, error) {
	if err := mayPlan(who, incident); err != nil {
		return nil, fmt.Errorf("force a reset: %w", err)
	}
	if r.Connector == nil {
		return nil, ErrNoConnector
	}
	if !(a.PerSecond >= 0) || math.IsInf(a.PerSecond, 0) || len([]rune(a.Why)) > maxWhy {
		return nil, fmt.Errorf("%w: the rate, or the reason", ErrInput)
	}
	x, err := r.prepare(ctx, who, incident)
	if err != nil {
		return nil, err
	}
	n, err := r.counts(ctx, r.DB, x.id)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(map[string]any{"act": KindForce, "incident": incident, "roster": x.roster, "run": x.id, "accounts": x.accounts, "perSecond": a.PerSecond, "why": a.Why,
		"connector": string(r.Connector.Describe())}, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	p := &Plan{Bytes: b, People: n.Of(Waiting) + n.Of(Deferred) + n.Of(Unknown), asked: a, run: x, Says: language.Text{
		JA: "名簿のすべてのアカウントのパスワードを使えなくし、ログイン中の端末をログアウトさせます。再設定するまで、ご本人もログインできません。元には戻せません。",
		EN: "The password of every account of the roster is taken away and all sessions are ended. Nobody gets in before they have reset. It cannot be undone."}}
	s, err := r.at(ctx, r.DB, incident)
	if err != nil {
		return nil, err
	}
	if !s.Open() {
		p.Doubts = append(p.Doubts, language.Text{JA: "再設定の受け付けが始まっていません。始めるまで、だれもログインできなくなります。", EN: "Resetting is not open: until it is, nobody can log in at all."})
	}
	if x.unlisted > 0 {
		p.Doubts = append(p.Doubts, language.Text{JA: fmt.Sprintf("名簿に番号が載っていないアカウントが%d件あり、対象になりません。", x.unlisted), EN: fmt.Sprintf("The roster does not name %d accounts: they are not among them.", x.unlisted)})
	}
	return p, nil
}

// PlanLift works out the end of the forced reset.
func (r *Resets) PlanLift(ctx context.Context, who actor.Actor, incident string, a Asked) (*Plan, error) {
	if err := mayPlan(who, incident); err != nil {
		return nil, fmt.Errorf("lift a reset: %w", err)
	}
	s, err := r.Status(ctx, who, incident)
	if err != nil {
		return nil, err
	}
	if s.State == "" || s.State == Lifted {
		return nil, fmt.Errorf("%w: it is %s", ErrState, orNot(s.State))
	}
	b, err := json.Marshal(map[string]any{"act": KindLift, "incident": incident, "since": s.Since.UTC().Format(time.RFC3339), "why": a.Why}, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	p := &Plan{Bytes: b, lift: true, asked: a, People: s.Counts.Of(Waiting) + s.Counts.Of(Forced), Says: language.Text{
		JA: "パスワードの強制的な再設定を終えます。まだ再設定していない方も、再設定を求められなくなります。", EN: "The forced reset ends: those who have not reset are not asked to any more."}}
	if n := s.Counts.Of(Forced); n > 0 {
		p.Doubts = append(p.Doubts, language.Text{JA: fmt.Sprintf("%d件は、再設定するまでログインできないままです。", n), EN: fmt.Sprintf("%d accounts cannot log in before they have reset, also after this.", n)})
	}
	return p, nil
}

// Approve does what was planned, and calls settle in the transaction in which it becomes true.
func (r *Resets) Approve(ctx context.Context, who actor.Actor, p *Plan, incident string, settle func(tx *sql.Tx) error) error {
	if p.lift {
		_, err := r.move(ctx, who, incident, Change{State: Lifted, Why: p.asked.Why}, settle)
		return err
	}
	sum := sha256.Sum256(r.Connector.Describe())
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		x, err := r.current(ctx, tx, incident)
		if err != nil {
			return err
		}
		if x.id != p.run.id {
			return fmt.Errorf("%w: the roster has changed", ErrState)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE reset_run SET bulk = 'running', why = '', per_second = $2, connector = $3, started_at = CASE WHEN started_at = 0 THEN $4 ELSE started_at END, ended_at = 0 WHERE id = $1`,
			x.id, p.asked.PerSecond, hex.EncodeToString(sum[:]), store.Micros(r.Now())); err != nil {
			return err
		}
		if err := r.note(ctx, tx, who, incident, "パスワードの一斉無効化とログアウトを始めた / The bulk reset was begun"); err != nil {
			return err
		}
		if settle != nil {
			return settle(tx)
		}
		return nil
	})
}

// Force begins the bulk order at once, where nobody else has to approve it. Errors: ErrWanted, those of PlanForce.
func (r *Resets) Force(ctx context.Context, who actor.Actor, incident string, a Asked) error {
	if err := r.alone(ctx); err != nil {
		return err
	}
	p, err := r.PlanForce(ctx, who, incident, a)
	if err != nil {
		return err
	}
	return r.Approve(ctx, who, p, incident, nil)
}

// Pause has the bulk order begin nothing more.
func (r *Resets) Pause(ctx context.Context, who actor.Actor, incident, why string) error {
	return r.turn(ctx, who, incident, "running", "paused", why)
}

// Resume has it go on where it was.
func (r *Resets) Resume(ctx context.Context, who actor.Actor, incident string) error {
	return r.turn(ctx, who, incident, "paused", "running", "")
}

// Rate changes how quickly it goes, also while it runs.
func (r *Resets) Rate(ctx context.Context, who actor.Actor, incident string, perSecond float64) error {
	if err := may(who, actor.Propose, incident); err != nil {
		return err
	}
	if !(perSecond >= 0) || math.IsInf(perSecond, 0) {
		return fmt.Errorf("%w: the rate", ErrInput)
	}
	x, err := r.current(ctx, r.DB, incident)
	if err == nil {
		_, err = r.DB.ExecContext(ctx, `UPDATE reset_run SET per_second = $2 WHERE id = $1`, x.id, perSecond)
	}
	return err
}

// Decide has the bulk order force, or leave, those of whom nobody knows whether their new password was set.
func (r *Resets) Decide(ctx context.Context, who actor.Actor, incident string, force bool) (n int64, err error) {
	if err := may(who, actor.Propose, incident); err != nil {
		return 0, err
	}
	x, err := r.current(ctx, r.DB, incident)
	if err != nil {
		return 0, err
	}
	for at := int64(0); at*blockSize < x.accounts; at++ {
		err := r.DB.Update(ctx, func(tx *sql.Tx) error {
			b, err := loadBlock(ctx, tx, x.id, at)
			if err != nil {
				return err
			}
			moved := int64(0)
			for i := range b.size() {
				rec := b.get(i)
				if rec.state != Unknown {
					continue
				}
				if rec.state = Reset; force {
					rec.state = Waiting
				}
				rec.at = uint32(r.Now().Unix())
				b.set(i, rec)
				moved++
			}
			if moved == 0 {
				return nil
			}
			n += moved
			return b.save(ctx, tx, x.id)
		})
		if err != nil {
			return n, err
		}
	}
	if force && x.bulk == "done" && n > 0 {
		_, err = r.DB.ExecContext(ctx, `UPDATE reset_run SET bulk = 'running', ended_at = 0 WHERE id = $1 AND bulk = 'done'`, x.id)
	}
	return n, err
}

func (r *Resets) turn(ctx context.Context, who actor.Actor, incident, from, to, why string) error {
	if err := may(who, actor.Propose, incident); err != nil {
		return err
	}
	x, err := r.current(ctx, r.DB, incident)
	if err != nil {
		return err
	}
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE reset_run SET bulk = $3, why = $4 WHERE id = $1 AND bulk = $2`, x.id, from, to, why)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%w: it is not %s", ErrState, from))
		}
		return r.note(ctx, tx, who, incident, "一斉無効化: "+to+" "+why+" / The bulk reset: "+to)
	})
}
