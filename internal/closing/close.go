package closing

import (
	"context"
	"database/sql"
	"errors"
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
// open. Once there is staff, that is approved by a second person, as is a case of which a law was refused: proposal.ErrWanted. Errors:
// *OpenError, ErrNotFound, response.ErrClosed.
func (c *Closing) Close(ctx context.Context, who actor.Actor, id string, a Asked) (*response.Case, error) {
	if err := may(who, actor.Remove, id); err != nil {
		return nil, err
	}
	return c.asItStands(ctx, who, id, a, func(end response.Ending, _ []Item) (*response.Case, error) {
		if len(end.Open) > 0 && c.Staffed != nil {
			staffed, err := c.Staffed(ctx)
			if err == nil && staffed {
				err = proposal.ErrWanted
			}
			if err != nil {
				return nil, fmt.Errorf("close case %s: %w", id, err)
			}
		}
		return c.Cases.CloseAs(ctx, who, id, end, nil)
	})
}

// closeTries is how often it is looked again at a case that somebody works in while it is closed.
const closeTries = 20

// asItStands has a case closed as it stands: where something was recorded after it was looked at what is open, it is looked at again.
func (c *Closing) asItStands(ctx context.Context, who actor.Actor, id string, a Asked, do func(end response.Ending, open []Item) (*response.Case, error)) (*response.Case, error) {
	for try := 1; ; try++ {
		end, open, err := c.end(ctx, who, id, a)
		if err != nil {
			return nil, err
		}
		k, err := do(end, open)
		if !errors.Is(err, response.ErrMoved) || try == closeTries {
			return k, err
		}
	}
}

// end is how a case would be closed now, and what is recorded with it.
func (c *Closing) end(ctx context.Context, who actor.Actor, id string, a Asked) (response.Ending, []Item, error) {
	a.Why, a.Despite = strings.TrimSpace(a.Why), strings.TrimSpace(a.Despite)
	end := response.Ending{Closed: response.Closed{Why: a.Why}}
	var err error
	if end.Facts, err = c.Cases.Incidents.Moved(ctx, id); err != nil { // before anything is read: what comes then is seen
		return end, nil, err
	}
	k, items, err := c.Checklist(ctx, who, id)
	if err != nil {
		return end, nil, err
	}
	if end.Head = k.Head; k.Closed {
		return end, nil, fmt.Errorf("case %s: %w", id, response.ErrClosed)
	}
	if a.Why == "" {
		return end, nil, hint.Add(fmt.Errorf("close case %s: %w: why is wanted", id, ErrInput), "--why \"all reports are complete\"")
	}
	said := items[:0:0]
	for _, i := range items {
		if i.Refuses || i.Second {
			said = append(said, i)
			end.Open = append(end.Open, i.key())
		}
	}
	open := Refusing(items)
	switch {
	case len(open) == 0: // what was said of nothing is no reason
	case a.Despite == "":
		return end, nil, &OpenError{id, open}
	default:
		end.Despite = a.Despite
	}
	return end, said, nil
}

// ends says what closing a case does that has these on its list.
func ends(open []Item) language.Text {
	kinds := []struct {
		refused, about string // of an item: what its About begins with, where it is refused; "" for all others
		name           language.Text
	}{
		{"", "", language.Both("未完了のこと", "still open")},
		{"refused", "regime ", language.Both("適用しないとした法令", "laws that were refused")},
		{"refused", "promise ", language.Both("取り下げた約束", "promises that were withdrawn")},
		{"refused", "party ", language.Both("知らせないまま外した関係者", "parties that were never told, and are said to be owed nothing")},
	}
	var ja, en []string
	for _, kind := range kinds {
		n := 0
		for _, i := range open {
			if (i.Kind == "refused") == (kind.refused != "") && (kind.refused == "" || strings.HasPrefix(i.About, kind.about)) {
				n++
			}
		}
		if n > 0 {
			ja = append(ja, fmt.Sprintf("%s%d件", kind.name.JA, n))
			en = append(en, fmt.Sprintf("%s: %d", kind.name.EN, n))
		}
	}
	return language.Both("次のことがあるまま、対応を終えます："+strings.Join(ja, "、"), "closes the case with what follows. "+strings.Join(en, "; "))
}

// Act is the proposal to close a case although something keeps it open.
func (c *Closing) Act() proposal.Act {
	asked := func(id string, request []byte) (a Asked, err error) {
		if err = json.Unmarshal(request, &a, json.RejectUnknownMembers(true)); err != nil {
			err = fmt.Errorf("close case %s: %w", id, err)
		}
		return a, err
	}
	plan := func(id string, end response.Ending, open []Item) (proposal.Plan, error) {
		b, err := json.Marshal(map[string]any{"v": 1, "kind": KindClose, "incident": id, "why": end.Why, "despite": end.Despite, "open": end.Open}, json.Deterministic(true), json.FormatNilSliceAsNull(false))
		if err != nil {
			return proposal.Plan{}, err
		}
		val := jsontext.Value(b)
		p := proposal.Plan{Effect: proposal.Effect{People: -1, Says: ends(open)}}
		if end.Despite != "" {
			p.Effect.Doubts = append(p.Effect.Doubts, language.Text{JA: "それでも終える理由：" + end.Despite, EN: "Why all the same: " + end.Despite})
		}
		for _, i := range open {
			p.Effect.Doubts = append(p.Effect.Doubts, i.Text)
		}
		err = val.Canonicalize()
		p.Bytes = val
		return p, err
	}
	return proposal.Act{Single: true, Also: actor.Remove,
		Plan: func(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
			a, err := asked(id, request)
			if err != nil {
				return proposal.Plan{}, err
			}
			end, open, err := c.end(ctx, who, id, a)
			if err != nil {
				return proposal.Plan{}, err
			}
			return plan(id, end, open)
		},
		Do: func(ctx context.Context, who actor.Actor, id string, request []byte, digest string, settle func(tx *sql.Tx) error) (any, error) {
			a, err := asked(id, request)
			if err != nil {
				return nil, err
			}
			k, err := c.asItStands(ctx, who, id, a, func(end response.Ending, open []Item) (*response.Case, error) {
				p, err := plan(id, end, open)
				if err == nil && p.Digest() != digest {
					err = proposal.ErrChanged
				}
				if err != nil {
					return nil, err
				}
				return c.Cases.CloseAs(ctx, who, id, end, settle)
			})
			if err != nil {
				return nil, err
			}
			return map[string]any{"incident": id, "entries": k.Entries}, nil
		}}
}
