package index

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/web"
)

// maxEvaluate bounds the body of an evaluation, in bytes.
const maxEvaluate = 4 << 10

// Limit decides whether a request may have n elements evaluated; where it may
// not, it says how long to wait.
type Limit func(r *http.Request, n int) (retry time.Duration, ok bool)

// InUse gives the keys under which published layers are sealed. Where id is not
// among them, it looks first whether something newer was published.
type InUse func(ctx context.Context, id string) ([]check.Key, error)

// An Evaluator answers evaluations: it has private keys, and no data
// (docs/PROTOCOL.md section 1).
type Evaluator struct {
	errors *slog.Logger
	keys   *files.Keys
	limit  Limit
	inUse  InUse
	volume volume

	mu   sync.Mutex
	held map[string]*check.EvaluatorKey // by id; loaded when first needed, and those not in use any more are let go
}

// NewEvaluator makes an evaluator with the keys of a folder. inUse is
// [Host.Keys] where the host is in the same process, and nil where an evaluator
// stands alone: then every key of the folder is in use, and that it is the
// published one is for the client to verify.
func NewEvaluator(keys *files.Keys, limit Limit, inUse InUse, errors *slog.Logger) *Evaluator {
	if errors == nil {
		errors = slog.New(slog.DiscardHandler)
	}
	e := &Evaluator{errors: errors, keys: keys, limit: limit, inUse: inUse, volume: volume{errors: errors, now: time.Now}, held: map[string]*check.EvaluatorKey{}}
	if e.inUse == nil {
		e.inUse = e.own
	}
	return e
}

var errUnknownKey = errors.New("no published layer is sealed under this key")

// own gives every key of the folder.
func (e *Evaluator) own(context.Context, string) ([]check.Key, error) {
	names, err := e.keys.List()
	if err != nil {
		return nil, fmt.Errorf("look for evaluator keys: %w: %w", ErrNoKey, err)
	}
	var keys []check.Key
	for _, name := range names {
		if id, ok := keyID(name); ok {
			keys = append(keys, check.Key{ID: id})
		}
	}
	if len(keys) == 0 {
		return nil, hint.Add(fmt.Errorf("look for evaluator keys: %w: the folder has none", ErrNoKey), "say where the keys are: --keys DIR")
	}
	return keys, nil
}

// used gives the keys in use, and lets go of all others.
func (e *Evaluator) used(ctx context.Context, id string) ([]check.Key, error) {
	keys, err := e.inUse(ctx, id)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.held, func(held string, _ *check.EvaluatorKey) bool {
		return !slices.ContainsFunc(keys, func(k check.Key) bool { return k.ID == held })
	})
	return keys, nil
}

// private gives the private half of a key in use.
func (e *Evaluator) private(k check.Key) (*check.EvaluatorKey, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held[k.ID] == nil {
		key, err := loadKey(e.keys, k)
		if err != nil {
			return nil, err
		}
		e.held[k.ID] = key
	}
	return e.held[k.ID], nil
}

// key gives the private half of the key that has an id.
func (e *Evaluator) key(ctx context.Context, id string) (*check.EvaluatorKey, error) {
	keys, err := e.used(ctx, id)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(keys, func(k check.Key) bool { return k.ID == id })
	if at < 0 {
		return nil, errUnknownKey
	}
	return e.private(keys[at])
}

// Volume gives how much was evaluated since the process started.
func (e *Evaluator) Volume() Volume { return e.volume.sum() }

// Ready says why evaluations cannot be answered: a key that is in use is
// missing, cannot be read, or is another than the published one. Nothing
// published is nothing in the way.
func (e *Evaluator) Ready(ctx context.Context) error {
	keys, err := e.used(ctx, "")
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, k := range keys {
		if _, err := e.private(k); err != nil {
			return err
		}
	}
	return nil
}

// Mux routes the evaluator's path alone (docs/PROTOCOL.md section 8).
func (e *Evaluator) Mux() *http.ServeMux {
	mux := http.NewServeMux()
	e.mount(mux)
	unknownPath(mux)
	return mux
}

const evaluatePath = "/check/v1/evaluate"

func (e *Evaluator) mount(mux *http.ServeMux) {
	mux.HandleFunc("POST "+evaluatePath, e.evaluate)
	onlyMethods(mux, evaluatePath, "POST")
}

func (e *Evaluator) evaluate(w http.ResponseWriter, r *http.Request) {
	// A page of somebody else's can have its visitors send anything but this.
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		problem(w, r, http.StatusUnsupportedMediaType, "not-json", "An evaluation is asked for in application/json.")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvaluate))
	if err != nil {
		problem(w, r, http.StatusRequestEntityTooLarge, "too-large", "The body is longer than an evaluation can be.")
		return
	}
	var req check.EvaluateRequest
	if err := json.Unmarshal(body, &req, json.RejectUnknownMembers(true)); err != nil {
		problem(w, r, http.StatusBadRequest, "malformed", `The body is not {"key":...,"blinded":[...]} with base64url elements.`)
		return
	}
	if len(req.Blinded) < 1 || len(req.Blinded) > check.MaxBatch {
		problem(w, r, http.StatusBadRequest, "batch", "An evaluation takes 1 to 16 elements.")
		return
	}
	key, err := e.key(r.Context(), req.Key)
	switch {
	case errors.Is(err, errUnknownKey):
		problem(w, r, http.StatusNotFound, "unknown-key", "The published statement has no such key. Get the statement again.")
		return
	case errors.Is(err, ErrNoKey), errors.Is(err, ErrKey):
		noKey(w, r)
		return
	case err != nil:
		refuse(w, r, err, e.errors)
		return
	}
	retry, ok := e.limit(r, len(req.Blinded))
	e.volume.add(len(req.Blinded), !ok)
	if !ok {
		web.Problem{Status: http.StatusTooManyRequests, Code: "too-many", RetryAfter: max(retry, time.Second),
			Detail: "Too many checks from your network, or in all. Come back after the time given."}.Write(w, r)
		return
	}
	blinded := make([][]byte, len(req.Blinded))
	for i, b := range req.Blinded {
		blinded[i] = b
	}
	evaluated, proof, err := key.Evaluate(blinded)
	if err != nil {
		problem(w, r, http.StatusBadRequest, "element", "An element is malformed, not canonical or the identity. Nothing was evaluated.")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	send(w, "application/json", evaluateReply(evaluated, proof))
}

// noKey answers where there is no key to answer with. What is wrong with it was
// logged when the server started.
func noKey(w http.ResponseWriter, r *http.Request) {
	web.Problem{Status: http.StatusServiceUnavailable, Code: "no-evaluator-key",
		Detail: "The key that checks are answered with is missing here, or cannot be read. This says nothing about anybody."}.Write(w, r)
}

// evaluateReply writes {"evaluated":[...],"proof":...}.
func evaluateReply(evaluated [][]byte, proof []byte) []byte {
	b := make([]byte, 0, 128+len(evaluated)*48)
	b = append(b, `{"evaluated":[`...)
	for i, e := range evaluated {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = base64.RawURLEncoding.AppendEncode(b, e)
		b = append(b, '"')
	}
	b = append(b, `],"proof":"`...)
	b = base64.RawURLEncoding.AppendEncode(b, proof)
	return append(b, `"}`...)
}
