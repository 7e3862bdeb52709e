package connect

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the engine

	"shirase/internal/hint"
	"shirase/internal/outward"
	parsed "shirase/internal/yaml"
)

// Statements are what is done in a database of accounts, as the organisation wrote and reviewed it. Arguments are bound by name, never put
// into the text: :account, :hash (of the new password, or of one that nobody knows), :now (RFC 3339) and :order.
type Statements struct {
	Hash     string `yaml:"hash"`     // argon2id or bcrypt
	Force    string `yaml:"force"`    // changes exactly one row
	Reset    string `yaml:"reset"`    // changes exactly one row
	Sessions string `yaml:"sessions"` // ends them; "": there are none here
	Same     string `yaml:"same"`     // gives the hashes that the account has, and had; "": it cannot be told
}

// names are what a statement may bind, and what it has to.
var names = map[string]bool{"account": true, "hash": false, "now": false, "order": false}

// ParseStatements reads a file of them. Errors: ErrSettings.
func ParseStatements(name string, src []byte) (*Statements, error) {
	wrong := func(format string, args ...any) error {
		return hint.Add(fmt.Errorf("%w: %s: %s", ErrSettings, name, fmt.Sprintf(format, args...)), "docs/CONNECTORS.md has a whole one")
	}
	if _, err := parsed.Parse(src, 16<<10); err != nil {
		return nil, wrong("%v", err)
	}
	var s Statements
	if err := yaml.UnmarshalWithOptions(src, &s, yaml.DisallowUnknownField()); err != nil {
		return nil, wrong("it has something that is not known")
	}
	if s.Hash != Argon2id && s.Hash != Bcrypt {
		return nil, wrong("hash is argon2id or bcrypt")
	}
	for _, each := range []struct {
		what, text string
		wanted     []string
	}{{"force", s.Force, []string{"account", "hash"}}, {"reset", s.Reset, []string{"account", "hash"}}, {"sessions", s.Sessions, []string{"account"}}, {"same", s.Same, []string{"account"}}} {
		if each.text == "" {
			if each.what == "force" || each.what == "reset" {
				return nil, wrong("%s is not there", each.what)
			}
			continue
		}
		_, bound, err := bind(each.text)
		if err != nil {
			return nil, wrong("%s: %v", each.what, err)
		}
		for _, n := range each.wanted {
			if !slices.Contains(bound, n) {
				return nil, wrong("%s has no :%s: it would be of everybody", each.what, n)
			}
		}
		if first := strings.ToUpper(strings.Fields(each.text)[0]); (each.what == "same") != (first == "SELECT" || first == "WITH") {
			return nil, wrong("%s begins with %s", each.what, first)
		}
	}
	return &s, nil
}

// bind writes a statement for both engines: each :name becomes a $N, texts, names and comments stay. One statement is one: a semicolon is
// none.
func bind(text string) (out string, bound []string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); {
		rest := text[i:]
		skip := 0
		switch {
		case rest[0] == '\'' || rest[0] == '"':
			end := strings.IndexByte(rest[1:], rest[0])
			if end < 0 {
				return "", nil, errors.New("a text that does not end")
			}
			skip = end + 2
		case strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*"):
			return "", nil, errors.New("comments stand outside the statement")
		case strings.HasPrefix(rest, "::"):
			skip = 2
		case rest[0] == ';' || rest[0] == '$' || rest[0] == '?' || rest[0] == '@' || rest[0] == '\\':
			return "", nil, fmt.Errorf("%q has no place in it", rest[0])
		case rest[0] == ':':
			n := 1
			for n < len(rest) && (rest[n] >= 'a' && rest[n] <= 'z' || rest[n] == '_') {
				n++
			}
			name := rest[1:n]
			if _, ok := names[name]; !ok {
				return "", nil, fmt.Errorf("there is no :%s; there are :%s", name, strings.Join(slices.Sorted(maps.Keys(names)), ", :"))
			}
			at := slices.Index(bound, name)
			if at < 0 {
				at, bound = len(bound), append(bound, name)
			}
			fmt.Fprintf(&b, "$%d", at+1)
			i += n
			continue
		default:
			skip = 1
		}
		b.WriteString(rest[:skip])
		i += skip
	}
	return b.String(), bound, nil
}

// SQL is a database with accounts.
type SQL struct {
	db   *sql.DB
	s    *Statements
	lite bool
	now  func() time.Time
}

// NewSQL opens one: postgres://... or sqlite:PATH of a file that is there.
func NewSQL(url string, s *Statements) (*SQL, error) {
	out := &SQL{s: s, now: time.Now}
	path, lite := strings.CutPrefix(url, "sqlite:")
	if lite {
		db, err := sql.Open("sqlite", "file:"+path+"?mode=rw&_busy_timeout=10000&_txlock=immediate&_dqs=0")
		if err != nil {
			return nil, fmt.Errorf("%w: the database cannot be opened", ErrSettings)
		}
		db.SetMaxOpenConns(1)
		out.db, out.lite = db, true
		return out, nil
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%w: that is no address of a database", ErrSettings) // err may have the password
	}
	config.RuntimeParams["application_name"] = "shirase reset"
	out.db = stdlib.OpenDB(*config)
	out.db.SetMaxOpenConns(16)
	return out, nil
}

// Close lets the database go.
func (c *SQL) Close() error { return c.db.Close() }

// Force puts the hash of a password that nobody knows in the place of the old one.
func (c *SQL) Force(ctx context.Context, o Order) (Outcome, error) {
	return c.change(ctx, o, c.s.Force, unusable(c.s.Hash))
}

// Reset puts the hash of the new password in the place of the old one.
func (c *SQL) Reset(ctx context.Context, o Order, password string) (Outcome, error) {
	h, err := hash(c.s.Hash, password)
	if err != nil {
		return Outcome{}, err
	}
	return c.change(ctx, o, c.s.Reset, h)
}

// change does both statements in one transaction: an account whose password is another and whose sessions go on is none that was reset.
func (c *SQL) change(ctx context.Context, o Order, text, h string) (Outcome, error) {
	args := map[string]any{"account": o.Account, "hash": h, "now": c.now().UTC().Format(time.RFC3339), "order": o.ID}
	if err := outward.Check(ctx, "change an account"); err != nil {
		return Outcome{}, err
	}
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return Outcome{}, c.away(ctx, err)
	}
	defer tx.Rollback()
	n, err := c.exec(ctx, tx, text, args)
	if err != nil {
		return Outcome{}, c.away(ctx, err)
	}
	switch {
	case n == 0:
		return Outcome{}, ErrNoAccount
	case n != 1:
		return Outcome{}, fmt.Errorf("%w: the statement would change %d rows, and nothing was changed", ErrRefused, n)
	}
	out := Outcome{Refused: Yes, Ended: Nothing}
	if c.s.Sessions != "" {
		if _, err := c.exec(ctx, tx, c.s.Sessions, args); err != nil {
			return Outcome{}, c.away(ctx, err)
		}
		out.Ended = Yes
	}
	if err := tx.Commit(); err != nil {
		return Outcome{}, c.away(ctx, err)
	}
	return out, nil
}

func (c *SQL) exec(ctx context.Context, tx *sql.Tx, text string, args map[string]any) (int64, error) {
	query, values, err := bound(text, args)
	if err != nil {
		return 0, err
	}
	res, err := tx.ExecContext(ctx, query, values...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func bound(text string, args map[string]any) (string, []any, error) {
	query, list, err := bind(text)
	var values []any
	for _, n := range list {
		values = append(values, args[n])
	}
	return query, values, err
}

// Same holds a password against the hashes that the database gives.
func (c *SQL) Same(ctx context.Context, account, password string) (same, known bool, err error) {
	if c.s.Same == "" {
		return false, false, nil
	}
	query, values, err := bound(c.s.Same, map[string]any{"account": account, "now": c.now().UTC().Format(time.RFC3339)})
	if err != nil {
		return false, false, err
	}
	if err := outward.Check(ctx, "ask the database of accounts"); err != nil {
		return false, false, err
	}
	rows, err := c.db.QueryContext(ctx, query, values...)
	if err != nil {
		return false, false, c.away(ctx, err)
	}
	defer rows.Close()
	for n := 0; rows.Next() && n < 10; n++ {
		var stored sql.NullString
		if err := rows.Scan(&stored); err != nil {
			return false, false, errors.New("the statement same gives something that is no hash")
		}
		is, ok := matches(stored.String, password)
		known = known || ok
		if is {
			return true, true, nil
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return false, false, c.away(ctx, err)
	}
	return false, known, nil
}

// Again has nothing to look at: what was committed is so.
func (c *SQL) Again(context.Context, Order) (Outcome, error) {
	return Outcome{Refused: Yes, Ended: Yes}, nil
}

// Describe gives the statements, word for word, and their hash.
func (c *SQL) Describe() []byte {
	text := fmt.Sprintf("hash: %s\nforce: %s\nreset: %s\nsessions: %s\nsame: %s", c.s.Hash, c.s.Force, c.s.Reset, c.s.Sessions, c.s.Same)
	return fmt.Appendf(nil, "sql %x\n%s", sha256.Sum256([]byte(text)), text)
}

// away tells a database that is away from one that refuses. What it says may have values in it, and is not repeated.
func (c *SQL) away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var said interface{ SQLState() string }
	if errors.As(err, &said) {
		switch state := said.SQLState(); {
		case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "57"), strings.HasPrefix(state, "53"), strings.HasPrefix(state, "28"), strings.HasPrefix(state, "42"):
			return fmt.Errorf("%w: the database answers %s", ErrAway, state) // what is wrong with the statement is wrong for everybody
		case strings.HasPrefix(state, "23"), strings.HasPrefix(state, "22"):
			return fmt.Errorf("%w: the database answers %s", ErrRefused, state)
		default:
			return fmt.Errorf("the database answers %s", state)
		}
	}
	return fmt.Errorf("%w: the database cannot be reached, or does not take the statement", ErrAway)
}
