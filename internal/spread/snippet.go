package spread

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/store"
)

// KindSnippet is the kind of the proposal that puts a text to post onto the page of what is genuine.
const KindSnippet = "snippet"

// Errors of snippets.
var (
	// ErrAgainst says that the facts have something against a text: the page would not show it, whoever approves it.
	ErrAgainst = errors.New("the facts have something against the text")
	// ErrWanted says that a second person has to approve it.
	ErrWanted = errors.New("this needs a second person: it can only be proposed")
)

const (
	maxSnippet  = 500 // characters in a language
	maxSnippets = 20  // of one incident
)

// Snippet is a text to post on social media as it is.
type Snippet struct {
	ID   string
	Text language.Text
	At   time.Time
	By   string

	Dropped   time.Time // when it was taken off; zero: it is on the page
	DroppedBy string    // "" where that was not kept
}

// AskedSnippet is what a proposal asks for.
type AskedSnippet struct {
	Text language.Text `json:"text"`
}

// SnippetPlan is what it would do, to the byte.
type SnippetPlan struct {
	Incident string
	Text     language.Text
	Bytes    []byte
	Says     language.Text
}

// PlanSnippet holds a text against the facts. Errors: ErrInput, ErrAgainst, ErrNone; those of actor.
func (s *Spread) PlanSnippet(ctx context.Context, who actor.Actor, id string, a AskedSnippet) (*SnippetPlan, error) {
	if !who.Sees(id) {
		return nil, ErrNone
	}
	p := &SnippetPlan{Incident: id, Text: language.Text{JA: strings.TrimSpace(a.Text.JA), EN: strings.TrimSpace(a.Text.EN)},
		Says: language.Both("SNSなどに載せる文章を、「本物の連絡の見分け方」のページに載せます", "puts a text to post on social media onto the page of what is genuine")}
	var against []string
	for _, lang := range []language.Lang{language.JA, language.EN} {
		text := p.Text.JA
		if lang == language.EN {
			text = p.Text.EN
		}
		if text == "" || utf8.RuneCountInString(text) > maxSnippet || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\u200d' && hidden(r) }) {
			return nil, fmt.Errorf("%w: a text to post has 1 to %d characters, in Japanese and in English", ErrInput, maxSnippet)
		}
		found, err := s.against(ctx, id, lang, text)
		if err != nil {
			return nil, fmt.Errorf("a text to post: %w", err)
		}
		against = append(against, found...)
	}
	if len(against) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrAgainst, strings.Join(against, "; "))
	}
	var err error
	p.Bytes, err = json.Marshal(map[string]any{"v": 1, "kind": KindSnippet, "incident": id, "snippet": p.Text}, json.Deterministic(true))
	return p, err
}

func (s *Spread) against(ctx context.Context, id string, lang language.Lang, text string) ([]string, error) {
	if s.Read == nil {
		return nil, nil
	}
	return s.Read(ctx, id, lang, text)
}

// Post does what a plan says. settle is called in its transaction. Errors: ErrWanted, where a second person has to approve it and none has; ErrFull.
func (s *Spread) Post(ctx context.Context, who actor.Actor, p *SnippetPlan, settle func(tx *sql.Tx) error) error {
	if settle == nil {
		if err := who.May(actor.Propose, p.Incident); err != nil {
			return fmt.Errorf("a text to post: %w", err)
		}
		if s.Wanted != nil {
			if wanted, err := s.Wanted(ctx); err != nil || wanted {
				return fmt.Errorf("a text to post: %w", errors.Join(err, ErrWanted))
			}
		}
	}
	err := s.DB.Update(ctx, func(tx *sql.Tx) error {
		var n int64
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM spread_snippet WHERE incident = $1 AND dropped = 0`, p.Incident).Scan(&n); err != nil {
			return err
		}
		if n >= maxSnippets {
			return fmt.Errorf("%w: an incident has at most %d texts to post", ErrFull, maxSnippets)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO spread_snippet (id, incident, ja, en, at, actor, dropped) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
			"s-"+strings.ToLower(rand.Text())[:12], p.Incident, p.Text.JA, p.Text.EN, store.Micros(s.Now()), who.String()); err != nil {
			return err
		}
		if settle != nil {
			return settle(tx)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("a text to post: %w", err)
	}
	return nil
}

// Snippets gives the texts that were approved for the page, the newest first.
func (s *Spread) Snippets(ctx context.Context, id string) ([]Snippet, error) {
	return s.snippets(ctx, `dropped = 0 ORDER BY at DESC, id`, id)
}

// Dropped gives the texts that were taken off the page last, by whom and when.
func (s *Spread) Dropped(ctx context.Context, id string) ([]Snippet, error) {
	return s.snippets(ctx, fmt.Sprintf(`dropped > 0 ORDER BY dropped DESC, id LIMIT %d`, maxSnippets), id)
}

func (s *Spread) snippets(ctx context.Context, which, id string) ([]Snippet, error) {
	rows, err := s.DB.QueryContext(ctx, `SELECT id, ja, en, at, actor, dropped, dropped_by FROM spread_snippet WHERE incident = $1 AND `+which, id)
	if err != nil {
		return nil, fmt.Errorf("texts to post: %w", err)
	}
	defer rows.Close()
	var out []Snippet
	for rows.Next() {
		var x Snippet
		var at, dropped int64
		if err := rows.Scan(&x.ID, &x.Text.JA, &x.Text.EN, &at, &x.By, &dropped, &x.DroppedBy); err != nil {
			return nil, fmt.Errorf("texts to post: %w", err)
		}
		if x.At = store.FromMicros(at); dropped > 0 {
			x.Dropped = store.FromMicros(dropped)
		}
		out = append(out, x)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// DropSnippet takes a text off the page, at once: whoever may write facts takes back what is not so any more. Errors: ErrNone; those of actor.
func (s *Spread) DropSnippet(ctx context.Context, who actor.Actor, id, snippet string) error {
	if err := who.May(actor.Write, id); err != nil {
		return fmt.Errorf("take a text to post away: %w", err)
	}
	res, err := s.DB.ExecContext(ctx, `UPDATE spread_snippet SET dropped = $3, dropped_by = $4 WHERE incident = $1 AND id = $2 AND dropped = 0`, id, snippet, store.Micros(s.Now()), who.String())
	if err != nil {
		return fmt.Errorf("take a text to post away: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNone)
	}
	return nil
}
