package logins

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A Format is how a log's lines are written.
type Format string

const (
	JSONLines Format = "jsonl"    // an object a line; a member of a member is named with a dot
	CSV       Format = "csv"      // a header, then a record a line: commas, semicolons or tabs
	Combined  Format = "combined" // the combined log format of web servers
)

// A Reason is why a line could not be read.
type Reason string

const (
	tooLong    Reason = "too-long"    // longer than maxLine
	notText    Reason = "not-utf-8"   // what stands in a field that is wanted
	notALine   Reason = "not-a-line"  // no object, no record of the header's columns, not the combined format
	badTime    Reason = "time"        // there is none, or it cannot be read
	badZone    Reason = "time-zone"   // it has no zone, and none was stated
	noAccount  Reason = "account"     // there is none, or it is too long
	badOutcome Reason = "outcome"     // neither a success nor a failure
	badAddress Reason = "address"     // not an address of the internet
	splitLine  Reason = "open-quotes" // a record that goes on in the next line
)

// Columns are the fields of a log. What is empty is found by its usual names; "-" says that there is none.
type Columns struct{ Time, Account, Address, Agent, Outcome string }

const (
	maxLine    = 1 << 20
	maxAccount = 1000
	maxAgent   = 512 // what is longer is cut
)

// The fields that are read, in the order of names.
const (
	fTime = iota
	fAccount
	fAddress
	fAgent
	fOutcome
	fields
)

// usual are names that logs have for a field, in small letters.
var usual = [fields][]string{
	fTime:    {"time", "timestamp", "@timestamp", "ts", "date", "datetime", "logged_at", "created_at", "at", "日時", "ログイン日時"},
	fAccount: {"account", "account_id", "accountid", "user_id", "userid", "user", "username", "login", "login_id", "loginid", "member_id", "email", "mail", "user.id", "user.name", "sub", "会員番号", "会員id", "ユーザーid", "メールアドレス"},
	fAddress: {"ip", "ip_address", "ipaddress", "remote_addr", "client_ip", "clientip", "source_ip", "src_ip", "address", "addr", "source.ip", "client.ip", "ipアドレス", "接続元"},
	fAgent:   {"user_agent", "useragent", "agent", "ua", "http_user_agent", "user_agent.original", "ユーザーエージェント"},
	fOutcome: {"outcome", "result", "status", "success", "event.outcome", "結果"},
}

// FieldNames are what the fields are called on the command line.
var FieldNames = [fields]string{"time", "account", "address", "agent", "outcome"}

func (c Columns) list() [fields]string {
	return [fields]string{c.Time, c.Account, c.Address, c.Agent, c.Outcome}
}

// find gives the place of each field among a log's columns, -1 for none; missing names the fields that cannot be done without.
func (c Columns) find(columns []string) (at [fields]int, missing []string) {
	stated := c.list()
	for f := range fields {
		at[f] = -1
		names := usual[f]
		if stated[f] == "-" {
			continue
		}
		if stated[f] != "" {
			names = []string{stated[f]}
		}
	search:
		for _, name := range names {
			for i, c := range columns {
				if c == name || stated[f] == "" && strings.EqualFold(c, name) {
					at[f] = i
					break search
				}
			}
		}
		if at[f] < 0 && (f == fTime || f == fAccount || f == fOutcome || stated[f] != "") {
			missing = append(missing, FieldNames[f])
		}
	}
	return at, missing
}

// An event is one login, or an attempt at one.
type event struct {
	at      time.Time
	account []byte
	address netip.Addr // zero: the log does not say
	agent   []byte
	ok      bool
}

// A parser reads the lines of one log. It is used by one goroutine.
type parser struct {
	format  Format
	columns []string
	at      [fields]int
	where   map[string]string
	zone    *time.Location
	words   map[string]bool // outcomes, in small letters
	comma   byte

	values [][]byte // of columns
	text   []byte   // what they are slices of, where they are no slices of the line
	path   []byte
	in     bytes.Reader
	dec    jsontext.Decoder
	index  map[string]int
}

func (p *parser) fork() *parser {
	q := &parser{format: p.format, columns: p.columns, at: p.at, where: p.where, zone: p.zone, words: p.words, comma: p.comma, index: p.index}
	q.values = make([][]byte, len(p.columns))
	return q
}

// line reads one line; other says that it is no login, as where says. An event is good until the next line.
func (p *parser) line(b []byte, e *event) (other bool, problem Reason) {
	*e = event{}
	if len(b) > maxLine {
		return false, tooLong
	}
	if p.format == Combined {
		return p.combined(b, e)
	}
	clear(p.values)
	p.text = p.text[:0]
	if p.format == JSONLines {
		problem = p.object(b)
	} else {
		problem = p.record(b)
	}
	if problem != "" {
		return false, problem
	}
	for name, want := range p.where {
		i, ok := p.index[name]
		if !ok || string(p.values[i]) != want {
			return true, ""
		}
	}
	return false, p.event(e)
}

func (p *parser) value(f int) []byte {
	if p.at[f] < 0 {
		return nil
	}
	return bytes.TrimSpace(p.values[p.at[f]])
}

func (p *parser) event(e *event) Reason {
	var problem Reason
	if e.at, problem = p.time(p.value(fTime)); problem != "" {
		return problem
	}
	if problem = e.of(p.value(fAccount)); problem != "" {
		return problem
	}
	var known bool
	if e.ok, known = p.words[strings.ToLower(string(p.value(fOutcome)))]; !known {
		return badOutcome
	}
	if a := p.value(fAddress); len(a) > 0 {
		if e.address, known = address(string(a)); !known {
			return badAddress
		}
	}
	e.agent = p.value(fAgent)
	if len(e.agent) > maxAgent {
		e.agent = e.agent[:maxAgent]
	}
	return ""
}

func (e *event) of(account []byte) Reason {
	switch {
	case len(account) == 0 || len(account) > maxAccount:
		return noAccount
	case !utf8.Valid(account):
		return notText
	}
	e.account = account
	return ""
}

// address reads an address of the internet, with a port or without, and of several that proxies added the first.
func address(s string) (netip.Addr, bool) {
	s, _, _ = strings.Cut(s, ",")
	s = strings.TrimSpace(s)
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		port, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = port.Addr()
	}
	return a.Unmap().WithZone(""), true
}

// layouts are times without a zone, as logs write them.
var layouts = []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006/01/02 15:04:05", "2006-01-02T15:04", "2006/01/02 15:04"}

// zoned are times with one, beside RFC 3339.
var zoned = []string{"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02T15:04:05-0700", "2006/01/02 15:04:05 -0700", time.RFC1123Z, "02/Jan/2006:15:04:05 -0700"}

// time reads RFC 3339, seconds or milliseconds since 1970, and what else logs write.
func (p *parser) time(b []byte) (time.Time, Reason) {
	s := string(b)
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return sane(t)
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil && n == n { // a year alone would be 1970, and is refused below
		if n > 1e11 {
			n /= 1000
		}
		if n < 1e8 || n > 1e11 {
			return time.Time{}, badTime
		}
		return sane(time.Unix(int64(n), int64((n-float64(int64(n)))*1e9)))
	}
	for _, l := range zoned {
		if t, err := time.Parse(l, s); err == nil {
			return sane(t)
		}
	}
	for _, l := range layouts {
		if t, err := time.Parse(l, s); err == nil {
			if p.zone == nil {
				return time.Time{}, badZone
			}
			return sane(time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), p.zone))
		}
	}
	return time.Time{}, badTime
}

// sane keeps times in the years that 64 bits of nanoseconds hold, and after 1970: earlier ones sort wrongly, and are nobody's login.
func sane(t time.Time) (time.Time, Reason) {
	if y := t.Year(); y < 1971 || y > 2200 {
		return time.Time{}, badTime
	}
	return t.UTC(), ""
}

// object sets values from a JSON object; those of an object in it are named with a dot. Of a name that stands twice nothing is believed.
func (p *parser) object(b []byte) Reason {
	p.in.Reset(b)
	p.dec.Reset(&p.in)
	p.path = p.path[:0]
	if p.dec.PeekKind() != '{' {
		return notALine
	}
	if problem := p.members(0, p.set); problem != "" {
		return problem
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return notALine
	}
	return ""
}

// members reads an object whose name so far is path.
func (p *parser) members(depth int, set func(name []byte, v jsontext.Value) Reason) Reason {
	if _, err := p.dec.ReadToken(); err != nil {
		return notALine
	}
	before := len(p.path)
	for {
		kind := p.dec.PeekKind()
		if kind == '}' {
			p.dec.ReadToken()
			p.path = p.path[:before]
			return ""
		}
		raw, err := p.dec.ReadValue()
		if err != nil {
			return notALine
		}
		p.path = p.path[:before]
		if before > 0 {
			p.path = append(p.path, '.')
		}
		if p.path, err = jsontext.AppendUnquote(p.path, raw); err != nil {
			return notALine
		}
		if p.dec.PeekKind() == '{' && depth < 4 {
			if problem := p.members(depth+1, set); problem != "" {
				return problem
			}
			continue
		}
		v, err := p.dec.ReadValue()
		if err != nil {
			return notALine
		}
		if problem := set(p.path, v); problem != "" {
			return problem
		}
	}
}

func (p *parser) set(name []byte, v jsontext.Value) Reason {
	i, ok := p.index[string(name)]
	if !ok {
		return ""
	}
	switch v.Kind() {
	case '"':
		if inner := v[1 : len(v)-1]; bytes.IndexByte(inner, '\\') < 0 { // as nearly all are
			p.values[i] = p.keep(inner)
			return ""
		}
		from := len(p.text)
		var err error
		if p.text, err = jsontext.AppendUnquote(p.text, v); err != nil {
			return notALine
		}
		p.values[i] = p.text[from:len(p.text):len(p.text)]
	case '0', 't', 'f':
		p.values[i] = p.keep(v)
	}
	return ""
}

func (p *parser) keep(b []byte) []byte {
	from := len(p.text)
	p.text = append(p.text, b...)
	return p.text[from:len(p.text):len(p.text)]
}

// record sets values from a record in one line (RFC 4180, with what parts the columns as the header has it).
func (p *parser) record(b []byte) Reason {
	b = bytes.TrimSuffix(b, []byte{'\r'})
	n, problem := p.cut(b, func(i int, v []byte) {
		if i < len(p.values) {
			p.values[i] = v
		}
	})
	if problem == "" && n != len(p.columns) {
		return notALine
	}
	return problem
}

// cut gives each field of a record, and how many there are.
func (p *parser) cut(b []byte, field func(i int, v []byte)) (n int, problem Reason) {
	for {
		if len(b) == 0 || b[0] != '"' {
			v, rest, more := bytes.Cut(b, []byte{p.comma})
			if bytes.IndexByte(v, '"') >= 0 {
				return n, notALine
			}
			field(n, v)
			if n++; !more {
				return n, ""
			}
			b = rest
			continue
		}
		from := len(p.text)
		b = b[1:]
		for {
			q := bytes.IndexByte(b, '"')
			if q < 0 {
				return n, splitLine
			}
			p.text = append(p.text, b[:q]...)
			b = b[q+1:]
			if len(b) == 0 || b[0] != '"' {
				break
			}
			p.text = append(p.text, '"')
			b = b[1:]
		}
		field(n, p.text[from:len(p.text):len(p.text)])
		n++
		switch {
		case len(b) == 0:
			return n, ""
		case b[0] != p.comma:
			return n, notALine
		}
		b = b[1:]
	}
}

// combined reads a line of the combined log format: who signed in is its third field, and what the server answered is the outcome. A request that
// nobody signed in for is something else.
func (p *parser) combined(b []byte, e *event) (other bool, problem Reason) {
	b = bytes.TrimSuffix(b, []byte{'\r'})
	from, b, ok1 := bytes.Cut(b, []byte{' '})
	_, b, ok2 := bytes.Cut(b, []byte{' '})
	user, b, ok3 := bytes.Cut(b, []byte(" ["))
	at, b, ok4 := bytes.Cut(b, []byte("] \""))
	request, b, ok5 := quoted(b)
	b, ok6 := bytes.CutPrefix(b, []byte{' '})
	status, b, ok7 := bytes.Cut(b, []byte{' '})
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 {
		return false, notALine
	}
	if string(user) == "-" || len(user) == 0 || !p.asked(request) {
		return true, ""
	}
	if _, b, ok1 = bytes.Cut(b, []byte(" \"")); ok1 { // the referrer
		if _, b, ok1 = quoted(b); ok1 {
			if b, ok1 = bytes.CutPrefix(b, []byte(" \"")); ok1 {
				if e.agent, _, ok1 = quoted(b); ok1 && string(e.agent) == "-" {
					e.agent = nil
				}
			}
		}
	}
	if !ok1 {
		return false, notALine
	}
	if len(e.agent) > maxAgent {
		e.agent = e.agent[:maxAgent]
	}
	var known bool
	if e.address, known = address(string(from)); !known {
		return false, badAddress
	}
	t, err := time.Parse("02/Jan/2006:15:04:05 -0700", string(at))
	if err != nil {
		return false, badTime
	}
	if e.at, problem = sane(t); problem != "" {
		return false, problem
	}
	code, err := strconv.Atoi(string(status))
	switch {
	case err != nil || code < 100 || code > 599:
		return false, badOutcome
	case code >= 500: // the server failed, and nobody signed in or was refused
		return true, ""
	}
	e.ok = code < 400
	return false, e.of(user)
}

// asked reports whether a request is one that where names: method and path, each where it is stated.
func (p *parser) asked(request []byte) bool {
	if len(p.where) == 0 {
		return true
	}
	method, rest, _ := bytes.Cut(request, []byte{' '})
	target, _, _ := bytes.Cut(rest, []byte{' '})
	path, _, _ := bytes.Cut(target, []byte{'?'})
	for name, want := range p.where {
		switch {
		case name == "method" && string(method) == want, name == "path" && string(path) == want:
		default:
			return false
		}
	}
	return true
}

// quoted gives what stands before the closing quotes, which a backslash keeps from being that.
func quoted(b []byte) (in, rest []byte, ok bool) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[:i], b[i+1:], true
		}
	}
	return nil, nil, false
}
