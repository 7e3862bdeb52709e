package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"shirase/internal/actor"
)

// Label is what a reader made of one proposal.
type Label struct {
	Document string          `json:"document"` // SHA-256 of the bytes
	URL      string          `json:"url"`
	Lang     string          `json:"language"`
	Key      string          `json:"key"`
	Rule     string          `json:"rule"`
	Sure     bool            `json:"sure"`
	Outcome  string          `json:"outcome"`
	Proposed json.RawMessage `json:"proposed"`
	Given    json.RawMessage `json:"given,omitempty"`
	Text     string          `json:"text,omitempty"` // that it was read in
}

// Labels gives what readers made of all that was proposed, the oldest first; with texts, the text of each document stands with its
// first label.
func (c *Collection) Labels(ctx context.Context, who actor.Actor, texts bool, each func(Label) error) error {
	if err := who.May(actor.Record, ""); err != nil {
		return fmt.Errorf("export labels: %w", err)
	}
	rows, err := c.DB.QueryContext(ctx, `SELECT d.sha256, d.url, d.text, l.lang, l.fact_key, l.rule, l.sure, l.outcome, l.proposed, l.given FROM collect_label l JOIN collect_document d ON d.id = l.document
		JOIN collect_act a ON a.id = l.act ORDER BY a.at, a.id, l.seq`)
	if err != nil {
		return fmt.Errorf("export labels: %w", err)
	}
	defer rows.Close()
	last := ""
	for rows.Next() {
		var l Label
		var proposed, given string
		if err := rows.Scan(&l.Document, &l.URL, &l.Text, &l.Lang, &l.Key, &l.Rule, &l.Sure, &l.Outcome, &proposed, &given); err != nil {
			return fmt.Errorf("export labels: %w", err)
		}
		l.Proposed = json.RawMessage(proposed)
		if given != "" {
			l.Given = json.RawMessage(given)
		}
		if !texts || l.Document == last {
			l.Text = ""
		}
		last = l.Document
		if err := each(l); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// Measure is how well it is read for this archive, by field and language.
type Measure struct {
	Key       string `json:"key"`
	Lang      string `json:"language"`
	Accepted  int    `json:"accepted"`
	Corrected int    `json:"corrected"`
	Skipped   int    `json:"skipped"`
}

// Measured counts what readers made of proposals.
func (c *Collection) Measured(ctx context.Context, who actor.Actor) ([]Measure, error) {
	if err := who.May(actor.Record, ""); err != nil {
		return nil, fmt.Errorf("measure: %w", err)
	}
	rows, err := c.DB.QueryContext(ctx, `SELECT fact_key, lang, count(*) FILTER (WHERE outcome = 'accepted'), count(*) FILTER (WHERE outcome = 'corrected'), count(*) FILTER (WHERE outcome = 'skipped')
		FROM collect_label GROUP BY fact_key, lang ORDER BY fact_key, lang`)
	if err != nil {
		return nil, fmt.Errorf("measure: %w", err)
	}
	defer rows.Close()
	out := []Measure{}
	for rows.Next() {
		var m Measure
		if err := rows.Scan(&m.Key, &m.Lang, &m.Accepted, &m.Corrected, &m.Skipped); err != nil {
			return nil, fmt.Errorf("measure: %w", err)
		}
		out = append(out, m)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
