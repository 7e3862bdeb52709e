package check

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"shirase/identity"
)

const maxReply = 64 << 10 // bytes of an evaluation, a key or a tile

// Client asks one server. Its zero value asks nothing: Server is needed, and
// Policy or Pins.
type Client struct {
	Server string  // base URL
	Policy *Policy // the verifier's own; what it does not speak of, log keys or witnesses, Pins and statements decide
	Pins   *Pins   // remembered ledgers; nil means nothing is remembered
	Audit  bool    // compare folds with every source, and not with some
	Cap    int     // bits of outputs that may leave: CapBits, which 0 means, or RaisedBits

	HTTP *http.Client        // nil means one with a time-out and without redirects
	Now  func() time.Time    // nil means time.Now
	Wait func(time.Duration) // told before a wait that the server asked for; may be nil
}

// Check asks whether an identity is in the published index and gives the
// proven answer. What is asked depends on what was given, and never on what was
// found: the answer is drawn when nothing more is asked. A verification that
// fails is an error, never a "no".
func (c *Client) Check(ctx context.Context, id identity.Identity) (*Answer, error) {
	base, err := c.base()
	if err != nil {
		return nil, err
	}
	s, err := c.statement(ctx, base)
	if err != nil {
		return nil, err
	}
	g, err := c.gather(ctx, base, s, id)
	if errors.Is(err, errKeyGone) { // a new statement came between, and nothing has left yet
		if s, err = c.statement(ctx, base); err != nil {
			return nil, err
		}
		g, err = c.gather(ctx, base, s, id)
	} else if err == nil && !g.whole() { // one of several servers may be behind for a moment
		g, err = c.again(ctx, base, g, id)
	}
	if err != nil {
		return nil, err
	}
	return g.answer()
}

// again asks once more where another statement has come meanwhile, and it does
// not take more bits of any output than have left already.
func (c *Client) again(ctx context.Context, base *url.URL, g *gathered, id identity.Identity) (*gathered, error) {
	s, err := c.statement(ctx, base)
	switch code := Code(err); {
	case err != nil && ctx.Err() == nil && (code == "network" || code == "busy" || code == "server"):
		return g, nil // what was given stands
	case err != nil:
		return nil, err
	case s.st.Seq == g.shown.st.Seq || !g.covers(s.st):
		return g, nil
	}
	return c.gather(ctx, base, s, id)
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

// gathered is all that was given of an answer, under one statement.
type gathered struct {
	got
	*shown
	id    identity.Identity
	a     *Answer
	left  map[PublicKey]int // bits of the output under a key that were shown
	limit int
}

// gather evaluates an identity under every key that layers use, and fetches a
// group of every layer.
func (c *Client) gather(ctx context.Context, base *url.URL, s *shown, id identity.Identity) (*gathered, error) {
	g := &gathered{shown: s, id: id, limit: cmp.Or(c.Cap, CapBits), left: map[PublicKey]int{},
		got: got{map[string]*Output{}, map[Hash]*Group{}, map[Hash]bool{}}}
	g.a = &Answer{V: 2, Type: answerType, PersonalData: PersonalData, Claimed: At(c.now()),
		Identity: AnswerIdentity{string(id.Kind), id.Value}, Statement: s.raw, Proof: s.proof,
		Evaluations: []Evaluation{}, Groups: []AnswerGroup{}, Sources: []AnswerGroup{}, Cap: g.limit, Checkpoint: s.checkpoint, Vouched: s.vouched}
	depths, err := s.st.Depths(g.limit)
	if err != nil {
		return nil, err
	}
	for i := range s.st.Layers {
		key := s.st.Key(s.st.Layers[i].Key)
		g.left[key.Public] = max(g.left[key.Public], depths[s.st.Layers[i].ID])
		if g.outputs[key.ID] != nil {
			continue
		}
		e, out, err := c.evaluate(ctx, base, key, id)
		if err != nil {
			return nil, err
		}
		g.a.Evaluations = append(g.a.Evaluations, *e)
		g.outputs[key.ID] = out
	}
	asked, err := c.layers(ctx, base, s.st, g.outputs, depths)
	if err != nil {
		return nil, err
	}
	for i := range s.st.Layers {
		l, given := &s.st.Layers[i], asked[i]
		if given == nil {
			continue
		}
		g.groups[l.ID] = given.group
		g.a.Groups = append(g.a.Groups, AnswerGroup{l.ID, given.group.Depth, given.group.Bytes()})
		for _, src := range l.Sources {
			if s := given.sources[src.Root]; s != nil {
				g.compared[src.Root] = true
				g.a.Sources = append(g.a.Sources, AnswerGroup{src.Root, s.Depth, s.Bytes()})
			}
		}
	}
	return g, nil
}

// whole reports whether every layer was given.
func (g *gathered) whole() bool { return len(g.groups) == len(g.st.Layers) }

// covers reports whether what another statement asks has left already: the bits
// are of the same keys' outputs, and no more of them.
func (g *gathered) covers(st *Statement) bool {
	depths, err := st.Depths(g.limit)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(st.Layers, func(l Layer) bool { return depths[l.ID] > g.left[st.Key(l.Key).Public] })
}

// answer draws the verdict of what was given.
func (g *gathered) answer() (*Answer, error) {
	v, err := conclude(g.st, g.id, g.got)
	if err != nil {
		return nil, err
	}
	g.a.Verdict = *v
	return g.a, nil
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

// given is what a server gave of a layer: the group of buckets, and of a fold
// the same of the sources that were drawn.
type given struct {
	group   *Group
	sources map[Hash]*Group
}

// layers fetches and verifies the group of every layer, side by side. A layer
// the server says it cannot give is nil.
func (c *Client) layers(ctx context.Context, base *url.URL, st *Statement, outputs map[string]*Output, depths map[Hash]int) ([]*given, error) {
	got := make([]*given, len(st.Layers))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	var kept atomic.Int64 // bytes
	for i := range st.Layers {
		l := &st.Layers[i]
		g.Go(func() (err error) {
			got[i], err = c.layer(ctx, base, l, st.Key(l.Key).LocatorBits, outputs[l.Key], depths[l.ID], &kept)
			return err
		})
	}
	return got, g.Wait()
}

// layer fetches a layer's group and compares it with sources of the layer. It
// reveals no more by that: the bits are those already shown.
func (c *Client) layer(ctx context.Context, base *url.URL, l *Layer, locatorBits int, y *Output, depth int, kept *atomic.Int64) (*given, error) {
	g, err := c.group(ctx, base, l.ID, y, depth, l.Bits, l.Pad)
	if g == nil || err != nil {
		return nil, err
	}
	kept.Add(g.size())
	got := &given{g, map[Hash]*Group{}}
	lost := false
	for _, src := range c.draw(l) {
		bits, p := sourceGroup(src, locatorBits, depth)
		s, err := c.group(ctx, base, src.Root, y, p, bits, 0)
		switch {
		case err != nil:
			return nil, err
		case s == nil && c.Audit:
			return nil, fmt.Errorf("%w: the source layer of %s is not served", ErrAudit, src.Incident)
		case s == nil:
			lost = true
			continue
		}
		if kept.Add(s.size()) > maxKept {
			return nil, fmt.Errorf("%w: more than an answer can hold", ErrTooCoarse)
		}
		got.sources[src.Root] = s
	}
	if lost { // what cannot be compared is as good as not given
		return nil, nil
	}
	return got, g.holds(l, got.sources)
}

// draw returns the sources of a fold that are compared with it: some, whom the
// server cannot foresee, or for an audit all.
func (c *Client) draw(l *Layer) []Source {
	n := sampleOf(l, sampled)
	if c.Audit && n > 0 {
		n = len(l.Sources)
	}
	drawn := slices.Clone(l.Sources)
	for i := range n {
		j, err := rand.Int(rand.Reader, big.NewInt(int64(len(drawn)-i)))
		if err != nil {
			panic(err) // crypto/rand does not fail
		}
		k := i + int(j.Int64())
		drawn[i], drawn[k] = drawn[k], drawn[i]
	}
	return drawn[:n]
}

// group fetches and verifies the group of a layer's buckets that begin with the
// first bits of an output; nil where the server cannot give it. pad is 0 where
// no statement says it.
func (c *Client) group(ctx context.Context, base *url.URL, layer Hash, y *Output, depth, bits, pad int) (*Group, error) {
	number := y.Bucket(depth)
	if depth == bits {
		b, _, err := c.bucket(ctx, base, layer, number, bits, pad, MaxPad)
		if b == nil || err != nil {
			return nil, err
		}
		return &Group{number, depth, bits, []*Bucket{b}}, nil
	}
	limit := int64(MaxGroup)
	if pad > 0 {
		limit = groupSize(bits, depth, pad)
	}
	u := base.JoinPath("check/v1/layers", layer.String(), "groups", strconv.Itoa(depth), BucketName(number, depth))
	body, err := c.part(ctx, u, layer, int(limit))
	var status *StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound && (status.Problem == "unknown-path" || status.Problem == "") {
		return c.oneByOne(ctx, base, layer, number, depth, bits, pad) // a server of version 1 knows no groups
	}
	if errors.As(err, &status) && status.missing() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseGroup(body, number, depth, layer, bits, pad)
}

// oneByOne fetches each bucket of a group, in their order whatever is sought.
func (c *Client) oneByOne(ctx context.Context, base *url.URL, layer Hash, number int64, depth, bits, pad int) (*Group, error) {
	g := &Group{Number: number, Depth: depth, Bits: bits}
	rest := MaxGroup
	for i := range int64(1) << (bits - depth) {
		b, n, err := c.bucket(ctx, base, layer, number<<(bits-depth)+i, bits, pad, rest)
		if b == nil || err != nil {
			return nil, err
		}
		g.Buckets = append(g.Buckets, b)
		rest -= n
	}
	return g, nil
}

// bucket fetches and verifies one bucket, whose response has at most so many
// bytes, and gives how many it had; nil where the server cannot give it.
func (c *Client) bucket(ctx context.Context, base *url.URL, layer Hash, number int64, bits, pad, most int) (*Bucket, int, error) {
	limit := min(most, MaxPad)
	if pad > 0 {
		limit = min(most, pad)
	}
	body, err := c.part(ctx, base.JoinPath("check/v1/layers", layer.String(), "buckets", BucketName(number, bits)), layer, limit)
	var status *StatusError
	if errors.As(err, &status) && status.missing() {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	b, err := ParseBucket(body, number, layer, bits, pad)
	return b, len(body), err
}

// part fetches a part of a layer. One that is longer than it can be is no part
// of it.
func (c *Client) part(ctx context.Context, u *url.URL, layer Hash, limit int) ([]byte, error) {
	body, err := c.do(ctx, http.MethodGet, u, nil, "application/octet-stream", limit)
	if errors.Is(err, errTooLong) {
		return nil, fmt.Errorf("%w: layer %s: longer than the statement says", ErrBucket, layer)
	}
	if err != nil {
		return nil, fmt.Errorf("get a part of layer %s: %w", layer, err)
	}
	return body, nil
}
