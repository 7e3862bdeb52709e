package incident

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"shirase/internal/web"
)

// field is a part of an incident's text that can be searched alone, to put what matches a name before what mentions
// it.
type field int

const (
	anywhere field = iota
	inTitle        // the title, or the names of the organisation
)

// textIndex is full text on one engine: the one place where the two differ. Tokens are words and pairs of characters
// as tokenize makes them: letters, marks and digits only.
type textIndex interface {
	// create makes the index, empty, or empties it.
	create(ctx context.Context, tx *sql.Tx) error
	// put indexes an incident under its number, in place of what was indexed before.
	put(ctx context.Context, tx *sql.Tx, num int64, in field, tokens []string) error
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
	return errors.Join(a.text.put(ctx, a.tx, num, inTitle, indexed(d.title)), a.text.put(ctx, a.tx, num, anywhere, indexed(append(d.title, d.body...))))
}

// document is what of an incident is searched.
type document struct{ title, body []string }

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
			add(&d.title, f.Value.Text.JA, f.Value.Text.EN)
		}
	}
	if organisation != "" {
		names, err := namesOf(ctx, a.tx, organisation)
		if err != nil {
			return d, err
		}
		add(&d.title, names...)
	}
	if f, ok := i.Fact("title"); ok {
		add(&d.title, f.Value.Text.JA, f.Value.Text.EN)
	}
	add(&d.title, i.ID)
	for _, f := range i.Facts {
		switch f.Key {
		case "organisation", "alias", "title":
			continue
		case "data-class", "cause", "sector", "country":
			add(&d.body, WordOf(web.JA, f.Key, f.Value.Word), WordOf(web.EN, f.Key, f.Value.Word))
		}
		add(&d.body, f.Value.Text.JA, f.Value.Text.EN, f.Value.Original, f.Value.Quote)
	}
	// The newest notices first: what a limit on tokens cuts off is what was said long ago.
	rows, err := a.tx.QueryContext(ctx, `SELECT data FROM incident_notice WHERE incident = $1 ORDER BY version DESC LIMIT 20`, i.ID)
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

// tables holds the index of each field. That of the titles is small, so that relevance costs little.
var tables = map[field]string{anywhere: "incident_text", inTitle: "incident_text_title"}

// fts5 is SQLite's full text (https://sqlite.org/fts5.html), without a copy of the texts. The tokenizer "ascii" takes
// every character beyond ASCII as part of a token, so that it splits at our spaces and nowhere else.
type fts5 struct{}

func (fts5) create(ctx context.Context, tx *sql.Tx) error {
	for _, table := range tables {
		for _, statement := range []string{`DROP TABLE IF EXISTS ` + table,
			`CREATE VIRTUAL TABLE ` + table + ` USING fts5(words, content='', contentless_delete=1, tokenize='ascii', prefix='1 2')`} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	return nil
}

func (fts5) put(ctx context.Context, tx *sql.Tx, num int64, in field, tokens []string) error {
	_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO `+tables[in]+` (rowid, words) VALUES ($1, $2)`, num, strings.Join(tokens, " "))
	return err
}

func (fts5) match(ctx context.Context, tx *sql.Tx, in field, phrases []phrase, do func(num int64)) error {
	var b strings.Builder
	for i, p := range phrases {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(`"` + strings.Join(p.tokens, " ") + `"`)
		if p.prefix {
			b.WriteString(" *")
		}
	}
	return matches(ctx, tx, do, `SELECT group_concat(rowid) FROM `+tables[in]+` WHERE `+tables[in]+` MATCH $1`, b.String())
}

// tsvector is PostgreSQL's full text (https://www.postgresql.org/docs/15/datatype-textsearch.html). The vectors are
// written out here, so that neither its parser nor its dictionaries have a say.
type tsvector struct{}

func (tsvector) create(ctx context.Context, tx *sql.Tx) error {
	for _, table := range tables {
		for _, statement := range []string{`DROP TABLE IF EXISTS ` + table,
			`CREATE TABLE ` + table + ` (num BIGINT NOT NULL PRIMARY KEY, words TSVECTOR NOT NULL)`,
			`CREATE INDEX ` + table + `_by_word ON ` + table + ` USING gin (words)`} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxPositions is how many places of one token a vector keeps.
const maxPositions = 255

func (tsvector) put(ctx context.Context, tx *sql.Tx, num int64, in field, tokens []string) error {
	at := map[string][]string{}
	var order []string
	for i, t := range tokens {
		if t == gap {
			continue
		}
		if at[t] == nil {
			order = append(order, t)
		}
		at[t] = append(at[t], strconv.Itoa(i+1))
	}
	var b strings.Builder
	for _, t := range order {
		b.WriteString("'" + t + "':" + strings.Join(at[t][:min(len(at[t]), maxPositions)], ",") + " ")
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO `+tables[in]+` (num, words) VALUES ($1, CAST($2 AS text)::tsvector)
		ON CONFLICT (num) DO UPDATE SET words = excluded.words`, num, b.String())
	return err
}

func (tsvector) match(ctx context.Context, tx *sql.Tx, in field, phrases []phrase, do func(num int64)) error {
	var terms []string
	for _, p := range phrases {
		var parts []string
		for i, t := range p.tokens {
			part := "'" + t + "'"
			if p.prefix && i == len(p.tokens)-1 {
				part += ":*"
			}
			parts = append(parts, part)
		}
		terms = append(terms, "("+strings.Join(parts, " <-> ")+")")
	}
	return matches(ctx, tx, do, `SELECT string_agg(num::text, ',') FROM `+tables[in]+` WHERE words @@ CAST($1 AS text)::tsquery`, strings.Join(terms, " & "))
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
