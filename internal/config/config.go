// Package config is what an instance is told, in two parts. What it *is* ([Instance]) was decided when it was made, lies
// in its data folder as shirase.json and is changed by commands. How it is *operated* ([Operation]) stands in one
// commented file, in environment variables and in flags, and may differ from process to process.
//
// Every setting is a [Key]: its name in the file and for `config set`, its environment variable, its flag, what it may
// hold, and what is said of it in the example file and the documentation. Of each value it is known where it came from.
// No key holds a secret: secrets are in files, which keys name.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"shirase/internal/serve"
)

// Settings are both parts, with the source of every value.
type Settings struct {
	Instance  Instance
	Operation Operation
	from      map[string]Source // by key; none: the default
}

// Operation is how a process is operated.
type Operation struct {
	Data      string // data folder
	Keys      string // folder of keys; "": the data folder's name with -keys
	Store     string // postgres:// URL of the database; "": SQLite in the data folder, or what StoreFile holds
	StoreFile string // file that holds such a URL
	// StorePasswordFile is a file that holds the password of the database's user.
	StorePasswordFile string
	Pool              Pool

	Listen   string // address and port
	URL      string // where people reach the instance, without a final slash; "": what a request was made to
	Domain   string // the name, as DNS has it, for which a certificate is had by ACME; "": none is
	Redirect string // address and port of plain HTTP that leads to URL; "": none
	ACME     ACME
	TLS      TLS
	Proxies  serve.Proxies
	Contacts []string // of security.txt
	// EvaluatorElsewhere has another process answer evaluations.
	EvaluatorElsewhere bool
	Passwords
	Staff    Staff
	Evidence Evidence
	Scope    Scope
	Collect  Collect
	Mail     Mail
	Returns  Returns
	DNS      DNS
	Campaign Campaign
	Watch    Watch
	Gate     Gate
	Reset    Reset
	Enquiry  Enquiry
	Limits   Limits
	Timeouts serve.Timeouts
	Log      Log
	Metrics  Metrics
	Alarms   Alarms
}

// Pool is how many connections to the database there are at most; 0 is what suits the engine.
type Pool struct{ Read, Write int }

// TLS names two PEM files; "" and "" serve plain HTTP.
type TLS struct{ CertificateFile, KeyFile string }

// ACME is how a certificate is had for Domain (RFC 8555).
type ACME struct {
	Contact   string // an address of mail, for the authority
	Directory string // URL of the authority's directory
	RootsFile string // PEM file by which the directory's own certificate is trusted; "": the system's
	Folder    string // of the certificate and its key; "": the data folder's name with -certificates
}

// Staff is how people who work here sign in.
type Staff struct {
	// Hold is how long a new approver waits before they can approve.
	Hold time.Duration
	OIDC OIDC
}

// OIDC is an identity provider that staff may sign in by.
type OIDC struct {
	Issuer     string // https URL; "": none
	ClientID   string
	SecretFile string // file that holds the client's secret
}

// Passwords is how the corpora of passwords are served.
type Passwords struct {
	MaxAge time.Duration // for which caches may answer a range
}

// Evidence bounds what is taken in of a case, in MiB. Spare is what stays free on the disk.
type Evidence struct{ Max, MaxCase, Spare int }

// Scope is how exports of accounts are taken in and read.
type Scope struct {
	Folder string // on this machine, exports in which staff may take in; "": none
	Rows   int    // the most of an export
}

// Collect is how pages of others are read.
type Collect struct {
	Allow []string      // addresses and ports that are asked although they are none of the public internet's
	Pause time.Duration // between two requests to one site
}

// Mail is how the staff is written to: mentions, approvals, what is overdue.
type Mail struct {
	Server       string // host and port; "": no mail is sent
	From         string
	User         string
	PasswordFile string
	Security     string // starttls, tls or none
	// Sending are the addresses from which the mail server sends into the world; none: its own.
	Sending []netip.Addr
	// DKIM are selectors of the keys that mail is signed with, at From's domain.
	DKIM []string
}

// Returns is where mail comes back to, and how it is taken in.
type Returns struct {
	Address string // with a + and a token before its @; "": nothing comes back
	Listen  string // address and port; "": nothing is listened for
	LMTP    bool   // and not SMTP
}

// DNS is who is asked; "": whom the system asks.
type DNS struct{ Server string }

// Campaign is by whom the mails to those affected go out.
type Campaign struct {
	Relays       []string // hosts and ports, the first that works; none: no campaign is sent
	User         string
	PasswordFile string
	Security     string // starttls, tls or none
	RelaySigns   bool   // and nothing is signed here
	Connections  int    // at once
}

// Watch is how people are told who asked for it.
type Watch struct {
	PerSecond int  // mails
	Domains   bool // domains' owners are shown their affected addresses
}

// Gate is what stands behind the gate.
type Gate struct {
	File string // of routes; "": only accounts can be held
}

// Reset is where accounts are, and how people choose a new password.
type Reset struct {
	Connector          string // none, webhook, sql, ldap, ad or kratos
	URL                string
	SecretFile         string
	Statements         string // file of what is done in a database
	User, Base, Filter string // of a directory
	RootsFile          string // PEM file by which a directory's certificate is trusted; "": the system's
	MustChange         bool
	Sessions           string // URL of a webhook that ends sessions
	SessionsSecretFile string
	MinLength          int      // characters of a password
	Returns            []string // addresses to which people may be led back
	LinkLife           time.Duration
	Steps              []string // by which people without their mailbox are recognised: "what is done: class class"
	Connections        int
}

// Enquiry is how people who ask are answered.
type Enquiry struct {
	Address string        // by which they write, with a + and a token before its @; "": mail is not taken
	Within  time.Duration // in which they are to be answered
	Keep    time.Duration // for which what was answered is kept
	Staff   int           // who answer calls at once; 0: nobody has said
}

// Limits are what networks may ask for: of the check, counted in evaluated elements, and of the archive, in searches.
type Limits struct {
	Check, Archive serve.Limits
	Connections    int // at once; 0: what the limit of open files leaves room for
}

// Metrics is where figures are told; nowhere where neither Listen nor OTLP is set.
type Metrics struct {
	Listen         string        // address and port that Prometheus asks
	OTLP           string        // URL that they are pushed to by OpenTelemetry's protocol
	OTLPEvery      time.Duration // between two pushes
	OTLPHeaderFile string        // file of a header that goes with each, such as one that holds a token
}

// Alarms is who is told of what will go wrong. Nobody is where neither is set.
type Alarms struct {
	Webhook           string // URL
	WebhookSecretFile string
	MailTo            []string // by Mail
}

// Log is what is logged, and how.
type Log struct {
	JSON     bool
	Level    slog.Level
	Requests bool // a line a request
}

// Default gives the settings of which nothing is said.
func Default() *Settings {
	return &Settings{Instance: Instance{Region: "JP"}, Operation: Operation{
		Data:      "shirase-data",
		Listen:    "127.0.0.1:8311",
		ACME:      ACME{Directory: serve.LetsEncrypt},
		Passwords: Passwords{MaxAge: time.Hour},
		Staff:     Staff{Hold: time.Hour},
		Collect:   Collect{Pause: 5 * time.Second},
		Evidence:  Evidence{Max: 8 << 10, MaxCase: 100 << 10, Spare: 1 << 10},
		Scope:     Scope{Rows: 1_000_000_000},
		Mail:      Mail{Security: "starttls"},
		Returns:   Returns{LMTP: true},
		Campaign:  Campaign{Security: "starttls", Connections: 8},
		Watch:     Watch{PerSecond: 20},
		Reset:     Reset{Connector: "none", MinLength: 15, LinkLife: time.Hour, Connections: 16},
		Enquiry:   Enquiry{Within: 72 * time.Hour, Keep: 365 * 24 * time.Hour},
		Limits:    Limits{Check: serve.DefaultLimits, Archive: serve.DefaultLimits},
		Timeouts:  serve.DefaultTimeouts,
		Metrics:   Metrics{OTLPEvery: time.Minute},
	}, from: map[string]Source{}}
}

// Source is where a value comes from. Sources are ordered: a later one has the last word.
type Source struct {
	Kind Kind
	At   string // of a file path and line, of the environment and of flags the name
	line int    // of a file
}

// Kind is a kind of source.
type Kind string

// The kinds of sources, each above those before it.
const (
	FromDefault     Kind = "default"
	FromInstance    Kind = "instance" // shirase.json
	FromFile        Kind = "file"
	FromEnvironment Kind = "environment"
	FromFlag        Kind = "flag"
)

// From gives where the value of a key comes from.
func (s *Settings) From(key string) Source {
	if src, ok := s.from[key]; ok {
		return src
	}
	return Source{Kind: FromDefault}
}

// ErrMistake is what every mistake in settings is.
var ErrMistake = errors.New("the settings are not in order")

// Mistake is one thing that is wrong with settings.
type Mistake struct {
	At   string `json:"at"`            // path and line, environment variable or flag
	Key  string `json:"key,omitempty"` // the setting that it is about; "" where it is the file as a whole
	What string `json:"what"`
	Hint string `json:"hint,omitempty"` // what to do about it
	line int    // in the file; 0 where it is not there, or the file as a whole
}

func (m Mistake) Error() string { return m.At + ": " + m.What }

// Mistakes are all that is wrong with settings.
type Mistakes []Mistake

// Error names the first mistake, and how many there are.
func (m Mistakes) Error() string {
	switch len(m) {
	case 0:
		return "no mistakes"
	case 1:
		return m[0].Error()
	}
	return fmt.Sprintf("%v, and %d more", m[0], len(m)-1)
}

func (m Mistakes) Unwrap() error { return ErrMistake }

// orNil makes no mistakes no error, and puts those of a file into the order of its lines, before all others.
func (m Mistakes) orNil() error {
	if len(m) == 0 {
		return nil
	}
	slices.SortStableFunc(m, func(a, b Mistake) int {
		if (a.line == 0) != (b.line == 0) {
			return cmp.Compare(b.line, a.line)
		}
		return cmp.Compare(a.line, b.line)
	})
	return m
}

// KeysDir is the folder of keys.
func (o *Operation) KeysDir() string {
	if o.Keys != "" {
		return o.Keys
	}
	return filepath.Clean(o.Data) + "-keys"
}

// CertificatesDir is the folder of what is had by ACME.
func (o *Operation) CertificatesDir() string {
	if o.ACME.Folder != "" {
		return o.ACME.Folder
	}
	return filepath.Clean(o.Data) + "-certificates"
}

// follow sets what a domain decides, where nothing else is said: its URL, and the ports that browsers and authorities ask.
func (s *Settings) follow() {
	o := &s.Operation
	if o.Domain == "" {
		return
	}
	for key, set := range map[string]func(){
		"url": func() { o.URL = "https://" + o.Domain }, "listen": func() { o.Listen = ":443" }, "redirect": func() { o.Redirect = ":80" },
	} {
		if s.From(key).Kind == FromDefault {
			set()
			s.from[key] = Source{Kind: FromDefault, At: "of domain"}
		}
	}
}
