package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"shirase/internal/files"
	"shirase/internal/outward"
	"shirase/internal/store"
)

// ErrUnwitnessed reports entries that are committed, and not public yet,
// because no quorum of witnesses has cosigned a checkpoint above them. It is a
// [WaitingError].
var ErrUnwitnessed = errors.New("not enough witnesses have cosigned it yet")

const (
	patience      = 10 * time.Second // for one witness, all its tries together
	maxTries      = 3                // of one witness: the second with the size that it states
	maxClock      = 10 * time.Minute // between a cosignature's time and this machine's
	recosignAfter = time.Hour        // of a tree that does not change
	maxReply      = 16 << 10         // bytes of a witness's answer
)

// errMoved says that a witness has cosigned a larger tree than the one it is
// asked about, and that the database holds: another server was first.
var errMoved = errors.New("the log has grown meanwhile")

// A WaitingError says who has cosigned and who has not, and why.
type WaitingError struct {
	Size     int64    // entries that wait, with all below them
	Cosigned []string // names of witnesses, as the policy has them
	Missing  []Missing
}

// Missing is a witness that has not cosigned.
type Missing struct {
	Name string
	Why  string
}

func (e *WaitingError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "entries up to %d wait: %v", e.Size, ErrUnwitnessed)
	if len(e.Cosigned) > 0 {
		fmt.Fprintf(&b, "; cosigned by %s", strings.Join(e.Cosigned, ", "))
	}
	for _, m := range e.Missing {
		fmt.Fprintf(&b, "; %s: %s", m.Name, m.Why)
	}
	return b.String()
}

func (e *WaitingError) Unwrap() error { return ErrUnwitnessed }

// Hint is the remedy.
func (e *WaitingError) Hint() string {
	return "nothing is lost: a running server asks again every minute, and so does the same command run again"
}

// answer is what became of asking one witness.
type answer struct {
	w   *witness
	c   cosignature
	err error
}

// gather asks, side by side, every witness whose cosignature of the tree is
// missing or an hour old, and returns the checkpoint with all that there are: as
// soon as they are a quorum, or, with all, once everybody has answered. Without
// a quorum the error is a *WaitingError.
func (l *Ledger) gather(ctx context.Context, tree tlog.Tree, all bool) (checkpoint, error) {
	own, err := l.sign(tree)
	if err != nil {
		return checkpoint{}, err
	}
	have, old, err := l.kept(ctx, l.db, own)
	if err != nil {
		return checkpoint{}, err
	}
	known, err := witnessRows(ctx, l.db)
	if err != nil {
		return checkpoint{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(l.witnesses.each)) // so that nobody waits for a reader that has left
	asked := 0
	for i := range l.witnesses.each {
		w := &l.witnesses.each[i]
		if _, ok := have[w.vkey]; ok {
			continue
		}
		asked++
		go func() { answers <- l.ask(ctx, w, own, known[w.vkey].size, old[w.vkey]) }()
	}
	waiting := &WaitingError{Size: tree.N}
	for ; asked > 0 && (all || !l.witnesses.enough(l.Origin(), have)); asked-- {
		a := <-answers
		if err := ctx.Err(); err != nil {
			return checkpoint{}, err
		}
		if a.err == nil {
			have[a.w.vkey] = a.c
			if err := l.keep(ctx, tree.N, a.c); err != nil {
				return checkpoint{}, err
			}
		} else if o, ok := old[a.w.vkey]; ok {
			have[a.w.vkey] = o
		}
		if errors.Is(a.err, errMoved) {
			if !all {
				return checkpoint{}, errMoved
			}
			continue
		}
		if err := l.remark(ctx, a.w, a.err); err != nil {
			return checkpoint{}, err
		}
		if a.err != nil {
			waiting.Missing = append(waiting.Missing, Missing{a.w.name, a.err.Error()})
		}
	}
	if l.witnesses.enough(l.Origin(), have) {
		return l.cosigned(own, have), nil
	}
	for _, w := range l.witnesses.each {
		if _, ok := have[w.vkey]; ok {
			waiting.Cosigned = append(waiting.Cosigned, w.name)
		}
	}
	return checkpoint{}, waiting
}

// remark keeps and logs when a witness begins to fail, fails otherwise, or
// cosigns again: what a server was told is told by whatever command is asked.
func (l *Ledger) remark(ctx context.Context, w *witness, failed error) error {
	l.telling.Lock()
	defer l.telling.Unlock()
	why := ""
	if failed != nil {
		why = failed.Error()
	}
	if was, asked := l.failing[w.name]; asked && was == why {
		return nil
	}
	before := l.failing[w.name]
	l.failing[w.name] = why
	if why == "" {
		if before != "" {
			l.witnesses.errors().Info("a witness cosigns again", "witness", w.name)
		}
		_, err := l.db.ExecContext(ctx, `DELETE FROM ledger_refusal WHERE vkey = $1`, w.vkey)
		return err
	}
	l.witnesses.errors().Warn("a witness does not cosign", "witness", w.name, "why", why)
	_, err := l.db.ExecContext(ctx, `INSERT INTO ledger_refusal (vkey, since, why) VALUES ($1, $2, $3)
		ON CONFLICT (vkey) DO UPDATE SET since = CASE WHEN ledger_refusal.why = excluded.why THEN ledger_refusal.since ELSE excluded.since END, why = excluded.why`,
		w.vkey, l.now().Unix(), why)
	return err
}

// refusal is why a witness does not cosign, and since when.
type refusal struct {
	since time.Time
	why   string
}

func refusals(ctx context.Context, q store.Querier) (map[string]refusal, error) {
	rows, err := q.QueryContext(ctx, `SELECT vkey, since, why FROM ledger_refusal`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]refusal{}
	for rows.Next() {
		var vkey string
		var at int64
		var r refusal
		if err := rows.Scan(&vkey, &at, &r.why); err != nil {
			return nil, err
		}
		r.since = time.Unix(at, 0).UTC()
		out[vkey] = r
	}
	return out, rows.Err()
}

// ask has one witness cosign the checkpoint that the log has signed. from is the
// size that the witness is thought to have cosigned last; where it states
// another, it is asked again from there. old is its earlier cosignature, if any.
func (l *Ledger) ask(ctx context.Context, w *witness, own checkpoint, from int64, old cosignature) answer {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	a := answer{w: w}
	if from > own.N {
		from = 0 // what is asked about is not the newest: it will say
	}
	for range maxTries {
		var stated *int64
		if a.c, stated, a.err = l.addCheckpoint(ctx, w, own, from, old); stated == nil {
			return a
		}
		switch size := *stated; {
		case size > own.N:
			a.err = l.ahead(ctx, own.N, size)
			return a
		case size == from:
			a.err = fmt.Errorf("it states the size %d, and refuses to go on from there", size)
			return a
		default:
			a.err = fmt.Errorf("it states another size each time, at last %d", size)
			from = size
		}
	}
	return a
}

// ahead judges a witness that says it has cosigned a larger tree.
func (l *Ledger) ahead(ctx context.Context, size, stated int64) error {
	if now, err := l.head(ctx); err == nil && now.N >= stated {
		return errMoved
	}
	return fmt.Errorf("it says that it has cosigned %d entries, and this log has %d: either it does not tell the truth, or this database was restored from a backup that is too old", stated, size)
}

// addCheckpoint makes one request of c2sp.org/tlog-witness: a cosignature, or
// the size that the witness says it has cosigned last.
func (l *Ledger) addCheckpoint(ctx context.Context, w *witness, own checkpoint, from int64, old cosignature) (c cosignature, stated *int64, err error) {
	var body bytes.Buffer
	fmt.Fprintf(&body, "old %d\n", from)
	if from > 0 {
		proof, err := tlog.ProveTree(own.N, from, hashReader(ctx, l.db))
		if err != nil {
			return c, nil, err
		}
		for _, h := range proof {
			body.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
		}
	}
	body.WriteByte('\n')
	body.Write(own.signed)
	if old.vkey != "" { // its own word, should it have forgotten
		body.WriteString(old.line() + "\n")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/add-checkpoint", &body)
	if err != nil {
		return c, nil, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := askHTTP.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return c, nil, err
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil {
		return c, nil, fmt.Errorf("reading its answer: %w", err)
	}
	if len(reply) > maxReply {
		return c, nil, fmt.Errorf("its answer is longer than %d bytes", maxReply)
	}
	return l.readReply(w, own, res.StatusCode, string(reply))
}

// readReply reads a witness's answer about a checkpoint.
func (l *Ledger) readReply(w *witness, own checkpoint, status int, reply string) (c cosignature, stated *int64, err error) {
	switch status {
	case http.StatusOK:
	case http.StatusConflict:
		digits, ok := strings.CutSuffix(reply, "\n")
		size, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || !ok || size < 0 || strconv.FormatInt(size, 10) != digits {
			return c, nil, errors.New("it answered 409 without the size that it knows: it may have seen another history of this log")
		}
		return c, &size, nil
	default:
		return c, nil, fmt.Errorf("it answered %d%s", status, meaning[status])
	}
	if c, err = openCosignature(own.text(), reply, w.verifier, w.vkey); err != nil {
		return c, nil, errors.New("what it answered is no cosignature of this checkpoint by its key")
	}
	if off := c.time.Sub(l.now()); off.Abs() > maxClock {
		return c, nil, &clockError{off}
	}
	return c, nil, nil
}

// clockError is a cosignature from another time.
type clockError struct{ off time.Duration }

func (e *clockError) Error() string {
	return fmt.Sprintf("its clock and this machine's differ by %s", e.off.Round(time.Minute))
}

// meaning says what a witness means by a status (c2sp.org/tlog-witness).
var meaning = map[int]string{
	http.StatusBadRequest:          ": it cannot read the request",
	http.StatusForbidden:           ": it does not take this log's key",
	http.StatusNotFound:            ": it does not witness this log, or the URL is another's",
	http.StatusUnprocessableEntity: ": it has seen another history of this log",
	http.StatusTooManyRequests:     ": it asks to come back later",
}

// askHTTP follows no redirects: a witness is where the policy says. Time-outs
// are the contexts'.
var askHTTP = &http.Client{
	Transport:     outward.Transport(nil),
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Recosign has the served checkpoint cosigned anew by every witness that has
// not done so for an hour, and serves it with what they answer: of a log that
// does not change, its witnesses say that it does not. Who does not answer is
// logged; the checkpoint stays what it is then.
func (l *Ledger) Recosign(ctx context.Context) error {
	c, err := l.published()
	if err != nil || c == nil || c.N == 0 || len(l.witnesses.each) == 0 {
		return err
	}
	have := l.cosignatures(c.signed)
	if len(have) == len(l.witnesses.each) && !l.anyStale(have) {
		return nil
	}
	switch again, err := l.gather(ctx, c.Tree, true); {
	case errors.Is(err, ErrUnwitnessed): // logged; what is served was cosigned by a quorum when it began to be
		return nil
	case err != nil:
		return fmt.Errorf("ledger: having %d entries cosigned again: %w", c.N, err)
	default:
		return l.serveAgain(ctx, again.Tree)
	}
}

// serveAgain replaces the served checkpoint by one of the same tree with the newest
// cosignatures that the database has, whoever asked for them.
func (l *Ledger) serveAgain(ctx context.Context, tree tlog.Tree) error {
	if err := l.syncAgain(ctx, tree); err != nil {
		return fmt.Errorf("ledger: publishing: %w", err)
	}
	return nil
}

func (l *Ledger) syncAgain(ctx context.Context, tree tlog.Tree) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	for {
		published, err := l.published()
		if err != nil || published == nil || published.N != tree.N { // a larger one has come
			return err
		}
		own, err := l.sign(tree)
		if err != nil {
			return err
		}
		have, old, err := l.kept(ctx, l.db, own)
		if err != nil {
			return err
		}
		maps.Copy(old, have)
		again := l.cosigned(own, old)
		if len(old) == 0 || !l.witnesses.enough(l.Origin(), old) || bytes.Equal(again.signed, published.signed) {
			return nil
		}
		if err := l.replace(published, again); !errors.Is(err, files.ErrChanged) {
			return err
		}
	}
}

// anyStale reports whether one of the cosignatures is to be replaced.
func (l *Ledger) anyStale(have map[string]cosignature) bool {
	for _, c := range have {
		if l.stale(c) {
			return true
		}
	}
	return false
}

func (l *Ledger) stale(c cosignature) bool { return c.time.Before(l.now().Add(-recosignAfter)) }

// ErrClock reports that this machine's clock is not the witnesses'.
var ErrClock = errors.New("this machine's clock is wrong")

// Clock compares this machine's clock with the witnesses', before something is
// signed that says when: they are asked to cosign what is served. It is ErrClock
// where most of those who answer are more than ten minutes away, and nil where
// nobody answers or nobody is asked.
func (l *Ledger) Clock(ctx context.Context) error {
	c, err := l.published()
	if err != nil || c == nil || len(l.witnesses.each) == 0 {
		return err
	}
	own, err := l.sign(c.Tree)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(l.witnesses.each))
	for i := range l.witnesses.each {
		w := &l.witnesses.each[i]
		go func() { answers <- l.ask(ctx, w, own, own.N, cosignature{}) }()
	}
	right := map[string]cosignature{}
	wrong, off := 0, time.Duration(0)
	for range l.witnesses.each {
		a := <-answers
		var clock *clockError
		switch {
		case a.err == nil:
			right[a.w.vkey] = a.c
		case errors.As(a.err, &clock):
			wrong, off = wrong+1, clock.off
		}
		if 2*len(right) > len(l.witnesses.each) || l.witnesses.Quorum() && l.witnesses.enough(l.Origin(), right) {
			return nil
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if wrong > len(right) {
		return &wrongClock{wrong, len(right) + wrong, off}
	}
	return nil
}

// wrongClock is an ErrClock with its remedy.
type wrongClock struct {
	wrong, answered int
	off             time.Duration
}

func (e *wrongClock) Error() string {
	return fmt.Sprintf("%d of %d witnesses that answered say another time, by %s: %v", e.wrong, e.answered, e.off.Round(time.Second), ErrClock)
}
func (e *wrongClock) Unwrap() error { return ErrClock }
func (e *wrongClock) Hint() string {
	return "set the clock: what is dated wrongly can never be dated earlier again"
}
