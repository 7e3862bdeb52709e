package index

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
	"shirase/identity"
	"shirase/internal/files"
)

// selfCheck serves a draft on loopback, under a ledger of its own that is
// thrown away, and asks it with the real client: every sampled member of the
// new layer has to be found with what was exposed, a random stranger must not.
func (x *Index) selfCheck(ctx context.Context, keys *files.Keys, st *check.Statement, sealed *Sealed) error {
	skey, vkey, err := note.GenerateKey(rand.Reader, "self-check.invalid")
	if err != nil {
		return err
	}
	draft := *st
	draft.Ledger = &check.Signing{Key: check.VKeyHash(vkey), Next: st.Ledger.Key}
	draft.Expires = check.At(st.Time.Add(life("")))
	st = &draft
	raw, err := st.Canonical()
	if err != nil {
		return err
	}
	proof, err := draftProof(skey, raw)
	if err != nil {
		return err
	}
	snap, err := x.snapshot(st, raw, proof)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSelfCheck, err)
	}
	defer snap.close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSelfCheck, err)
	}
	h := NewHost(x, Log{}, nil) // the client tells what is wrong
	h.pinned = snap
	e := NewEvaluator(keys, func(*http.Request, int) (time.Duration, bool) { return 0, true }, h.Keys, nil)
	server := &http.Server{Handler: h.Mux(e)}
	go server.Serve(l)
	defer server.Shutdown(context.WithoutCancel(ctx)) // and no handler reads the layers any more

	policy, err := check.LedgerPolicy(vkey)
	if err != nil {
		return err
	}
	client := &check.Client{Server: "http://" + l.Addr().String(), Policy: policy, Audit: true, Now: x.now}
	sets := st.Incident(sealed.Incident).Sets
	for i, m := range sealed.sample {
		a, err := client.Check(ctx, m.Identity)
		if err != nil {
			return fmt.Errorf("%w: member %d of %d: %w", ErrSelfCheck, i+1, len(sealed.sample), err)
		}
		at := slices.IndexFunc(a.Verdict.Incidents, func(f check.Finding) bool { return f.ID == sealed.Incident })
		if at < 0 {
			return fmt.Errorf("%w: member %d of %d of the new layer is not found in it", ErrSelfCheck, i+1, len(sealed.sample))
		}
		if int(m.Set) >= len(sets) || !slices.Equal(a.Verdict.Incidents[at].Classes, sets[m.Set]) {
			return fmt.Errorf("%w: member %d of %d would be told of other data than the roster says", ErrSelfCheck, i+1, len(sealed.sample))
		}
	}
	var r [16]byte
	rand.Read(r[:])
	stranger, err := identity.ParseEmail(hex.EncodeToString(r[:]) + "@stranger.example.com")
	if err != nil {
		return err
	}
	a, err := client.Check(ctx, stranger)
	if err != nil {
		return fmt.Errorf("%w: a stranger: %w", ErrSelfCheck, err)
	}
	if a.Verdict.Result == check.Affected {
		return fmt.Errorf("%w: a random stranger is found", ErrSelfCheck)
	}
	return nil
}

// draftProof gives a tlog-proof for bytes in a ledger of one entry.
func draftProof(skey string, raw []byte) (string, error) {
	signer, err := note.NewSigner(skey)
	if err != nil {
		return "", errors.New("make a signer for the self-check")
	}
	leaf := tlog.RecordHash(check.Leaf(check.KindStatement, raw))
	signed, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: signer.Name(), Tree: tlog.Tree{N: 1, Hash: leaf}}.String()}, signer)
	if err != nil {
		return "", fmt.Errorf("sign the self-check's checkpoint: %w", err)
	}
	return string(torchwood.FormatProof(0, nil, signed)), nil
}
