package index

import (
	"context"
	"fmt"
	"log/slog"
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

// cosigned is what a newer checkpoint differs by.
type cosigned struct {
	size  int64
	since time.Time // by when a quorum of witnesses had cosigned it
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
	if h.log.Witnessed == nil {
		return cosigned{size: size}, nil
	}
	since, _, err := h.log.Witnessed()
	return cosigned{size, since}, err
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

// witnessed refuses to go on with a statement whose checkpoint no quorum of witnesses has cosigned for half of its life: what
// came after it may be another history. Its layers are still given, to whoever examines them.
func (h *Host) witnessed(w http.ResponseWriter, r *http.Request, s *snapshot) bool {
	if h.log.Witnessed == nil || h.pinned != nil {
		return true
	}
	since, wanted, err := h.log.Witnessed()
	if err != nil {
		slog.Error("serve the index", "error", err)
		problem(w, r, http.StatusServiceUnavailable, "unavailable", "The index cannot be served at the moment.")
		return false
	}
	if !wanted || h.x.now().Sub(since) <= s.st.Expires.Sub(s.st.Time.Time)/2 {
		return true
	}
	w.Header().Set("Cache-Control", "no-store")
	problem(w, r, http.StatusServiceUnavailable, "unwitnessed",
		"No quorum of witnesses has cosigned the ledger since "+since.Format(time.RFC3339)+". Nothing is answered until one has.")
	return false
}
