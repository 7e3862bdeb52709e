package closing

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/response"
)

// KindClose is a proposal to close a case although something keeps it open.
const KindClose = "close"

// Asked is what a proposal to close asks for.
type Asked struct {
	Why     string `json:"why"`
	Despite string `json:"despite"`
}

// An OpenError says what keeps a case open.
type OpenError struct {
	Case  string
	Items []Item
}

func (e *OpenError) Error() string {
	var what []string
	for _, i := range e.Items {
		what = append(what, i.Text.EN)
	}
	return fmt.Sprintf("close case %s: %v: %s", e.Case, ErrOpen, strings.Join(what, "; "))
}
func (e *OpenError) Unwrap() error { return ErrOpen }
func (e *OpenError) Hint() string {
	return e.Items[0].Command + "; all of it: shirase case closing " + e.Case + "; or say why it is closed all the same, which is recorded: --despite REASON"
}

// Close closes a case, where nothing keeps it open, or with the reason why it is closed all the same, which is recorded with what was
// open. Once there is staff, that is approved by a second person: proposal.ErrWanted. Errors: *OpenError, ErrNotFound, response.ErrClosed.
func (c *Closing) Close(ctx context.Context, who actor.Actor, id string, a Asked) (*response.Case, error) {
	if err := may(who, actor.Remove, id); err != nil {
		return nil, err
	}
	k, end, err := c.end(ctx, who, id, a)
	if err != nil {
		return nil, err
	}
	if len(end.Open) > 0 && c.Staffed != nil {
		staffed, err := c.Staffed(ctx)
		if err == nil && staffed {
			err = proposal.ErrWanted
		}
		if err != nil {
			return nil, fmt.Errorf("close case %s: %w", k.ID, err)
		}
	}
	return c.Cases.CloseAs(ctx, who, id, end, nil)
}

// end is how a case would be closed now.
func (c *Closing) end(ctx context.Context, who actor.Actor, id string, a Asked) (*response.Case, response.Closed, error) {
	a.Why, a.Despite = strings.TrimSpace(a.Why), strings.TrimSpace(a.Despite)
	end := response.Closed{Why: a.Why}
	k, items, err := c.Checklist(ctx, who, id)
	if err != nil {
		return nil, end, err
	}
	if k.Closed {
		return k, end, fmt.Errorf("case %s: %w", id, response.ErrClosed)
	}
	if a.Why == "" {
		return k, end, hint.Add(fmt.Errorf("close case %s: %w: why is wanted", id, ErrInput), "--why \"all reports are complete\"")
	}
	open := Refusing(items)
	if len(open) == 0 {
		return k, end, nil // what was said of nothing is no reason
	}
	if a.Despite == "" {
		return k, end, &OpenError{id, open}
	}
	end.Despite = a.Despite
	for _, i := range open {
		end.Open = append(end.Open, i.Kind+" "+i.About)
	}
	return k, end, nil
}

// Act is the proposal to close a case although something keeps it open.
func (c *Closing) Act() proposal.Act {
	plan := func(ctx context.Context, who actor.Actor, id string, request []byte) (response.Closed, proposal.Plan, error) {
		var a Asked
		if err := json.Unmarshal(request, &a, json.RejectUnknownMembers(true)); err != nil {
			return response.Closed{}, proposal.Plan{}, fmt.Errorf("close case %s: %w", id, err)
		}
		_, end, err := c.end(ctx, who, id, a)
		if err != nil {
			return end, proposal.Plan{}, err
		}
		b, err := json.Marshal(map[string]any{"v": 1, "kind": KindClose, "incident": id, "why": end.Why, "despite": end.Despite, "open": end.Open}, json.Deterministic(true), json.FormatNilSliceAsNull(false))
		if err != nil {
			return end, proposal.Plan{}, err
		}
		val := jsontext.Value(b)
		p := proposal.Plan{Effect: proposal.Effect{People: -1, Says: language.Text{JA: fmt.Sprintf("未完了のことが%d件あるまま、対応を終えます", len(end.Open)), EN: fmt.Sprintf("closes the case, with %d things open that should keep it so", len(end.Open))}}}
		if end.Despite != "" {
			p.Effect.Doubts = append(p.Effect.Doubts, language.Text{JA: "それでも終える理由：" + end.Despite, EN: "Why all the same: " + end.Despite})
		}
		for _, o := range end.Open {
			p.Effect.Doubts = append(p.Effect.Doubts, language.Text{JA: "未完了：" + o, EN: "open: " + o})
		}
		err = val.Canonicalize()
		p.Bytes = val
		return end, p, err
	}
	return proposal.Act{Single: true,
		Plan: func(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
			_, p, err := plan(ctx, who, id, request)
			return p, err
		},
		Do: func(ctx context.Context, who actor.Actor, id string, request []byte, digest string, settle func(tx *sql.Tx) error) (any, error) {
			end, p, err := plan(ctx, who, id, request)
			if err != nil {
				return nil, err
			}
			if p.Digest() != digest {
				return nil, proposal.ErrChanged
			}
			k, err := c.Cases.CloseAs(ctx, who, id, end, settle)
			if err != nil {
				return nil, err
			}
			return map[string]any{"incident": id, "entries": k.Entries}, nil
		}}
}
