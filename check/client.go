package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"shirase/identity"
)

var (
	// ErrExpired says that a statement's time is over, or this machine's clock is wrong.
	ErrExpired = errors.New("the server's statement has expired")
	// ErrNotYet says that a statement is from the future, or this machine's clock is wrong.
	ErrNotYet = errors.New("the server's statement is from the future")
	// ErrServer says that a server answered something other than the protocol's answers.
	ErrServer = errors.New("the server did not answer as the protocol says")
	// ErrBusy says that a server kept asking to wait.
	ErrBusy = errors.New("the server is busy")
	// ErrAudit says that a served layer is not the fold of its source layers.
	ErrAudit = errors.New("the served layer is not the fold of its sources")
	// ErrInsecure says that a server would be asked without TLS.
	ErrInsecure = errors.New("a server elsewhere is asked over https only")
)

// errTooLong is an ErrServer that callers can tell from others.
var errTooLong = fmt.Errorf("%w: a longer answer than any it could give", ErrServer)

const (
	clockSkew    = 10 * time.Minute // tolerated before ErrNotYet
	maxWaits     = 5                // 429 answers waited out for one request
	maxWait      = 2 * time.Minute
	maxReply     = 64 << 10 // bytes of an evaluation
	maxStatement = 2 * MaxStatement
)

// Client asks one server. Its zero value asks nothing: Server is needed, and
// Policy or Pins.
type Client struct {
	Server string  // base URL
	Policy *Policy // trusted ledger keys; nil means Pins decide
	Pins   *Pins   // remembered ledgers; nil means nothing is remembered
	Audit  bool    // also compare with the source layers

	HTTP *http.Client        // nil means one with a time-out and without redirects
	Now  func() time.Time    // nil means time.Now
	Wait func(time.Duration) // told before a wait that the server asked for; may be nil
}

// Check asks whether an identity is in the published index and gives the
// proven answer. No request made after the result is known depends on it, and
// a verification that fails is an error, never a "no".
func (c *Client) Check(ctx context.Context, id identity.Identity) (*Answer, error) {
	base, err := c.base()
	if err != nil {
		return nil, err
	}
	a, err := c.check(ctx, base, id)
	switch {
	case errors.Is(err, errKeyGone): // a new statement came between
		return c.check(ctx, base, id)
	case errors.Is(err, ErrRollback): // one of several servers may be behind for a moment
		if err := sleep(ctx, behind); err != nil {
			return nil, err
		}
		return c.check(ctx, base, id)
	case err == nil && !a.Verdict.Complete(): // so may the one that was asked for a layer
		if st, _, _, err := c.Statement(ctx); err == nil && st.Seq != a.Verdict.Seq {
			return c.check(ctx, base, id)
		}
	}
	return a, err
}

// behind is how long a server may go on with the statement before.
const behind = 2 * time.Second

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// errKeyGone says that a server does not know the key that its statement named.
var errKeyGone = errors.New("the statement has changed meanwhile")

func (c *Client) check(ctx context.Context, base *url.URL, id identity.Identity) (*Answer, error) {
	st, raw, proof, err := c.Statement(ctx)
	if err != nil {
		return nil, err
	}
	a := &Answer{V: 1, Type: answerType, PersonalData: PersonalData, Claimed: At(c.now()),
		Identity: AnswerIdentity{string(id.Kind), id.Value}, Statement: raw, Proof: proof,
		Evaluations: []Evaluation{}, Buckets: []AnswerBucket{}}
	outputs := map[string]*Output{}
	for i := range st.Layers {
		key := st.Key(st.Layers[i].Key)
		if outputs[key.ID] != nil {
			continue
		}
		e, out, err := c.evaluate(ctx, base, key, id)
		if err != nil {
			return nil, err
		}
		a.Evaluations = append(a.Evaluations, *e)
		outputs[key.ID] = out
	}
	buckets, err := c.buckets(ctx, base, st, outputs)
	if err != nil {
		return nil, err
	}
	for i := range st.Layers {
		if b := buckets[st.Layers[i].ID]; b != nil {
			a.Buckets = append(a.Buckets, AnswerBucket{st.Layers[i].ID, b.Bytes()})
		}
	}
	v, err := conclude(st, id, outputs, buckets)
	if err != nil {
		return nil, err
	}
	a.Verdict = *v
	return a, nil
}

// Statement fetches the newest statement and verifies it: checkpoint, inclusion,
// canonical bytes, freshness, and that it does not go back behind what was
// seen. Where Pins decide and the ledger is new, its key is asked for and pinned.
func (c *Client) Statement(ctx context.Context) (*Statement, []byte, string, error) {
	base, err := c.base()
	if err != nil {
		return nil, nil, "", err
	}
	var reply struct {
		Statement Bytes  `json:"statement"`
		Proof     string `json:"proof"`
	}
	if err := c.getJSON(ctx, base.JoinPath("check/v1/statement"), nil, maxStatement, &reply); err != nil {
		return nil, nil, "", fmt.Errorf("get the statement: %w", err)
	}
	origin, err := ProofOrigin(reply.Proof)
	if err != nil {
		return nil, nil, "", fmt.Errorf("statement: %w", err)
	}
	policy, err := c.policy(ctx, base, origin)
	if err != nil {
		return nil, nil, "", err
	}
	if err := VerifyInclusion(KindStatement, reply.Statement, reply.Proof, policy); err != nil {
		return nil, nil, "", fmt.Errorf("statement: %w", err)
	}
	st, err := ParseStatement(reply.Statement)
	if err != nil {
		return nil, nil, "", err
	}
	now := c.now()
	switch {
	case !now.Before(st.Expires.Time):
		return nil, nil, "", fmt.Errorf("%w on %s", ErrExpired, st.Expires.Format(timeLayout))
	case st.Time.After(now.Add(clockSkew)):
		return nil, nil, "", fmt.Errorf("%w: %s", ErrNotYet, st.Time.Format(timeLayout))
	}
	if c.Pins != nil {
		if err := c.Pins.Seen(origin, st, StatementHash(reply.Statement)); err != nil {
			return nil, nil, "", err
		}
		if c.Policy == nil { // whoever states a policy has decided on the ledger
			if err := c.Pins.server(base, origin); err != nil {
				return nil, nil, "", err
			}
		}
		if err := c.Pins.Save(); err != nil {
			return nil, nil, "", err
		}
	}
	return st, reply.Statement, reply.Proof, nil
}

// policy gives the trusted policy for an origin: the client's own, a pinned
// one, or, where the origin is new, one pinned now from the server's word.
func (c *Client) policy(ctx context.Context, base *url.URL, origin string) (*Policy, error) {
	if c.Policy != nil {
		return c.Policy, nil
	}
	if c.Pins == nil {
		return nil, fmt.Errorf("%w: %q", ErrNotPinned, origin)
	}
	if p, err := c.Pins.Policy(origin); !errors.Is(err, ErrNotPinned) {
		return p, err
	}
	body, err := c.do(ctx, http.MethodGet, base.JoinPath("ledger/v1/key"), nil, "text/plain", maxReply)
	if err != nil {
		return nil, fmt.Errorf("get the ledger's key: %w", err)
	}
	vkey := strings.TrimSpace(string(body))
	p, err := LedgerPolicy(vkey)
	if err != nil {
		return nil, fmt.Errorf("get the ledger's key: %w", err)
	}
	if !strings.HasPrefix(vkey, origin+"+") {
		return nil, fmt.Errorf("the server's ledger key is of another ledger than %q: %w", origin, ErrCheckpoint)
	}
	return p, c.Pins.Add(vkey, c.now())
}

// EvaluateRequest and EvaluateReply are the bodies of POST /check/v1/evaluate.
type EvaluateRequest struct {
	Key     string  `json:"key"`
	Blinded []Bytes `json:"blinded"`
}

// EvaluateReply answers an EvaluateRequest: as many elements, one DLEQ proof.
type EvaluateReply struct {
	Evaluated []Bytes `json:"evaluated"`
	Proof     Bytes   `json:"proof"`
}

func (c *Client) evaluate(ctx context.Context, base *url.URL, key *Key, id identity.Identity) (*Evaluation, *Output, error) {
	blinded, err := Blind(id.Input())
	if err != nil {
		return nil, nil, err
	}
	req, err := json.Marshal(EvaluateRequest{key.ID, []Bytes{blinded.Element[:]}})
	if err != nil {
		return nil, nil, err
	}
	var reply EvaluateReply
	if err := c.getJSON(ctx, base.JoinPath("check/v1/evaluate"), req, maxReply, &reply); err != nil {
		var status *StatusError
		if errors.As(err, &status) && status.Status == http.StatusNotFound {
			err = fmt.Errorf("%w: %w", errKeyGone, err)
		}
		return nil, nil, fmt.Errorf("evaluate under key %s: %w", key.ID, err)
	}
	if len(reply.Evaluated) != 1 {
		return nil, nil, fmt.Errorf("evaluate under key %s: %d elements for one: %w", key.ID, len(reply.Evaluated), ErrServer)
	}
	out, err := Finalize(key.Public, []*Blinded{blinded}, [][]byte{reply.Evaluated[0]}, reply.Proof)
	if err != nil {
		return nil, nil, fmt.Errorf("key %s: %w", key.ID, err)
	}
	return &Evaluation{key.ID, blinded.Secret(), reply.Evaluated[0], reply.Proof}, &out[0], nil
}

// buckets fetches and verifies one bucket of every layer, side by side. A layer
// the server says it cannot give has none.
func (c *Client) buckets(ctx context.Context, base *url.URL, st *Statement, outputs map[string]*Output) (map[Hash]*Bucket, error) {
	got := map[Hash]*Bucket{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range st.Layers {
		l := &st.Layers[i]
		g.Go(func() error {
			y := outputs[l.Key]
			b, err := c.bucket(ctx, base, l.ID, y.Bucket(l.Bits), l.Bits, l.Pad)
			if err != nil || b == nil {
				return err
			}
			if c.Audit {
				if err := c.audit(ctx, base, l, st.Key(l.Key).LocatorBits, y, b); err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			got[l.ID] = b
			return nil
		})
	}
	return got, g.Wait()
}

func (c *Client) bucket(ctx context.Context, base *url.URL, layer Hash, number int64, bits, pad int) (*Bucket, error) {
	limit := pad
	if pad == 0 {
		limit = MaxPad
	}
	u := base.JoinPath("check/v1/layers", layer.String(), "buckets", BucketName(number, bits))
	body, err := c.do(ctx, http.MethodGet, u, nil, "application/octet-stream", limit)
	var status *StatusError
	if errors.As(err, &status) && status.missing() {
		return nil, nil
	}
	if errors.Is(err, errTooLong) {
		return nil, fmt.Errorf("%w: bucket %s: longer than the statement says", ErrBucket, BucketName(number, bits))
	}
	if err != nil {
		return nil, fmt.Errorf("get a bucket of layer %s: %w", layer, err)
	}
	return ParseBucket(body, number, layer, bits, pad)
}

// audit compares a served bucket with the same prefix of each source layer. It
// reveals nothing more: the prefix is the one already shown.
func (c *Client) audit(ctx context.Context, base *url.URL, l *Layer, locatorBits int, y *Output, served *Bucket) error {
	var all []byte
	for _, s := range l.Sources {
		bits := BucketBits(s.N, locatorBits)
		b, err := c.bucket(ctx, base, s.Root, y.Bucket(bits), bits, 0)
		if err != nil {
			return err
		}
		if b == nil {
			return fmt.Errorf("%w: the source layer of %s is not served", ErrAudit, s.Incident)
		}
		for i := 0; i < len(b.Entries); i += EntrySize {
			if bucketOf(b.Entries[i:], l.Bits) == served.Number {
				all = append(all, b.Entries[i:i+EntrySize]...)
			}
		}
	}
	sortEntries(all)
	if !bytes.Equal(all, served.Entries) {
		return fmt.Errorf("%w: bucket %s of layer %s", ErrAudit, BucketName(served.Number, l.Bits), l.ID)
	}
	return nil
}

// StatusError is a server's refusal: its status and the detail of its problem
// details (RFC 9457).
type StatusError struct {
	Status int
	Detail string
}

func (e *StatusError) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("the server answered %d", e.Status)
	}
	return fmt.Sprintf("the server answered %d: %s", e.Status, e.Detail)
}

// missing reports whether the server said that it does not have or cannot give something.
func (e *StatusError) missing() bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusGone || e.Status >= 500
}

// getJSON posts a body, or gets where there is none, and reads a JSON reply strictly.
func (c *Client) getJSON(ctx context.Context, u *url.URL, body []byte, limit int, v any) error {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	b, err := c.do(ctx, method, u, body, "application/json", limit)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("%w: %v", ErrServer, err)
	}
	return nil
}

// do makes one request, waiting out 429 as often and as long as is bearable.
func (c *Client) do(ctx context.Context, method string, u *url.URL, body []byte, accept string, limit int) ([]byte, error) {
	for waits := 0; ; waits++ {
		b, wait, err := c.once(ctx, method, u, body, accept, limit)
		if wait == 0 {
			return b, err
		}
		if waits == maxWaits || wait > maxWait {
			return nil, fmt.Errorf("%w: it asks to come back in %s", ErrBusy, wait)
		}
		if c.Wait != nil {
			c.Wait(wait)
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// once makes one request. A wait above zero means 429.
func (c *Client) once(ctx context.Context, method string, u *url.URL, body []byte, accept string, limit int) (b []byte, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "identity") // lengths must not depend on content
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http().Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("reach the server: %w", redact(err))
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusTooManyRequests {
		return nil, retryAfter(res.Header.Get("Retry-After")), nil
	}
	if res.StatusCode != http.StatusOK {
		return nil, 0, &StatusError{res.StatusCode, problemDetail(res)}
	}
	b, err = io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	if err != nil {
		return nil, 0, fmt.Errorf("read the server's answer: %w", err)
	}
	if len(b) > limit {
		return nil, 0, fmt.Errorf("%w: more than %d bytes", errTooLong, limit)
	}
	return b, 0, nil
}

// redact drops the URL of a failed request: a bucket's number is not for logs.
func redact(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// retryAfter reads seconds; without any, it is one.
func retryAfter(h string) time.Duration {
	s, err := strconv.Atoi(h)
	if err != nil || s < 1 {
		s = 1
	}
	return time.Duration(min(s, 1<<20)) * time.Second
}

func problemDetail(res *http.Response) string {
	if t, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); t != "application/problem+json" {
		return ""
	}
	var p struct {
		Detail string `json:"detail"`
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil || json.Unmarshal(b, &p) != nil || len(p.Detail) > 200 || strings.ContainsFunc(p.Detail, func(r rune) bool { return r < 0x20 }) {
		return ""
	}
	return p.Detail
}

func (c *Client) base() (*url.URL, error) {
	u, err := url.Parse(c.Server)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("a server is a URL like https://shirase.example.org")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("%w: without TLS others on the way would see which bucket is asked for", ErrInsecure)
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

var defaultHTTP = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return defaultHTTP
}
