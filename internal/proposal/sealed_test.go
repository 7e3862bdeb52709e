package proposal

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"shirase/internal/actor"
)

// canary is a word that nobody may find once a case's key is gone.
const canary = "Hanako's letter"

// readable gives what of a proposal's row has the canary in the clear.
func (w *world) readable() (out []string) {
	w.t.Helper()
	rows, err := w.DB.QueryContext(w.t.Context(), `SELECT id, request, bytes, effect, why, result FROM proposal`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var v [5][]byte
		if err := rows.Scan(&id, &v[0], &v[1], &v[2], &v[3], &v[4]); err != nil {
			w.t.Fatal(err)
		}
		for i, b := range v {
			if bytes.Contains(b, []byte(canary)) {
				out = append(out, fmt.Sprint(id, " ", []string{"request", "bytes", "effect", "why", "result"}[i]))
			}
		}
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// TestSealed: what a case's proposals say, in every column and state, is read with its key only. What was kept in the clear before is sealed, or
// let go, and who signed for which digest stays.
func TestSealed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		say := w.Acts["say"]
		w.Acts["say"] = Act{Single: true,
			Plan: func(ctx context.Context, who actor.Actor, incident string, request []byte) (Plan, error) {
				p, err := say.Plan(ctx, who, incident, request)
				p.Effect.Says.EN = canary
				return p, err
			},
			Do: func(ctx context.Context, who actor.Actor, incident string, request []byte, digest string, settle func(*sql.Tx) error) (any, error) {
				if strings.Contains(string(request), "fails") {
					return nil, errors.New(canary)
				}
				_, err := say.Do(ctx, who, incident, request, digest, settle)
				return map[string]string{"said": canary}, err
			}}
		w.Acts["end"] = Act{Outlives: true, Plan: say.Plan}
		propose := func(kind, text string) *Proposal {
			t.Helper()
			x, err := w.Propose(ctx, person("p1", "", actor.Contributes, actor.Commander), kind, "shop", map[string]string{"despite": text})
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		get := func(x *Proposal) *Proposal {
			t.Helper()
			now, err := w.Get(ctx, approver(x), x.ID)
			if err != nil {
				t.Fatal(err)
			}
			return now
		}
		done, open, fails, withdrawn := propose("say", canary), propose("say", canary), propose("say", canary+" fails"), propose("say", canary)
		if x, err := w.Approve(ctx, approver(done), done.ID, done.Digest); err != nil || !strings.Contains(string(x.Result), canary) || !strings.Contains(string(x.Bytes), canary) || x.Effect.Says.EN != canary {
			t.Fatalf("%+v, %v", x, err)
		}
		if _, err := w.Approve(ctx, approver(fails), fails.ID, fails.Digest); err == nil {
			t.Fatal("it was to fail")
		}
		if x := get(fails); x.State != Approved || !strings.Contains(x.Why, canary) {
			t.Errorf("%+v", x)
		}
		if x, err := w.Withdraw(ctx, approver(withdrawn), withdrawn.ID, canary); err != nil || x.Why != canary {
			t.Errorf("%+v, %v", x, err)
		}
		if found := w.readable(); len(found) > 0 {
			t.Errorf("in the clear: %v", found)
		}

		// Of an earlier version, or of a time when the case had no key.
		key := w.key
		w.key = nil
		before := propose("say", canary)
		if found := w.readable(); len(found) != 3 {
			t.Fatalf("the search finds %v of what is in the clear", found)
		}
		w.key = key
		if err := Seal(ctx, w.DB, w.Sealer, func(kind string) bool { return kind == "end" }); err != nil {
			t.Fatal(err)
		}
		if found := w.readable(); len(found) > 0 {
			t.Errorf("in the clear: %v", found)
		}
		if x := get(before); x.Digest != before.Digest || !bytes.Equal(x.Bytes, before.Bytes) || x.State != Proposed {
			t.Errorf("%+v", x)
		}

		// A key that is away: they are there, and nobody approves what cannot be looked at.
		errAway := errors.New("away")
		w.away = errAway
		if _, err := w.Approve(ctx, approver(open), open.ID, open.Digest); !errors.Is(err, errAway) {
			t.Error(err)
		}
		w.away = nil
		w.key = nil
		late := propose("say", canary)
		w.away = ErrGone
		if err := Seal(ctx, w.DB, w.Sealer, func(kind string) bool { return kind == "end" }); err != nil {
			t.Fatal(err)
		}
		if found := w.readable(); len(found) > 0 {
			t.Errorf("in the clear when the key is gone: %v", found)
		}
		all, err := w.List(ctx, approver(open), true)
		if err != nil || len(all) != 6 {
			t.Fatalf("%d, %v", len(all), err)
		}
		for _, x := range all {
			if !errors.Is(x.Unread, ErrGone) || x.Bytes != nil || len(x.Result) > 0 || x.Why != "" || x.Digest == "" || x.Proposer == "" || !strings.Contains(x.Effect.Says.EN, "destroyed") {
				t.Errorf("%+v", x)
			}
		}
		if x := get(done); x.State != Done || x.Approver == "" || x.Digest != done.Digest {
			t.Errorf("%+v", x)
		}
		if x := get(late); x.State != Void {
			t.Errorf("%+v", x)
		}
		if _, err := w.Approve(ctx, approver(open), open.ID, open.Digest); !errors.Is(err, ErrGone) {
			t.Error(err)
		}
		if err := w.Resume(ctx, actor.Server()); !errors.Is(err, ErrOver) {
			t.Error(err)
		}
		if x := get(fails); x.State != Void {
			t.Errorf("approved, and its case is gone: %+v", x)
		}
		if x, err := w.Withdraw(ctx, approver(open), open.ID, canary); err != nil || x.State != Withdrawn {
			t.Errorf("%+v, %v", x, err)
		}
		if _, err := w.Propose(ctx, person("p1", "", actor.Contributes, actor.Commander), "say", "shop", 1); !errors.Is(err, ErrGone) {
			t.Error(err)
		}
		end := propose("end", "what is left")
		if err := Seal(ctx, w.DB, w.Sealer, func(kind string) bool { return kind == "end" }); err != nil {
			t.Fatal(err)
		}
		if x := get(end); x.Unread != nil || x.State != Proposed || len(x.Bytes) == 0 {
			t.Errorf("%+v", x)
		}
		if found := w.readable(); len(found) > 0 {
			t.Errorf("in the clear when the key is gone: %v", found)
		}
	})
}
