package reset

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/store"
)

// The states of the hours.
const (
	Announced = "announced" // for a time
	Opened    = "opened"
	Closed    = "closed" // for a while
	Reopened  = "reopened"
	Lifted    = "lifted" // nobody has to any more
)

// follows says what may follow what; "" is before the first.
var follows = map[string][]string{
	"":        {Announced, Opened},
	Announced: {Announced, Opened, Reopened, Lifted},
	Opened:    {Closed, Lifted},
	Closed:    {Announced, Reopened, Lifted},
	Reopened:  {Closed, Lifted},
	Lifted:    {Announced, Reopened},
}

// Hour is a change of the hours.
type Hour struct {
	N        int64
	State    string
	At       time.Time
	Promised time.Time // for when it is announced, or when it opens again; zero: no time was said
	Why      string
	By       string
	// Before is how it stood: what was promised then is kept or broken by this.
	Before Was
}

// Was is how it stood before a change.
type Was struct {
	State     string
	Promised  time.Time
	Announced int64 // the change by which that was promised; 0: none was
	First     bool  // it was never open before
}

// Standing is how the reset of a case stands.
type Standing struct {
	Incident string
	State    string // ""; or one of the hours'
	Since    time.Time
	Promised time.Time
	Why      string

	Accounts, Unlisted int64
	Counts             Counts
	Bulk               string // "", running, paused, done
	BulkWhy            string
	PerSecond          float64
	Started, Ended     time.Time
}

// Open reports whether people can reset now.
func (s Standing) Open() bool { return s.State == Opened || s.State == Reopened }

// hours gives the changes of a case, the oldest first.
func (r *Resets) hours(ctx context.Context, q store.Querier, incident string) ([]Hour, error) {
	rows, err := q.QueryContext(ctx, `SELECT n, state, at, promised, why, actor FROM reset_hour WHERE incident = $1 ORDER BY n`, incident)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Hour
	was := Was{First: true}
	for rows.Next() {
		var h Hour
		var at, promised int64
		if err := rows.Scan(&h.N, &h.State, &at, &promised, &h.Why, &h.By); err != nil {
			return nil, err
		}
		h.At, h.Promised, h.Before = moment(at), moment(promised), was
		out = append(out, h)
		was.State, was.Promised = h.State, h.Promised
		if was.Announced = h.N; h.Promised.IsZero() {
			was.Announced = 0
		}
		was.First = was.First && h.State != Opened && h.State != Reopened
	}
	return out, rows.Err()
}

// Hours gives them to whoever may see the case.
func (r *Resets) Hours(ctx context.Context, who actor.Actor, incident string) ([]Hour, error) {
	if err := may(who, actor.See, incident); err != nil {
		return nil, err
	}
	return r.hours(ctx, r.DB, incident)
}

// at gives how it stands now, without counting anybody.
func (r *Resets) at(ctx context.Context, q store.Querier, incident string) (Standing, error) {
	s := Standing{Incident: incident}
	var since, promised int64
	rows, err := q.QueryContext(ctx, `SELECT state, at, promised, why FROM reset_hour WHERE incident = $1 ORDER BY n DESC LIMIT 1`, incident)
	if err != nil {
		return s, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&s.State, &since, &promised, &s.Why); err != nil {
			return s, err
		}
		s.Since, s.Promised = moment(since), moment(promised)
	}
	return s, rows.Err()
}

// At gives how the hours of a case stand, for everybody: what is announced is announced. ErrNotFound where nothing ever was, as where there
// is no such case.
func (r *Resets) At(ctx context.Context, incident string) (Standing, error) {
	s, err := r.at(ctx, r.DB, incident)
	if err == nil && s.State == "" {
		err = ErrNotFound
	}
	return s, err
}

// Public differs when what everybody may know of the resets does.
func (r *Resets) Public(ctx context.Context) (string, error) {
	var hours int64
	if err := r.DB.QueryRowContext(ctx, `SELECT count(*) FROM reset_hour`).Scan(&hours); err != nil {
		return "", fmt.Errorf("count the hours of resets: %w", err)
	}
	return strconv.FormatInt(hours, 10), nil
}

// Status gives how the reset of a case stands, with the accounts. Errors: ErrNotFound.
func (r *Resets) Status(ctx context.Context, who actor.Actor, incident string) (Standing, error) {
	if err := may(who, actor.See, incident); err != nil {
		return Standing{}, err
	}
	s, err := r.at(ctx, r.DB, incident)
	if err != nil {
		return s, err
	}
	x, err := r.current(ctx, r.DB, incident)
	if err != nil {
		if s.State != "" {
			err = nil
		}
		return s, err
	}
	s.Accounts, s.Unlisted, s.Bulk, s.BulkWhy, s.PerSecond, s.Started, s.Ended = x.accounts, x.unlisted, x.bulk, x.why, x.perSecond, x.started, x.ended
	s.Counts, err = r.counts(ctx, r.DB, x.id)
	return s, err
}

// List gives the cases that have, or had, hours, and that they may see.
func (r *Resets) List(ctx context.Context, who actor.Actor) ([]Standing, error) {
	ids, err := store.Column[string](ctx, r.DB, `SELECT DISTINCT incident FROM reset_hour ORDER BY incident`)
	if err != nil {
		return nil, err
	}
	var out []Standing
	for _, id := range ids {
		if who.May(actor.See, id) != nil {
			continue
		}
		s, err := r.Status(ctx, who, id)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Change is what is to become of the hours.
type Change struct {
	State    string
	Promised time.Time
	Why      string
}

const maxWhy = 500 // characters

// Move changes the hours: what it says is recorded in the case, and proposed to be said in public. Lifting cannot be undone, and is wanted of
// a second person once there is staff. Errors: ErrNotFound, ErrState, ErrInput, ErrWanted; those of actor and of rosters.
func (r *Resets) Move(ctx context.Context, who actor.Actor, incident string, c Change) (Hour, error) {
	if err := may(who, actor.Propose, incident); err != nil {
		return Hour{}, fmt.Errorf("change when people can reset: %w", err)
	}
	if c.State == Lifted {
		if err := r.alone(ctx); err != nil {
			return Hour{}, err
		}
	}
	return r.move(ctx, who, incident, c, nil)
}

func (r *Resets) move(ctx context.Context, who actor.Actor, incident string, c Change, settle func(tx *sql.Tx) error) (Hour, error) {
	now := r.Clock().UTC().Truncate(time.Second)
	switch {
	case len([]rune(c.Why)) > maxWhy:
		return Hour{}, fmt.Errorf("%w: a reason has at most %d characters", ErrInput, maxWhy)
	case c.State == Announced && c.Promised.IsZero():
		return Hour{}, hint.Add(fmt.Errorf("%w: an announcement says for when", ErrInput), "--for 2026-12-01T18:00+09:00")
	case !c.Promised.IsZero() && !c.Promised.After(now):
		return Hour{}, fmt.Errorf("%w: %s is over", ErrInput, c.Promised.Format(time.RFC3339))
	case c.State != Announced && c.State != Closed && !c.Promised.IsZero():
		return Hour{}, fmt.Errorf("%w: only what is announced or closed is promised for a time", ErrInput)
	}
	if c.State == Opened || c.State == Reopened {
		if r.Connector == nil {
			return Hour{}, hint.Add(ErrNoConnector, "docs/handbook/reset.md: shirase config set reset.connector ...")
		}
		if r.Send == nil {
			return Hour{}, hint.Add(fmt.Errorf("%w: no mail can be sent", ErrState), "set mail.server and mail.from: links go by mail")
		}
		if r.URL == "" {
			return Hour{}, hint.Add(fmt.Errorf("%w: this instance does not know its address", ErrState), "set url: links lead there")
		}
		if _, err := r.prepare(ctx, who, incident); err != nil {
			return Hour{}, err
		}
	}
	var h Hour
	err := r.DB.Update(ctx, func(tx *sql.Tx) error {
		all, err := r.hours(ctx, tx, incident)
		if err != nil {
			return err
		}
		state := c.State
		h = Hour{N: int64(len(all)) + 1, At: now, Promised: c.Promised, Why: c.Why, By: who.String(), Before: Was{First: true}}
		if len(all) > 0 {
			last := all[len(all)-1]
			h.Before = Was{State: last.State, Promised: last.Promised, Announced: last.N, First: last.Before.First && last.State != Opened && last.State != Reopened}
			if last.Promised.IsZero() {
				h.Before.Announced = 0
			}
		}
		if (state == Opened || state == Reopened) && h.Before.First {
			state = Opened
		} else if state == Opened {
			state = Reopened
		}
		h.State = state
		if !slices.Contains(follows[h.Before.State], state) {
			return fmt.Errorf("%w: it is %s", ErrState, orNot(h.Before.State))
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO reset_hour (incident, n, state, at, promised, why, actor) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			incident, h.N, h.State, store.Micros(h.At), micros(h.Promised), h.Why, h.By); err != nil {
			return err
		}
		if state == Lifted {
			if _, err := tx.ExecContext(ctx, `UPDATE reset_run SET bulk = 'paused', why = 'the reset was lifted' WHERE incident = $1 AND bulk = 'running'`, incident); err != nil {
				return err
			}
		}
		if r.Said != nil {
			if err := r.Said(ctx, tx, who, incident, h); err != nil {
				return err
			}
		}
		if settle != nil {
			return settle(tx)
		}
		return nil
	})
	if err != nil {
		return Hour{}, fmt.Errorf("change when people can reset: %w", err)
	}
	return h, nil
}

func orNot(state string) string {
	if state == "" {
		return "not announced"
	}
	return state
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return store.Micros(t)
}

// Open answers a campaign that waits for the reset: it may send while people can, and no quicker than the connector takes their passwords.
func (r *Resets) Open(ctx context.Context, incident string) (yes bool, why language.Text, err error) {
	s, err := r.at(ctx, r.DB, incident)
	if err != nil || s.Open() {
		return err == nil, language.Text{}, err
	}
	switch {
	case s.State == "":
		return false, language.Text{JA: "再設定の開始を待っています", EN: "resetting was not opened yet"}, nil
	case s.State == Lifted:
		return false, language.Text{JA: "再設定のお願いは解除されました", EN: "nobody has to reset any more"}, nil
	case s.Promised.IsZero():
		return false, language.Text{JA: "再設定の受付を一時止めています", EN: "resetting is closed for now"}, nil
	}
	return false, language.Text{JA: "再設定は" + when(language.JA, s.Promised) + "に開始の予定です", EN: "resetting opens " + when(language.EN, s.Promised)}, nil
}

// Tokyo is the zone of texts that name none: notices are Japan's.
var tokyo = time.FixedZone("JST", 9*60*60)

func when(lang language.Lang, t time.Time) string {
	t = t.In(tokyo)
	return lang.Pick(t.Format("1月2日")+language.Clock(lang, t), t.Format("on 2 January at 15:04 (MST)"))
}

// Says is what may be published of a change, in a text to start from.
func (h Hour) Says() language.Text {
	at, promised := func(l language.Lang) string { return when(l, h.At) }, func(l language.Lang) string { return when(l, h.Promised) }
	sorry := h.Before.Announced != 0 && h.Late()
	var t language.Text
	switch h.State {
	case Announced:
		t = language.Text{JA: "パスワードの再設定は、" + promised(language.JA) + "に受け付けを始める予定です。", EN: "Passwords can be reset from about " + trimOn(promised(language.EN)) + "."}
		if h.Before.Announced != 0 {
			t = language.Text{JA: "パスワードの再設定は、" + when(language.JA, h.Before.Promised) + "に受け付けを始めるとお知らせしていましたが、" + promised(language.JA) + "に変わりました。",
				EN: "Passwords were announced to be reset from " + trimOn(when(language.EN, h.Before.Promised)) + "; this is now planned for " + trimOn(promised(language.EN)) + "."}
			sorry = h.Promised.After(h.Before.Promised)
		}
	case Opened:
		t = language.Text{JA: "パスワードの再設定の受け付けを、" + at(language.JA) + "に始めました。", EN: "Passwords can be reset since " + trimOn(at(language.EN)) + "."}
	case Closed:
		t = language.Text{JA: "パスワードの再設定の受け付けを、" + at(language.JA) + "に一時停止しました。", EN: "Resetting passwords was stopped for a while " + at(language.EN) + "."}
		if !h.Promised.IsZero() {
			t.JA += promised(language.JA) + "に再開する予定です。"
			t.EN += " It is planned to go on " + promised(language.EN) + "."
		}
	case Reopened:
		t = language.Text{JA: "パスワードの再設定の受け付けを、" + at(language.JA) + "に再開しました。", EN: "Passwords can be reset again since " + trimOn(at(language.EN)) + "."}
	case Lifted:
		t = language.Text{JA: "パスワードの再設定のお願い（強制的な再設定）を、" + at(language.JA) + "に終えました。", EN: "The forced reset of passwords was lifted " + at(language.EN) + "."}
	}
	if sorry {
		t.JA += "お知らせした時刻より遅れましたことをおわびします。"
		t.EN += " We apologise for the delay."
	}
	return t
}

// Late reports whether what was promised before is broken by now.
func (h Hour) Late() bool {
	return !h.Before.Promised.IsZero() && h.At.After(h.Before.Promised)
}

func trimOn(s string) string {
	if len(s) > 3 && s[:3] == "on " {
		return s[3:]
	}
	return s
}
