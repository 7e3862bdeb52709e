package index

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/check"
)

// proven is the answer of GET /check/v1/statement, with the proof against one checkpoint.
type proven struct {
	body []byte
	by   cosigned
}

// cosigned is what a newer checkpoint differs by: also where a witness has come that a quorum did not wait for.
type cosigned struct {
	size   int64
	signed [sha256.Size]byte // of the checkpoint, cosignatures included
}

// prove makes the answer anew.
func (s *snapshot) prove(by cosigned, proof string) error {
	body, err := json.Marshal(struct {
		Statement check.Bytes `json:"statement"`
		Proof     string      `json:"proof"`
	}{s.raw, proof})
	if err == nil {
		s.body.Store(&proven{body, by})
	}
	return err
}

func (h *Host) provable(size int64) (cosigned, error) {
	if h.log.Checkpoint == nil {
		return cosigned{size: size}, nil
	}
	signed, err := h.log.Checkpoint()
	return cosigned{size, sha256.Sum256(signed)}, err
}

// renew proves the statement against the newest checkpoint: all servers of a store show one, so that none seems to go back,
// and it carries the newest cosignatures.
func (h *Host) renew(ctx context.Context, s *snapshot, size int64) error {
	by, err := h.provable(size)
	if err != nil || by == s.body.Load().by {
		return err
	}
	proof, err := h.log.Proof(ctx, s.at)
	if err != nil {
		return fmt.Errorf("prove statement %d: %w", s.st.Seq, err)
	}
	return s.prove(by, string(proof))
}

// Unwitnessed reports that what is published is not answered from any more: no quorum of witnesses has cosigned its
// checkpoint for half of the statement's life, so that what came after it may be another history. since is when one had.
func (h *Host) Unwitnessed(ctx context.Context) (since time.Time, stopped bool, err error) {
	if h.log.Witnessed == nil || h.pinned != nil {
		return since, false, nil
	}
	s, err := h.now(ctx)
	if errors.Is(err, ErrNone) {
		return since, false, nil
	}
	if err != nil {
		return since, false, err
	}
	q, err := h.cosigning()
	if err != nil {
		return time.Time{}, false, err
	}
	return q.since, q.wanted && h.x.now().Sub(q.since) > s.st.Expires.Sub(s.st.Time.Time)/2, nil
}

// quorum is what the ledger said last of its witnesses. It reads a file for that, which costs as much as all else of an answer.
type quorum struct {
	since  time.Time
	wanted bool
	until  int64 // nanoseconds since 1970
}

// cosigning gives what the ledger says of its witnesses, as of freshFor ago at most. What cannot be read is not kept.
func (h *Host) cosigning() (*quorum, error) {
	now := h.x.now()
	if q := h.quorum.Load(); q != nil && now.UnixNano() < q.until {
		return q, nil
	}
	since, wanted, err := h.log.Witnessed()
	if err != nil {
		return nil, err
	}
	q := &quorum{since, wanted, now.Add(freshFor).UnixNano()}
	h.quorum.Store(q)
	return q, nil
}

// witnessed refuses to give a statement that is not answered from any more. Its layers are still given, to whoever examines
// them.
func (h *Host) witnessed(w http.ResponseWriter, r *http.Request) bool {
	since, stopped, err := h.Unwitnessed(r.Context())
	switch {
	case err != nil:
		refuse(w, r, err, h.errors)
	case stopped:
		problem(w, r, http.StatusServiceUnavailable, "unwitnessed",
			"No quorum of witnesses has cosigned the ledger since "+since.Format(time.RFC3339)+". Nothing is answered until one has.")
	}
	return err == nil && !stopped
}
