package console

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"shirase/internal/actor"
	"shirase/internal/staff"
)

// How often it is looked whether a case has changed, while somebody watches, and how long a stream lasts before the browser
// asks anew: whoever was signed out, or lost their access, hears no more by then.
const (
	lookEvery   = time.Second
	boardEvery  = 200 * time.Millisecond // while somebody looks at a board
	streamLasts = 5 * time.Minute
	stillHere   = 20 * time.Second
)

// live tells pages that what they show has changed. Servers share one store, so it looks there: once for all who watch.
type live struct {
	look func(ctx context.Context, boards []string) (map[string]string, error) // the version of each case, and of these boards
	log  *slog.Logger

	mu       sync.Mutex
	watchers map[chan struct{}]bool
	boards   map[string]int // by case: how many look at its board
	last     map[string]string
	woken    chan struct{}
	over     chan struct{} // closed at the end
	once     sync.Once
}

func newLive(look func(ctx context.Context, boards []string) (map[string]string, error), log *slog.Logger) *live {
	return &live{look: look, log: log, watchers: map[chan struct{}]bool{}, boards: map[string]int{}, woken: make(chan struct{}, 1), over: make(chan struct{})}
}

// poke has it look at once.
func (l *live) poke() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// watch gives a channel that hears of every change of anything, and how to leave. board is the case whose board is looked at; "": none.
func (l *live) watch(board string) (changed chan struct{}, leave func()) {
	ch := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers[ch] = true
	if board != "" {
		l.boards[board]++
	}
	return ch, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, ch)
		if board == "" {
			return
		}
		if l.boards[board]--; l.boards[board] == 0 {
			delete(l.boards, board)
		}
	}
}

// follows reports whether somebody looks at the board of a case, so that its version is known.
func (l *live) follows(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.boards[id] > 0
}

func (l *live) versions() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *live) run(ctx context.Context, failed func(error)) {
	defer l.once.Do(func() { close(l.over) })
	for {
		began := time.Now()
		if err := l.renew(ctx); err != nil {
			failed(err)
		}
		select {
		case <-time.After(l.pause(time.Since(began))):
		case <-l.woken:
		case <-ctx.Done():
			return
		}
	}
}

// pause is how long nobody looks: a board is looked at more often, and no look takes more than a third of the time.
func (l *live) pause(took time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.boards) > 0 {
		return max(boardEvery, 2*took)
	}
	return max(lookEvery, 2*took)
}

func (l *live) renew(ctx context.Context) error {
	l.mu.Lock()
	idle := len(l.watchers) == 0
	boards := slices.Sorted(maps.Keys(l.boards))
	l.mu.Unlock()
	if idle {
		return nil
	}
	now, err := l.look(ctx, boards)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if maps.Equal(now, l.last) {
		return nil
	}
	l.last = now
	for ch := range l.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	return nil
}

// versions gives the version of each case, to see which have changed. Nobody is told them.
func (c *Console) versions(ctx context.Context, boards []string) (map[string]string, error) {
	list, err := c.Cases.List(ctx, actor.Server())
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, l := range list {
		out[l.ID] = l.Head
	}
	moved, err := c.Scopes.Versions(ctx)
	if err != nil {
		return nil, err
	}
	for id, n := range moved {
		out[id+scopeOf] = strconv.FormatInt(n, 10)
	}
	told, err := c.Reaching.Campaigns.Versions(ctx)
	if err != nil {
		return nil, err
	}
	for id, version := range told {
		out[id+reachOf] = version
	}
	if c.Desk.Enquiries != nil {
		asked, err := c.Desk.Enquiries.Versions(ctx)
		if err != nil {
			return nil, err
		}
		for id, version := range asked {
			out[id+deskOf] = version
		}
	}
	if c.Rehearsal != nil {
		if p, err := c.Rehearsal.Play(); err == nil {
			out[theExercise] = strconv.Itoa(len(p.Told())) + " " + strconv.FormatBool(p.Over())
		} else { // the page of the exercise says what is wrong with it; cases go on
			c.Log.Warn("the exercise cannot be followed", "error", err)
		}
	}
	return out, c.boardVersions(ctx, out, boards)
}

// What stands behind a case's id for the runs of its scope, for its campaigns, for its desk and for its board: who looks at them hears of each step, and others do not.
const (
	scopeOf = " scope"
	reachOf = " reach"
	deskOf  = " desk"
	boardOf = " board"
	// theExercise is nobody's case: everybody who works here follows it.
	theExercise = " exercise"
)

// follow is a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): "changed"
// whenever something that they see has changed, in the case that ?case= names or in any. It says nothing else.
func (c *Console) follow(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.URL.Query().Get("case")
	if id != "" && !v.who.Sees(id) {
		return actor.ErrHidden
	}
	of := ""
	if r.URL.Query().Has("board") && c.Boards != nil {
		of = id
	}
	changed, leave := c.live.watch(of)
	defer leave()
	c.live.poke()
	control := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if _, err := fmt.Fprint(w, "retry: 2000\n\n"); err != nil || control.Flush() != nil {
		return nil
	}
	asked := r.URL.Query()
	seen := pick(c.live.versions(), v.who, id, asked)
	end, beat := time.NewTimer(streamLasts), time.NewTicker(stillHere)
	defer end.Stop()
	defer beat.Stop()
	for {
		text := ": here\n\n"
		select {
		case <-changed:
			who, ok := c.still(r)
			if !ok {
				return nil
			}
			now := pick(c.live.versions(), who, id, asked)
			if maps.Equal(now, seen) {
				continue
			}
			seen = now
			text = "event: changed\ndata: {}\n\n"
		case <-beat.C:
			if _, ok := c.still(r); !ok {
				return nil
			}
		case <-end.C:
			return nil
		case <-c.live.over:
			return nil
		case <-r.Context().Done():
			return nil
		}
		if _, err := fmt.Fprint(w, text); err != nil || control.Flush() != nil {
			return nil
		}
	}
}

// still says who is there now by the session that a stream began with.
func (c *Console) still(r *http.Request) (actor.Actor, bool) {
	data, found, err := c.Staff.Sessions().FindCtx(r.Context(), c.sessions.Token(r.Context()))
	if err != nil || !found {
		return actor.Actor{}, false
	}
	_, values, err := staff.Codec{}.Decode(data)
	if err != nil {
		return actor.Actor{}, false
	}
	id, _ := values[staff.AccountKey].(string)
	who, _, err := c.Staff.Actor(r.Context(), id, "", "console")
	return who, err == nil
}

// pick keeps what somebody sees.
func pick(all map[string]string, who actor.Actor, id string, asked url.Values) map[string]string {
	out := map[string]string{}
	for k, version := range all {
		of, also, more := strings.Cut(k, " ")
		if (id == "" || of == id) && (!more || asked.Has(also)) && (k == theExercise || who.Sees(of)) {
			out[k] = version
		}
	}
	return out
}
