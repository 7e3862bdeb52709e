package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"shirase/identity"
)

var (
	// ErrAudit says that a served layer is not the fold of its source layers.
	ErrAudit = errors.New("the served layer is not the fold of its sources")
)

const maxReply = 64 << 10 // bytes of an evaluation, a key or a tile

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
	case err == nil && !a.Verdict.Complete(): // one of several servers may be behind for a moment
		if st, _, _, err := c.Statement(ctx); err == nil && st.Seq != a.Verdict.Seq {
			return c.check(ctx, base, id)
		}
	}
	return a, err
}

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
	s, err := c.statement(ctx, base)
	if err != nil {
		return nil, err
	}
	st := s.st
	a := &Answer{V: 1, Type: answerType, PersonalData: PersonalData, Claimed: At(c.now()),
		Identity: AnswerIdentity{string(id.Kind), id.Value}, Statement: s.raw, Proof: s.proof,
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
