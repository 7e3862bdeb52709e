package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/index"
	"shirase/internal/serve"
)

// Reasons for which a server is not ready, or answers less than all. They name no one and nothing of the instance.
const (
	reasonDatabase = "database"          // it cannot be read
	reasonIndex    = "index"             // what is published cannot be served
	reasonExpired  = "statement-expired" // clients refuse the newest statement
	reasonNoKey    = "no-evaluator-key"  // checks are not answered, and everything else is
	reasonWitness  = "unwitnessed"       // likewise: no quorum of witnesses has cosigned for too long
	reasonLayer    = "layer-missing"     // a part of what is published cannot be given: some checks are incomplete
)

var allReasons = []string{reasonDatabase, reasonIndex, reasonExpired, reasonNoKey, reasonWitness, reasonLayer}

// readiness is what /readyz says.
type readiness struct {
	Ready    bool     `json:"ready"`
	Reasons  []string `json:"reasons"`  // why not
	Degraded []string `json:"degraded"` // what is not answered all the same
}

const (
	readyFor  = time.Second     // for which one look answers all who ask
	lookForIt = 5 * time.Second // a database that says nothing for so long is away
)

// health answers whether a server is alive, and whether it is of use.
type health struct {
	in        *instance
	published *index.Host
	evaluator *index.Evaluator // nil where another process answers checks
	now       func() time.Time

	mu    sync.Mutex
	last  readiness
	until time.Time
}

// mount serves /healthz, which only says that the process answers, and /readyz, which says why requests are better led
// elsewhere.
func (h *health) mount(server *serve.Server) {
	server.Mount(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	}), "GET /healthz")
	server.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ready := h.ready(r.Context())
		b, err := json.Marshal(ready, json.Deterministic(true))
		if err != nil {
			http.Error(w, "", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		if !ready.Ready {
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		w.Write(append(b, '\n'))
	}), "GET /readyz")
}

// ready looks at most once a second: anybody may ask.
func (h *health) ready(ctx context.Context) readiness {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.now(); !now.Before(h.until) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookForIt) // for all who ask, not for this request
		h.last = h.look(ctx)
		cancel()
		h.until = h.now().Add(readyFor)
	}
	return h.last
}

func (h *health) look(ctx context.Context) readiness {
	out := readiness{Reasons: []string{}, Degraded: []string{}}
	st, _, _, err := h.in.index.Statement(ctx)
	switch {
	case errors.Is(err, index.ErrNone): // nothing published is nothing in the way
	case err != nil:
		out.Reasons = append(out.Reasons, reasonDatabase)
	case h.published.Ready(ctx) != nil:
		out.Reasons = append(out.Reasons, reasonIndex)
	case !st.Expires.After(h.now()):
		out.Reasons = append(out.Reasons, reasonExpired)
	}
	if some, all := h.published.Lacking(ctx); some {
		out.Degraded = append(out.Degraded, reasonLayer)
		if all && !slices.Contains(out.Reasons, reasonIndex) { // nobody's check is answered from anything
			out.Reasons = append(out.Reasons, reasonIndex)
		}
	}
	if h.evaluator != nil && h.evaluator.Ready(ctx) != nil {
		out.Degraded = append(out.Degraded, reasonNoKey)
	}
	if _, stopped, err := h.published.Unwitnessed(ctx); err == nil && stopped {
		out.Degraded = append(out.Degraded, reasonWitness)
	}
	out.Ready = len(out.Reasons) == 0
	return out
}
