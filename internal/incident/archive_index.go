package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"shirase/internal/web"
)

// field is a part of an incident's text that can be searched alone, to put what matches a name before what mentions
// it.
type field int

const (
	anywhere field = iota
	inNames        // the organisation's names
	inTitle        // the title, or the names
)

// textIndex is full text on one engine: the one place where the two differ. Tokens are words and pairs of characters
// as tokenize makes them: letters, marks and digits only.
type textIndex interface {
	// create makes the index, empty, or empties it.
	create(ctx context.Context, tx *sql.Tx) error
	// put indexes an incident under its number, in place of what was indexed before.
	put(ctx context.Context, tx *sql.Tx, num int64, names, title, body []string) error
	// match calls do for the number of every incident that has all phrases in a field.
	match(ctx context.Context, tx *sql.Tx, in field, phrases []phrase, do func(num int64)) error
}

var textIndexes = map[string]textIndex{"sqlite": fts5{}, "postgres": tsvector{}}

// index indexes the text of an incident. All names of its organisation belong to it, so that 「ネイバー」 finds what
// was recorded under "NAVER".
func (a refreshing) index(ctx context.Context, num int64, i Incident, organisation string) error {
	d, err := a.document(ctx, i, organisation)
	if err != nil {
		return err
	}
	return a.text.put(ctx, a.tx, num, indexed(d.names), indexed(d.title), indexed(d.body))
}

// document is what of an incident is searched.
type document struct{ names, title, body []string }

func (a refreshing) document(ctx context.Context, i Incident, organisation string) (document, error) {
	var d document
	var seen = map[string]bool{}
	add := func(to *[]string, texts ...string) {
		for _, t := range texts {
			if t != "" && !seen[t] {
				seen[t] = true
				*to = append(*to, t)
			}
		}
	}
	for _, key := range []string{"organisation", "alias"} {
		for _, f := range i.Listed(key) {
			add(&d.names, f.Value.Text.JA, f.Value.Text.EN)
		}
	}
	if organisation != "" {
		names, err := namesOf(ctx, a.tx, organisation)
		if err != nil {
			return d, err
		}
		add(&d.names, names...)
	}
	if f, ok := i.Fact("title"); ok {
		add(&d.title, f.Value.Text.JA, f.Value.Text.EN)
	}
	add(&d.title, i.ID)
	for _, f := range i.Facts {
		switch f.Key {
		case "organisation", "alias", "title":
			continue
		case "data-class":
			add(&d.body, ClassLabel(web.JA, f.Value.Word), ClassLabel(web.EN, f.Value.Word))
		case "cause", "sector":
			add(&d.body, Word(web.JA, f.Value.Word), Word(web.EN, f.Value.Word))
		case "country":
			add(&d.body, CountryLabel(web.JA, f.Value.Word), CountryLabel(web.EN, f.Value.Word))
		}
		add(&d.body, f.Value.Text.JA, f.Value.Text.EN, f.Value.Quote)
	}
	// Of the notices the newest is what holds; the earlier ones say the same or were corrected.
	rows, err := a.tx.QueryContext(ctx, `SELECT data FROM incident_notice WHERE incident = $1 ORDER BY version DESC LIMIT 1`, i.ID)
	if err != nil {
		return d, err
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return d, err
		}
		// A notice that was changed behind our back is ledger verify's to report; its text is not searched.
		if n, err := ParseNotice(data); err == nil {
			add(&d.body, n.Text.JA, n.Text.EN)
		}
	}
	return d, errors.Join(rows.Err(), rows.Close())
}

// fts5 is SQLite's full text (https://sqlite.org/fts5.html), without a copy of the texts. The tokenizer "ascii" takes
// every character beyond ASCII as part of a token, so that it splits at our spaces and nowhere else.
type fts5 struct{}

func (fts5) create(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range []string{`DROP TABLE IF EXISTS incident_text`,
		`CREATE VIRTUAL TABLE incident_text USING fts5(names, title, body, content='', contentless_delete=1, tokenize='ascii', prefix='1 2')`} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (fts5) put(ctx context.Context, tx *sql.Tx, num int64, names, title, body []string) error {
	_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO incident_text (rowid, names, title, body) VALUES ($1, $2, $3, $4)`,
		num, strings.Join(names, " "), strings.Join(title, " "), strings.Join(body, " "))
	return err
}

func (fts5) match(ctx context.Context, tx *sql.Tx, in field, phrases []phrase, do func(num int64)) error {
	var b strings.Builder
	for i, p := range phrases {
		if i > 0 {
			b.WriteString(" AND ")
		}
		switch in {
		case inNames:
			b.WriteString(`names : `)
		case inTitle:
			b.WriteString(`{names title} : `)
		}
		b.WriteString(`"` + strings.Join(p.tokens, " ") + `"`)
		if p.prefix {
			b.WriteString(" *")
		}
	}
	return matches(ctx, tx, do, `SELECT group_concat(rowid) FROM incident_text WHERE incident_text MATCH $1`, b.String())
}

// tsvector is PostgreSQL's full text (https://www.postgresql.org/docs/15/datatype-textsearch.html). The vectors are
// written out here, so that neither its parser nor its dictionaries have a say. Weights stand for fields: A the names,
// B the title.
type tsvector struct{}

func (tsvector) create(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range []string{`DROP TABLE IF EXISTS incident_text`,
		`CREATE TABLE incident_text (num BIGINT NOT NULL PRIMARY KEY, words TSVECTOR NOT NULL)`,
		`CREATE INDEX incident_text_by_word ON incident_text USING gin (words) WITH (fastupdate = off)`} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (tsvector) put(ctx context.Context, tx *sql.Tx, num int64, names, title, body []string) error {
	at := map[string][]string{}
	var order []string
	n := 0
	for _, part := range []struct {
		tokens []string
		weight string
	}{{names, "A"}, {title, "B"}, {body, ""}} {
		for _, t := range part.tokens {
			n++
			if t == gap || n > maxTokens {
				continue
			}
			if at[t] == nil {
				order = append(order, t)
			}
			at[t] = append(at[t], fmt.Sprintf("%d%s", n, part.weight))
		}
		n++ // no phrase goes from one field into the next
	}
	var b strings.Builder
	for _, t := range order {
		b.WriteString("'" + t + "':" + strings.Join(at[t][:min(len(at[t]), 255)], ",") + " ")
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO incident_text (num, words) VALUES ($1, CAST($2 AS text)::tsvector)
		ON CONFLICT (num) DO UPDATE SET words = excluded.words`, num, b.String())
	return err
}

func (tsvector) match(ctx context.Context, tx *sql.Tx, in field, phrases []phrase, do func(num int64)) error {
	weights := map[field]string{inNames: "A", inTitle: "AB"}[in]
	var terms []string
	for _, p := range phrases {
		var parts []string
		for i, t := range p.tokens {
			label := weights
			if p.prefix && i == len(p.tokens)-1 {
				label += "*"
			}
			if label != "" {
				label = ":" + label
			}
			parts = append(parts, "'"+t+"'"+label)
		}
		terms = append(terms, "("+strings.Join(parts, " <-> ")+")")
	}
	return matches(ctx, tx, do, `SELECT string_agg(num::text, ',') FROM incident_text WHERE words @@ CAST($1 AS text)::tsquery`, strings.Join(terms, " & "))
}

// matches runs a query for numbers, which come in one text, separated by commas: a row each would cost more than to find
// them.
func matches(ctx context.Context, tx *sql.Tx, do func(num int64), query string, args ...any) error {
	var list sql.RawBytes // nil where nothing was found
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&list); err != nil {
			return err
		}
		num := int64(0)
		for _, c := range list {
			if c == ',' {
				do(num)
				num = 0
				continue
			}
			num = num*10 + int64(c-'0')
		}
		if num > 0 {
			do(num)
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
