package reach

import (
	"context"
	"fmt"
	"sync"
	"time"

	"shirase/internal/language"
	"shirase/internal/reach/smtp"
)

// relays are the servers that a campaign leaves by: the first that works. One that does not is asked again after a while, longer each time.
type relays struct {
	list []smtp.Relay

	mu    sync.Mutex
	until []time.Time // it counts as down
	pause []time.Duration
	said  language.Text // by the last that failed
	heard []int         // answers to mails, whatever they were
	idle  []*connection
}

// connection is one to a relay.
type connection struct {
	*smtp.Conn
	relay int
	sent  int
	since int // what the relay had answered when it was opened
}

const (
	firstAway = time.Second
	lastAway  = 5 * time.Minute
	mostSent  = 1000 // by one connection: then the first relay is tried again
)

func newRelays(list []smtp.Relay) *relays {
	return &relays{list: list, until: make([]time.Time, len(list)), pause: make([]time.Duration, len(list)), heard: make([]int, len(list))}
}

// wait gives how long until a relay may be asked; 0: now.
func (x *relays) wait() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	least := time.Duration(-1)
	for _, u := range x.until {
		if d := time.Until(u); least < 0 || d < least {
			least = d
		}
	}
	return max(least, 0)
}

// connect gives a connection: one that is there, or one to the first relay that is not down.
func (x *relays) connect(ctx context.Context) (*connection, error) {
	x.mu.Lock()
	if n := len(x.idle); n > 0 {
		c := x.idle[n-1]
		x.idle = x.idle[:n-1]
		x.mu.Unlock()
		return c, nil
	}
	x.mu.Unlock()
	for i, relay := range x.list {
		x.mu.Lock()
		down := time.Now().Before(x.until[i])
		x.mu.Unlock()
		if down {
			continue
		}
		c, err := smtp.Dial(ctx, relay)
		if err == nil {
			x.mu.Lock()
			defer x.mu.Unlock()
			return &connection{Conn: c, relay: i, since: x.heard[i]}, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		x.failed(i, err)
	}
	return nil, fmt.Errorf("%w: %s", errAway, x.why().EN)
}

// failed has a relay count as down for a while. Others that find out the same at the same time do not make it longer.
func (x *relays) failed(i int, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if time.Now().Before(x.until[i]) {
		return
	}
	x.pause[i] = min(max(2*x.pause[i], firstAway), lastAway)
	x.until[i] = time.Now().Add(x.pause[i])
	x.said = language.Both(fmt.Sprintf("送信サーバー%dに渡せません：%v", i+1, err), fmt.Sprintf("relay %d: %v", i+1, err))
}

// answered counts what a relay says to mails. However it fails next, it was there.
func (x *relays) answered(i int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.heard[i]++
	x.pause[i] = 0
}

// broke is told of connections that broke. Where the relay has answered nobody since it had answered so often, it counts as down: else one that
// hangs up on every mail would be given all of them, one after the other, and one that does so after the data would make all of them unknown.
func (x *relays) broke(i, since int, err error) {
	x.mu.Lock()
	silent := x.heard[i] == since
	x.mu.Unlock()
	if silent {
		x.failed(i, err)
	}
}

// worked has it count as well.
func (x *relays) worked(i int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pause[i], x.until[i] = 0, time.Time{}
}

func (x *relays) why() language.Text {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.said
}

// back keeps a connection for the next batch, or ends it.
func (x *relays) back(c *connection) {
	if c.sent >= mostSent {
		c.Close()
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.idle = append(x.idle, c)
}

// close ends those that are kept.
func (x *relays) close() {
	x.mu.Lock()
	idle := x.idle
	x.idle = nil
	x.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}
