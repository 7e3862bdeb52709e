package reset

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"shirase/internal/actor"
	"shirase/internal/contain/connect"
	"shirase/internal/store"
)

// Work carries out what is to be done, until ctx ends: bulk orders, what is looked at again, and mails. failed hears of what goes wrong; it
// goes on all the same.
func (r *Resets) Work(ctx context.Context, failed func(error)) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		for ctx.Err() == nil {
			n, err := r.post(ctx)
			if err != nil && ctx.Err() == nil {
				failed(err)
			}
			if n < 100 && !sleep(ctx, r.Poll) {
				return
			}
		}
	})
	all.Go(func() {
		for tidied := (time.Time{}); ; {
			if now := r.Now(); now.Sub(tidied) > time.Minute || now.Before(tidied) {
				if err := errors.Join(r.tidy(ctx), r.sendLost(ctx)); err != nil && ctx.Err() == nil {
					failed(err)
				}
				tidied = now
			}
			if err := r.pass(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
			r.seen()
			if !sleep(ctx, r.Poll) {
				return
			}
		}
	})
}

// tidy takes away links and counts that are over, and what was begun of a run a day ago.
func (r *Resets) tidy(ctx context.Context) error {
	now := r.Now()
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		old := store.Micros(now.AddDate(0, 0, -1))
		for _, q := range []struct {
			text string
			at   int64
		}{{`DELETE FROM reset_token WHERE expires < $1`, store.Micros(now.Add(-claimLasts))}, {`DELETE FROM reset_asked WHERE since < $1`, store.Micros(now.Add(-r.Life))},
			{`DELETE FROM reset_block WHERE run IN (SELECT id FROM reset_run WHERE NOT ready AND created_at < $1)`, old},
			{`DELETE FROM reset_lookup WHERE run IN (SELECT id FROM reset_run WHERE NOT ready AND created_at < $1)`, old}, {`DELETE FROM reset_run WHERE NOT ready AND created_at < $1`, old}} {
			if _, err := tx.ExecContext(ctx, q.text, q.at); err != nil {
				return err
			}
		}
		return nil
	})
}

// pass carries out what is due of every case, one after the other.
func (r *Resets) pass(ctx context.Context) error {
	if r.Connector == nil {
		return nil
	}
	incidents, err := store.Column[string](ctx, r.DB, `SELECT DISTINCT incident FROM reset_run WHERE ready`)
	if err != nil {
		return err
	}
	var failed error
	for _, id := range incidents {
		if err := r.carryOut(ctx, id); err != nil {
			failed = errors.Join(failed, fmt.Errorf("reset of %s: %w", id, err))
		}
	}
	return failed
}

// worker carries out one run from this process.
type worker struct {
	r    *Resets
	x    *run
	seal *store.Sealer

	limit *rate.Limiter

	mu    sync.Mutex
	calm  time.Time // until when nobody is asked: the system was away
	pause time.Duration
}

const (
	blocksAtOnce = 4
	firstPause   = time.Second
	lastPause    = time.Minute
)

func (r *Resets) carryOut(ctx context.Context, incident string) error {
	x, err := r.current(ctx, r.DB, incident)
	if err != nil {
		return err
	}
	now := r.Now()
	var todo, again int64
	if err := r.DB.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE due >= 0 AND (due <= $2 OR due > $3)), count(*) FILTER (WHERE again >= 0 AND again <= $2) FROM reset_block WHERE run = $1`,
		x.id, now.Unix(), now.Add(longest).Unix()).Scan(&todo, &again); err != nil {
		return store.InWords(err)
	}
	if (x.bulk != "running" || todo == 0) && again == 0 {
		if x.bulk == "running" {
			return r.finished(ctx, x)
		}
		return nil
	}
	seal, err := r.sealer(ctx, incident)
	if err != nil {
		return err
	}
	w := &worker{r: r, x: x, seal: seal, limit: rate.NewLimiter(rate.Inf, 1), pause: firstPause}
	mine, err := w.take(ctx)
	if err != nil || !mine {
		return err
	}
	defer w.letGo(context.WithoutCancel(ctx))
	if again > 0 {
		if err := w.lookAgain(ctx); err != nil {
			return err
		}
	}
	if x.bulk == "running" && todo > 0 {
		if err := w.force(ctx); err != nil {
			return err
		}
	}
	return r.finished(ctx, x)
}

// finished says of a bulk order that it is done, where each account is in a final state.
func (r *Resets) finished(ctx context.Context, x *run) error {
	n, err := r.counts(ctx, r.DB, x.id)
	if err != nil || n.Of(Waiting)+n.Of(Intended)+n.Of(Deferred)+n.Of(Resetting) > 0 {
		return err
	}
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE reset_run SET bulk = 'done', why = '', ended_at = $2 WHERE id = $1 AND bulk = 'running'`, x.id, store.Micros(r.Now()))
		if err != nil {
			return err
		}
		if done, err := res.RowsAffected(); err != nil || done == 0 {
			return err
		}
		return r.note(ctx, tx, actor.Server(), x.incident, fmt.Sprintf("一斉無効化が終わった（無効化%d件、再設定済み%d件、該当なし%d件、できなかったもの%d件、不明%d件） / The bulk reset is done: %d forced, %d reset, %d gone, %d refused, %d uncertain",
			n.Of(Forced), n.Of(Reset), n.Of(Gone), n.Of(Refused), n.Of(Unknown), n.Of(Forced), n.Of(Reset), n.Of(Gone), n.Of(Refused), n.Of(Unknown)))
	})
}

// take has this process be the one that carries the run out. Whatever a process that died was about to do is to be done again: the same
// order changes nothing more, and nobody can have reset meanwhile.
func (w *worker) take(ctx context.Context) (mine bool, err error) {
	r, now := w.r, w.r.Now()
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		mine = false
		res, err := tx.ExecContext(ctx, `UPDATE reset_run SET holder = $2, until = $3 WHERE id = $1 AND (holder = '' OR holder = $2 OR until < $4 OR until > $5)`,
			w.x.id, r.holder, store.Micros(now.Add(r.Lease)), store.Micros(now), store.Micros(now.Add(2*max(r.Lease, 0)+time.Minute)))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		mine = true
		list, err := numbers(ctx, tx, `SELECT n FROM reset_block WHERE run = $1 AND intended > 0 ORDER BY n`, w.x.id)
		if err != nil {
			return err
		}
		for _, n := range list {
			b, err := loadBlock(ctx, tx, w.x.id, n)
			if err != nil {
				return err
			}
			for i := range b.size() {
				if x := b.get(i); x.state == Intended {
					b.set(i, x.after(connect.Outcome{}, connect.ErrAway, now, r.waits))
				}
			}
			if err := b.save(ctx, tx, w.x.id); err != nil {
				return err
			}
		}
		return nil
	})
	return mine, err
}

func (w *worker) letGo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := w.r.DB.ExecContext(ctx, `UPDATE reset_run SET holder = '', until = 0 WHERE id = $1 AND holder = $2`, w.x.id, w.r.holder); err != nil {
		w.r.Log.Error("let go of a bulk reset", "error", err)
	}
}

// numbers gives those of blocks.
func numbers(ctx context.Context, q store.Querier, query string, args ...any) (list []int64, err error) {
	list, err = store.Column[int64](ctx, q, query, args...)
	return list, store.InWords(err)
}

// task is one account that the connector is asked about.
type task struct {
	at  int
	rec record
	out connect.Outcome
	err error
}

// force goes once through the blocks in which something is due.
func (w *worker) force(ctx context.Context) error {
	sum := sha256.Sum256(w.r.Connector.Describe())
	if hex.EncodeToString(sum[:]) != w.x.connector {
		return w.stop(ctx, "the connector, or what it does, is not the one that was approved: propose the bulk reset again")
	}
	// What was asked is written down, also when the process is to end.
	writing, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	slots := make(chan struct{}, w.r.Connections)
	blocks := make(chan struct{}, max(1, min(w.r.Connections/4, blocksAtOnce)))
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for from := int64(-1); ctx.Err() == nil; {
		now := w.r.Now()
		list, err := numbers(ctx, w.r.DB, `SELECT n FROM reset_block WHERE run = $1 AND n > $2 AND due >= 0 AND (due <= $3 OR due > $4) ORDER BY n LIMIT 64`, w.x.id, from, now.Unix(), now.Add(longest).Unix())
		if err != nil {
			failed = errors.Join(failed, err)
			break
		}
		if len(list) == 0 {
			break
		}
		for _, n := range list {
			from = n
			blocks <- struct{}{}
			mu.Lock()
			over := failed != nil
			mu.Unlock()
			if over || w.away() > 0 || ctx.Err() != nil {
				<-blocks
				from = math.MaxInt64 - 1
				break
			}
			all.Go(func() {
				defer func() { <-blocks }()
				if err := w.block(ctx, writing, n, slots); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	if wait := w.away(); wait > 0 && failed == nil {
		if _, err := w.r.DB.ExecContext(ctx, `UPDATE reset_run SET why = $2 WHERE id = $1 AND bulk = 'running'`, w.x.id, "the system with the accounts does not answer: it is waited for"); err != nil {
			return err
		}
		w.r.seen()
		sleep(ctx, min(wait, lastPause))
	}
	if errors.Is(failed, errNotMine) {
		return nil
	}
	return failed
}

// errNotMine says that the run is not to be carried out by this process any more.
var errNotMine = errors.New("it is carried out elsewhere, or paused")

func (w *worker) stop(ctx context.Context, why string) error {
	_, err := w.r.DB.ExecContext(ctx, `UPDATE reset_run SET bulk = 'paused', why = $2 WHERE id = $1 AND bulk = 'running'`, w.x.id, why)
	return err
}

// away is for how long nobody is asked, because the system did not answer.
func (w *worker) away() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Until(w.calm)
}

// heard takes in whether the system answers.
func (w *worker) heard(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case errors.Is(err, connect.ErrAway):
		if time.Now().After(w.calm) {
			w.calm = time.Now().Add(min(w.pause, w.r.Poll*20))
			w.pause = min(2*w.pause, lastPause)
		}
	case err == nil:
		w.pause = firstPause
	}
}

// block does what is due of one: that it will be asked is on disk before it is, and what came of it after.
func (w *worker) block(ctx, writing context.Context, n int64, slots chan struct{}) error {
	b, todo, err := w.intend(ctx, n)
	if err != nil || len(todo) == 0 {
		return err
	}
	w.r.step()
	ids, err := b.accounts(w.seal, w.x.id)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for i := range todo {
		t := &todo[i]
		if w.away() > 0 || w.limit.Wait(ctx) != nil {
			t.err = connect.ErrAway // it was not asked
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			asking, end := context.WithTimeout(writing, connectFor)
			defer end()
			o := w.r.order(w.seal, w.x.id, n*blockSize+int64(t.at), ids[t.at], time.Unix(int64(t.rec.at), 0))
			w.r.step()
			t.out, t.err = w.r.Connector.Force(asking, o)
			w.heard(t.err)
		})
	}
	all.Wait()
	w.r.step()
	return w.settle(writing, n, todo)
}

// intend writes down that the accounts of a block that are due will be asked about.
func (w *worker) intend(ctx context.Context, n int64) (b *block, todo []task, err error) {
	now := w.r.Now()
	err = w.r.DB.Update(ctx, func(tx *sql.Tx) error {
		todo = nil
		var perSecond float64
		err := tx.QueryRowContext(ctx, `UPDATE reset_run SET until = $3, why = '' WHERE id = $1 AND holder = $2 AND bulk = 'running' RETURNING per_second`, w.x.id, w.r.holder, store.Micros(now.Add(w.r.Lease))).Scan(&perSecond)
		if errors.Is(err, sql.ErrNoRows) {
			return errNotMine
		}
		if err != nil {
			return err
		}
		w.throttle(perSecond)
		if b, err = loadBlock(ctx, tx, w.x.id, n); err != nil {
			return err
		}
		for i := range b.size() {
			if rec := b.get(i); rec.isDue(now) {
				rec.state, rec.at = Intended, uint32(now.Unix())
				b.set(i, rec)
				todo = append(todo, task{at: i, rec: rec})
			}
		}
		if len(todo) == 0 {
			return nil
		}
		return b.save(ctx, tx, w.x.id)
	})
	return b, todo, err
}

func (w *worker) throttle(perSecond float64) {
	l := rate.Inf
	if perSecond > 0 {
		l = rate.Limit(perSecond)
	}
	if w.limit.Limit() != l {
		w.limit.SetLimit(l)
	}
}

// settle writes down what came of a block. A database that is away is waited for.
func (w *worker) settle(ctx context.Context, n int64, todo []task) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := w.r.DB.Update(ctx, func(tx *sql.Tx) error {
			b, err := loadBlock(ctx, tx, w.x.id, n)
			if err != nil {
				return err
			}
			now := w.r.Now()
			for _, t := range todo {
				if rec := b.get(t.at); rec.state == Intended {
					b.set(t.at, rec.after(t.out, t.err, now, w.r.waits))
				}
			}
			return b.save(ctx, tx, w.x.id)
		})
		if err == nil || errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotFound) || !sleep(ctx, pause) {
			return err
		}
	}
}

// lookAgain looks at what was pending, and lets go of accounts that a process had which died.
func (w *worker) lookAgain(ctx context.Context) error {
	now := w.r.Now()
	list, err := numbers(ctx, w.r.DB, `SELECT n FROM reset_block WHERE run = $1 AND again >= 0 AND again <= $2 ORDER BY n LIMIT 256`, w.x.id, now.Unix())
	if err != nil {
		return err
	}
	for _, n := range list {
		if err := w.againIn(ctx, n, now); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) againIn(ctx context.Context, n int64, now time.Time) error {
	b, err := loadBlock(ctx, w.r.DB, w.x.id, n)
	if err != nil {
		return err
	}
	ids, err := b.accounts(w.seal, w.x.id)
	if err != nil {
		return err
	}
	found := map[int]task{}
	for i := range b.size() {
		rec := b.get(i)
		if !rec.pending() || int64(rec.due) > now.Unix() || ctx.Err() != nil {
			continue
		}
		o := w.r.order(w.seal, w.x.id, n*blockSize+int64(i), ids[i], now)
		o.Chosen = rec.state == Reset
		asking, end := context.WithTimeout(ctx, connectFor)
		out, err := w.r.Connector.Again(asking, o)
		end()
		if err != nil {
			out = connect.Outcome{Refused: rec.old, Ended: rec.ended, Again: 5 * time.Minute}
		}
		if out.Ended == connect.Unsaid || out.Ended == connect.Nothing {
			out.Ended = rec.ended
		}
		found[i] = task{rec: rec, out: out}
		if errors.Is(err, connect.ErrAway) {
			break
		}
	}
	return w.r.DB.Update(ctx, func(tx *sql.Tx) error {
		b, err := loadBlock(ctx, tx, w.x.id, n)
		if err != nil {
			return err
		}
		for i := range b.size() {
			rec := b.get(i)
			if t, ok := found[i]; ok && rec == t.rec {
				b.set(i, rec.stands(t.out, now))
			}
			if rec.state == Resetting && !held(int64(rec.at)*1e6, now) {
				b.set(i, rec.abandoned(now))
			}
		}
		return b.save(ctx, tx, w.x.id)
	})
}
