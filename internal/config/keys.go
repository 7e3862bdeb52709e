package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"shirase/internal/serve"
)

// Key is a setting.
type Key struct {
	Name     string // in the file, with a dot between a section and what is in it
	Instance bool   // it is of what the instance is, and not of how it is operated
	Flag     string // of serve, and of all commands; "" where there is none
	Form     string // what it may hold, in words that follow "is not"
	Help     string // what it is for, without a full stop at the end
	Question string // that init asks at a terminal; "" where it asks none
	Example  string // a value to show where there is no default
	Fixed    bool   // decided when the instance was made

	kind kind
	path bool // of a file or folder
	veil bool // it may hold a password where it must not, and is not repeated
	get  func(*Settings) []string
	set  func(*Settings, []string) error
	// shown is get for people, where another setting says what an empty one means; nil: get.
	shown func(*Settings) []string
}

// Env is the name of the key's environment variable; "" where there is none.
func (k Key) Env() string {
	if k.Instance {
		return ""
	}
	var b strings.Builder
	b.WriteString("SHIRASE_")
	for _, c := range k.Name {
		switch {
		case c == '.':
			b.WriteByte('_')
			continue
		case unicode.IsUpper(c):
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(c))
	}
	return b.String()
}

// List reports whether the key holds a list. As a flag it is given once for each, and elsewhere with commas between them.
func (k Key) List() bool { return k.kind == list }

// Path reports whether the key holds the path of a file or folder. In the file it is relative to the file's folder.
func (k Key) Path() bool { return k.path }

// Truth reports whether the key holds true or false.
func (k Key) Truth() bool { return k.kind == truth }

// Texts gives the key's values as texts: one, those of a list, or none where it is empty. A password is left out.
func (k Key) Texts(s *Settings) []string {
	texts := k.get(s)
	if k.shown != nil {
		texts = k.shown(s)
	}
	if k.veil && len(texts) == 1 {
		return []string{withoutPassword(texts[0])}
	}
	return texts
}

// Text gives the key's values as one text.
func (k Key) Text(s *Settings) string { return strings.Join(k.Texts(s), ", ") }

// Value gives the key's value for JSON: a text, a list of texts, a number or true or false.
func (k Key) Value(s *Settings) any {
	texts := k.Texts(s)
	switch {
	case k.kind == list && texts == nil:
		return []string{}
	case k.kind == list:
		return texts
	case k.kind == truth:
		return texts[0] == "true"
	case k.kind == count:
		var n int
		fmt.Sscan(texts[0], &n)
		return n
	}
	return strings.Join(texts, "")
}

// unveiled reports whether texts have a password in them that stands nowhere but in a file of its own.
func (k Key) unveiled(texts []string) bool { return k.veil && slices.ContainsFunc(texts, hasPassword) }

// Set gives the key a value, or says why it cannot have that one. An empty value takes back what was said before.
func (k Key) Set(s *Settings, texts ...string) error {
	if strings.Join(texts, "") == "" {
		texts = k.get(Default())
	}
	err := k.set(s, texts)
	switch {
	case !errors.Is(err, errForm):
		return err
	case k.veil:
		return fmt.Errorf("it is not %s", k.Form)
	}
	return fmt.Errorf("%q is not %s", clip(strings.Join(texts, "")), k.Form)
}

// Find gives the key of a name.
func Find(name string) (Key, bool) {
	for _, k := range Keys() {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// Keys gives every setting, in the order in which they are shown: first what an instance is, then how it is operated. They
// are not to be changed.
func Keys() []Key { return allKeys() }

var allKeys = sync.OnceValue(func() []Key { return append(instanceKeys(), operationKeys()...) })

func instanceKeys() []Key {
	keys := []Key{
		words(Key{Name: "operator.ja", Flag: "operator-ja", Form: "a name on one line, such as 株式会社例示",
			Help: "who runs this site and answers for its notices, in Japanese", Question: "Your organisation's name, in Japanese"},
			func(s *Settings) *string { return &s.Instance.Operator.JA }, plainName),
		words(Key{Name: "operator.en", Flag: "operator-en", Form: "a name on one line, such as Example Inc.",
			Help: "the same in English", Question: "The same in English"},
			func(s *Settings) *string { return &s.Instance.Operator.EN }, plainName),
		words(Key{Name: "contact", Flag: "contact", Form: "like mailto:desk@example.org or https://example.org/contact",
			Help: "where questions, corrections and replies go", Question: "Where questions and corrections go (mailto:... or https://...)"},
			func(s *Settings) *string { return &s.Instance.Contact }, contactAddress),
		words(Key{Name: "imprint", Flag: "imprint", Form: "like https://example.org/about",
			Help:     "a page of your own site that says who you are and names this address, so that nobody takes it for a trick",
			Question: "A page of your own site that says who you are (https://...)"},
			func(s *Settings) *string { return &s.Instance.Imprint }, webAddress),
		words(Key{Name: "privacy", Flag: "privacy", Form: "like https://example.org/privacy",
			Help: "the page of your privacy policy", Question: "Your privacy policy (https://...)"},
			func(s *Settings) *string { return &s.Instance.Privacy }, webAddress),
		words(Key{Name: "phone-region", Flag: "phone-region", Form: "two capital letters, such as JP", Fixed: true,
			Help: "country by which phone numbers without + are read"},
			func(s *Settings) *string { return &s.Instance.Region }, regionCode),
		words(Key{Name: "engine", Form: "sqlite or postgres", Fixed: true, Help: "the database's engine"},
			func(s *Settings) *string { return &s.Instance.Engine }, func(string) bool { return true }),
	}
	for i := range keys {
		keys[i].Instance = true
	}
	return keys
}

// passwordAge is for how long ranges of passwords may be cached at most: as long as Pwned Passwords say.
const passwordAge = 31 * 24 * time.Hour

func operationKeys() []Key {
	at := func(of func(o *Operation) *string) func(*Settings) *string {
		return func(s *Settings) *string { return of(&s.Operation) }
	}
	keys := []Key{
		path(Key{Name: "data", Flag: "data", Example: "/var/lib/shirase", Help: "data folder; not in a file that lies in it"},
			at(func(o *Operation) *string { return &o.Data })),
		path(Key{Name: "keys", Flag: "keys", Example: "/var/lib/shirase-keys", Help: "folder of keys (default: the data folder's name with -keys)",
			shown: func(s *Settings) []string { return []string{s.Operation.KeysDir()} }},
			at(func(o *Operation) *string { return &o.Keys })),
		words(Key{Name: "store", Flag: "store", Form: "like postgres://USER@HOST/NAME", Example: "postgres://shirase@db.example.org/shirase", veil: true,
			Help: "URL of a PostgreSQL database, without a password; none: SQLite in the data folder"},
			at(func(o *Operation) *string { return &o.Store }), databaseURL),
		path(Key{Name: "storeFile", Example: "/run/secrets/shirase-store", Help: "file that holds such a URL, which may have a password in it, in the place of store"},
			at(func(o *Operation) *string { return &o.StoreFile })),
		path(Key{Name: "storePasswordFile", Example: "/run/secrets/shirase-store-password", Help: "file that holds the password of the database's user"},
			at(func(o *Operation) *string { return &o.StorePasswordFile })),
		number(Key{Name: "pool.read", Form: poolForm, Help: "connections to the database that read, at most; 0: 8 with SQLite and 16 with PostgreSQL"},
			func(s *Settings) *int { return &s.Operation.Pool.Read }, 0, maxPool),
		number(Key{Name: "pool.write", Form: poolForm, Help: "connections to PostgreSQL that write, at most; 0: 16. SQLite has one"},
			func(s *Settings) *int { return &s.Operation.Pool.Write }, 0, maxPool),
		words(Key{Name: "listen", Flag: "listen", Form: "an address and a port, such as 127.0.0.1:8311", Help: "address to serve on"},
			at(func(o *Operation) *string { return &o.Listen }), listenAddress),
		one(Key{Name: "url", Flag: "url", Form: "like https://notice.example.org", Example: "https://notice.example.org",
			Help: "where people reach this instance, as notices, feeds and pages say it"}, text,
			at(func(o *Operation) *string { return &o.URL }), func(s string) (string, error) {
				if s != "" && !instanceAddress(s) {
					return "", errForm
				}
				return strings.TrimRight(s, "/"), nil
			}, func(s string) string { return s }),
		one(Key{Name: "domain", Flag: "domain", Form: "a name such as notice.example.org", Example: "notice.example.org",
			Help: "name of this server: a certificate is had for it by ACME and renewed, url is https:// and it, listen :443, redirect :80"}, text,
			at(func(o *Operation) *string { return &o.Domain }), domainName, func(s string) string { return s }),
		words(Key{Name: "redirect", Flag: "redirect", Form: "an address and a port, such as :80", Example: ":80",
			Help: "address on which plain HTTP is answered by leading to url, and with a domain the authority too"},
			at(func(o *Operation) *string { return &o.Redirect }), listenAddress),
		words(Key{Name: "acme.contact", Flag: "acme-contact", Form: "an address of mail", Example: "admin@example.org",
			Help: "address of mail that the authority of the certificate is told"},
			at(func(o *Operation) *string { return &o.ACME.Contact }), mailAddress),
		words(Key{Name: "acme.directory", Flag: "acme-directory", Form: "like https://acme.example.org/directory",
			Help: "address of the authority's directory; whoever uses it accepts its terms"},
			at(func(o *Operation) *string { return &o.ACME.Directory }), webAddress),
		path(Key{Name: "acme.rootsFile", Flag: "acme-roots", Example: "/etc/ssl/certs/internal-ca.pem",
			Help: "PEM file of the certificates by which an authority of your own is trusted"},
			at(func(o *Operation) *string { return &o.ACME.RootsFile })),
		path(Key{Name: "acme.folder", Example: "/var/lib/shirase/certificates", Help: "folder of the certificate and its key (default: the data folder's name with -certificates)",
			shown: func(s *Settings) []string { return []string{s.Operation.CertificatesDir()} }},
			at(func(o *Operation) *string { return &o.ACME.Folder })),
		path(Key{Name: "tls.certificateFile", Flag: "tls-certificate", Example: "/etc/ssl/notice.example.org.pem",
			Help: "PEM file of the certificates to serve TLS with, the server's own first; taken up anew when it changes"},
			at(func(o *Operation) *string { return &o.TLS.CertificateFile })),
		path(Key{Name: "tls.keyFile", Flag: "tls-key", Example: "/etc/ssl/private/notice.example.org.pem", Help: "PEM file of the key that belongs to them"},
			at(func(o *Operation) *string { return &o.TLS.KeyFile })),
		several(Key{Name: "trustedProxies", Flag: "trusted-proxy", Form: "an address or a network, such as 127.0.0.1 or 10.0.0.0/8", Example: "[127.0.0.1]",
			Help: "address or network of a proxy whose X-Forwarded-For and X-Forwarded-Proto are believed"},
			func(s *Settings) *[]netip.Prefix { return (*[]netip.Prefix)(&s.Operation.Proxies) }, parseProxy, formatProxy),
		several(Key{Name: "securityContacts", Flag: "security-contact", Form: "an address of mail, or an https or tel URL", Example: "[security@example.org]",
			Help: "whom to tell of a weakness, in /.well-known/security.txt: an address of mail, or an https or tel URL"},
			func(s *Settings) *[]string { return &s.Operation.Contacts }, securityContact, func(s string) string { return s }),
		boolean(Key{Name: "evaluatorElsewhere", Flag: "evaluator-elsewhere", Help: "answer no evaluations: a proxy leads /check/v1/evaluate to a shirase serve evaluator"},
			func(s *Settings) *bool { return &s.Operation.EvaluatorElsewhere }),
		duration(Key{Name: "passwords.maxAge", Flag: "password-max-age", Form: "a time from 1s to 744h, such as 90m",
			Help: "for how long caches may answer a range of breached passwords, up to 744h as Pwned Passwords say; a cache does not know what was imported since"},
			func(s *Settings) *time.Duration { return &s.Operation.Passwords.MaxAge }, time.Second, passwordAge),
		duration(Key{Name: "staff.hold", Form: "a time from 1h to 720h, such as 12h",
			Help: "how long a new approver waits before they can approve, so that the others see them first; an hour at least"},
			func(s *Settings) *time.Duration { return &s.Operation.Staff.Hold }, time.Hour, 720*time.Hour),
		words(Key{Name: "staff.oidc.issuer", Form: "like https://login.example.org", Example: "https://login.example.org",
			Help: "identity provider that staff may sign in by, beside passkeys (OpenID Connect)"},
			at(func(o *Operation) *string { return &o.Staff.OIDC.Issuer }), webAddress),
		words(Key{Name: "staff.oidc.client", Form: "a name on one line, as the provider gave it", Example: "shirase",
			Help: "what the provider calls this instance"},
			at(func(o *Operation) *string { return &o.Staff.OIDC.ClientID }), plainName),
		path(Key{Name: "staff.oidc.secretFile", Example: "/run/secrets/shirase-oidc", Help: "file that holds the secret that the provider gave"},
			at(func(o *Operation) *string { return &o.Staff.OIDC.SecretFile })),
		number(Key{Name: "evidence.max", Form: "a number of MiB, such as 8192", Help: "the largest piece of evidence that a case takes in, in MiB"},
			func(s *Settings) *int { return &s.Operation.Evidence.Max }, 1, maxEvidence),
		number(Key{Name: "evidence.maxCase", Form: "a number of MiB, such as 102400", Help: "what all evidence of one case may come to, in MiB"},
			func(s *Settings) *int { return &s.Operation.Evidence.MaxCase }, 1, maxEvidence),
		number(Key{Name: "evidence.spare", Form: "a number of MiB, such as 1024", Help: "what is to stay free on the disk when evidence or an export is taken in, or read, in MiB"},
			func(s *Settings) *int { return &s.Operation.Evidence.Spare }, 0, maxEvidence),
		path(Key{Name: "scope.folder", Example: "/srv/exports", Help: "folder on this machine, exports of accounts in which staff may take into a case by name; none: they are uploaded"},
			at(func(o *Operation) *string { return &o.Scope.Folder })),
		number(Key{Name: "scope.maxRows", Form: "a number of rows, such as 1000000000", Help: "the most rows of an export that the console reads"},
			func(s *Settings) *int { return &s.Operation.Scope.Rows }, 1, 1<<30),
		several(Key{Name: "collect.allow", Form: "an address and a port, such as 10.1.2.3:8080", Example: "[10.1.2.3:8080]",
			Help: "addresses and ports on your own network, pages on which may be read as sources of disclosures; none: only the public internet is asked, on ports 80 and 443"},
			func(s *Settings) *[]string { return &s.Operation.Collect.Allow }, func(s string) (string, error) {
				a, err := netip.ParseAddrPort(s)
				if err != nil || a.Port() == 0 || a.Addr().Zone() != "" {
					return "", errForm
				}
				return a.String(), nil
			}, func(s string) string { return s }),
		duration(Key{Name: "collect.pause", Form: "a time such as 5s", Help: "how long a site is left alone between two of its pages that are read"},
			func(s *Settings) *time.Duration { return &s.Operation.Collect.Pause }, 0, 24*time.Hour),
		words(Key{Name: "mail.server", Form: "a host and a port, such as mail.example.org:587", Example: "mail.example.org:587",
			Help: "mail server by which the staff is told of mentions, approvals and what is overdue; none: nothing is mailed"},
			at(func(o *Operation) *string { return &o.Mail.Server }), listenAddress),
		words(Key{Name: "mail.from", Form: "an address of mail, such as shirase@example.org", Example: "shirase@example.org", Help: "the address that such mail comes from"},
			at(func(o *Operation) *string { return &o.Mail.From }), mailAddress),
		words(Key{Name: "mail.user", Form: "a user's name on one line", Example: "shirase", Help: "the mail server's user; none: it wants none"},
			at(func(o *Operation) *string { return &o.Mail.User }), plainName),
		path(Key{Name: "mail.passwordFile", Example: "/run/secrets/shirase-mail-password", Help: "file that holds that user's password"},
			at(func(o *Operation) *string { return &o.Mail.PasswordFile })),
		choice(Key{Name: "mail.security", Help: "how the connection to the mail server is encrypted: starttls, tls or none; none only for a server on this machine"},
			func(s *Settings) *string { return &s.Operation.Mail.Security }, []string{"starttls", "tls", "none"}, []string{"starttls", "tls", "none"}),
	}
	keys = append(keys, returnKeys(at)...)
	keys = append(keys, campaignKeys(at)...)
	keys = append(keys, path(Key{Name: "gate.file", Example: "/etc/shirase/routes.yaml",
		Help: "file of the routes that the gate can close, of what always passes, and of what is done where nothing can be decided; read when the server starts"},
		at(func(o *Operation) *string { return &o.Gate.File })))
	keys = append(keys, resetKeys(at)...)
	keys = append(keys, limitKeys("limits.check.", "evaluations of the check", func(l *Limits) *serve.Limits { return &l.Check })...)
	keys = append(keys, limitKeys("limits.archive.", "pages that have to be made, searches, and requests of the API", func(l *Limits) *serve.Limits { return &l.Archive })...)
	keys = append(keys, number(Key{Name: "limits.connections", Form: "a number of connections, such as 10000",
		Help: "connections at once, at most; 0: three quarters of the files that the process may have open, and no more than 16384"},
		func(s *Settings) *int { return &s.Operation.Limits.Connections }, 0, math.MaxInt32))
	for _, t := range []struct {
		name, help string
		of         func(*serve.Timeouts) *time.Duration
	}{
		{"header", "for a client to send a request's header", func(t *serve.Timeouts) *time.Duration { return &t.Header }},
		{"read", "for a client to send a request", func(t *serve.Timeouts) *time.Duration { return &t.Read }},
		{"write", "for an answer to be sent: a whole layer over a slow line takes minutes", func(t *serve.Timeouts) *time.Duration { return &t.Write }},
		{"stall", "for a client to take 4 KiB of an answer: whoever takes nothing is cut", func(t *serve.Timeouts) *time.Duration { return &t.Stall }},
		{"idle", "between two requests of a connection", func(t *serve.Timeouts) *time.Duration { return &t.Idle }},
		{"drain", "for requests that are under way when the server ends", func(t *serve.Timeouts) *time.Duration { return &t.Drain }},
	} {
		keys = append(keys, duration(Key{Name: "timeouts." + t.name, Form: "a time from 1ms to 24h, such as 30s or 5m", Help: "time " + t.help},
			func(s *Settings) *time.Duration { return t.of(&s.Operation.Timeouts) }, time.Millisecond, 24*time.Hour))
	}
	keys = append(keys, watchKeys(at)...)
	return append(keys,
		number(Key{Name: "watch.perSecond", Form: "a number of mails, such as 20", Help: "mails a second, at most, by which people are told who asked for it; 0: as quickly as the server takes them"},
			func(s *Settings) *int { return &s.Operation.Watch.PerSecond }, 0, 10_000),
		boolean(Key{Name: "watch.domains", Help: "show the affected addresses of a domain to whoever has proven that it is theirs; decide whether that is lawful for you first"},
			func(s *Settings) *bool { return &s.Operation.Watch.Domains }),
		choice(Key{Name: "log.format", Flag: "log-format", Help: "how lines of the log are written: text or json"},
			func(s *Settings) *bool { return &s.Operation.Log.JSON }, []string{"text", "json"}, []bool{false, true}),
		choice(Key{Name: "log.level", Flag: "log-level", Help: "the least of what is logged: info, warn or error"},
			func(s *Settings) *slog.Level { return &s.Operation.Log.Level }, levelNames, levels),
		boolean(Key{Name: "log.requests", Flag: "log-requests", Help: "log a line a request: route, status, size, time; no addresses"},
			func(s *Settings) *bool { return &s.Operation.Log.Requests }),
	)
}

// campaignKeys are of by whom the mails to those affected go out.
func campaignKeys(at func(of func(o *Operation) *string) func(*Settings) *string) []Key {
	return []Key{
		several(Key{Name: "campaign.relays", Form: "a host and a port, such as mail.example.org:587", Example: "[mail.example.org:587]",
			Help: "mail servers by which campaigns are sent, the first that works; none: no campaign is sent"},
			func(s *Settings) *[]string { return &s.Operation.Campaign.Relays }, func(s string) (string, error) {
				if !listenAddress(s) {
					return "", errForm
				}
				return s, nil
			}, func(s string) string { return s }),
		words(Key{Name: "campaign.user", Form: "a user's name on one line", Example: "shirase", Help: "these servers' user; none: they want none"},
			at(func(o *Operation) *string { return &o.Campaign.User }), plainName),
		path(Key{Name: "campaign.passwordFile", Example: "/run/secrets/shirase-campaign-password", Help: "file that holds that user's password"},
			at(func(o *Operation) *string { return &o.Campaign.PasswordFile })),
		choice(Key{Name: "campaign.security", Help: "how the connections to these servers are encrypted: starttls, tls or none; none only for a server on this machine"},
			func(s *Settings) *string { return &s.Operation.Campaign.Security }, []string{"starttls", "tls", "none"}, []string{"starttls", "tls", "none"}),
		boolean(Key{Name: "campaign.relaySigns", Help: "leave it to these servers to sign mails by DKIM; else they are signed here, with the keys of mail.dkim"},
			func(s *Settings) *bool { return &s.Operation.Campaign.RelaySigns }),
		number(Key{Name: "campaign.connections", Form: "a number of connections, such as 8", Help: "connections at once to the server that a campaign is sent by"},
			func(s *Settings) *int { return &s.Operation.Campaign.Connections }, 1, 100),
	}
}

// resetKeys are of where accounts are, and of how people choose a new password.
func resetKeys(at func(of func(o *Operation) *string) func(*Settings) *string) []Key {
	of := func(r func(o *Reset) *string) func(*Settings) *string {
		return at(func(o *Operation) *string { return r(&o.Reset) })
	}
	line := func(s string) bool { return len(s) <= 500 && !strings.ContainsFunc(s, unicode.IsControl) }
	connectors := []string{"webhook", "sql", "ldap", "ad", "kratos", "none"}
	return []Key{
		choice(Key{Name: "reset.connector", Help: "what the accounts are in whose passwords are reset: webhook (a program of one's own), sql, ldap, ad (Active Directory) or kratos; docs/CONNECTORS.md"},
			func(s *Settings) *string { return &s.Operation.Reset.Connector }, connectors, connectors),
		words(Key{Name: "reset.url", Form: "an address on one line", Example: "https://app.example.org/hooks/shirase",
			Help: "where it is: https://... of a webhook or of Kratos's admin API, ldaps://... of a directory; the address of a database stands in reset.secretFile, because it may hold a password"},
			of(func(r *Reset) *string { return &r.URL }), line),
		path(Key{Name: "reset.secretFile", Example: "/run/secrets/shirase-reset", Help: "file that holds the webhook's secret, the database's address, the password of reset.user, or Kratos's token"},
			of(func(r *Reset) *string { return &r.SecretFile })),
		path(Key{Name: "reset.statements", Example: "/etc/shirase/reset.yaml", Help: "file of the statements that are run in a database of accounts"},
			of(func(r *Reset) *string { return &r.Statements })),
		words(Key{Name: "reset.user", Form: "a name on one line", Example: "cn=shirase,dc=example,dc=org", Help: "name (DN) by which a directory is asked, which has to be allowed to set passwords"},
			of(func(r *Reset) *string { return &r.User }), line),
		words(Key{Name: "reset.base", Form: "a name on one line", Example: "ou=people,dc=example,dc=org", Help: "name (DN) below which a directory's accounts are"},
			of(func(r *Reset) *string { return &r.Base }), line),
		words(Key{Name: "reset.filter", Form: "a filter with one %s", Example: "(uid=%s)", Help: "how an account is found in a directory; %s is its id. None: by uid, and in Active Directory by sAMAccountName"},
			of(func(r *Reset) *string { return &r.Filter }), func(s string) bool { return line(s) && strings.Count(s, "%s") == 1 }),
		path(Key{Name: "reset.rootsFile", Example: "/etc/shirase/directory-ca.pem", Help: "file of certificates, PEM, by which that of a directory is trusted; none: those of the system"},
			of(func(r *Reset) *string { return &r.RootsFile })),
		boolean(Key{Name: "reset.mustChange", Help: "have the directory itself ask for a new password at the next login, too (pwdLastSet, pwdReset)"},
			func(s *Settings) *bool { return &s.Operation.Reset.MustChange }),
		words(Key{Name: "reset.sessions", Form: "an https address on one line", Example: "https://app.example.org/hooks/sessions", Help: "webhook that ends the sessions of an account whose password is in a directory or database; none: the connector does it, or says that it has none"},
			of(func(r *Reset) *string { return &r.Sessions }), webAddress),
		path(Key{Name: "reset.sessionsSecretFile", Example: "/run/secrets/shirase-sessions", Help: "file that holds that webhook's secret"},
			of(func(r *Reset) *string { return &r.SessionsSecretFile })),
		number(Key{Name: "reset.minLength", Form: "a number of characters from 8 to 64", Help: "characters of a new password, at least: 15 where it is all that is asked at login, 8 beside a second factor (NIST SP 800-63B-4)"},
			func(s *Settings) *int { return &s.Operation.Reset.MinLength }, 8, 64),
		several(Key{Name: "reset.returns", Form: "an https address such as https://app.example.org/login", Example: "[https://app.example.org/login]", Help: "addresses, with all below them, to which people may be led back after a reset; none: nowhere"},
			func(s *Settings) *[]string { return &s.Operation.Reset.Returns }, func(s string) (string, error) {
				if !webAddress(s) {
					return "", errForm
				}
				return s, nil
			}, func(s string) string { return s }),
		duration(Key{Name: "reset.linkLife", Form: "a time from 10m to 24h, such as 1h", Help: "for how long the link in a mail is good"},
			func(s *Settings) *time.Duration { return &s.Operation.Reset.LinkLife }, 10*time.Minute, 24*time.Hour),
		several(Key{Name: "reset.steps", Form: "what is done, a colon, and the data classes it rests on", Example: "['call back on the contract number: contract']",
			Help: "how staff recognises people who have lost their mailbox, with the data classes it rests on; one that rests on a class that was exposed is refused in that case"},
			func(s *Settings) *[]string { return &s.Operation.Reset.Steps }, func(s string) (string, error) {
				name, classes, ok := strings.Cut(s, ":")
				if !ok || strings.TrimSpace(name) == "" || strings.TrimSpace(classes) == "" || !line(s) {
					return "", errForm
				}
				return s, nil
			}, func(s string) string { return s }),
		number(Key{Name: "reset.connections", Form: "a number of connections, such as 16", Help: "accounts that the bulk reset asks about at once"},
			func(s *Settings) *int { return &s.Operation.Reset.Connections }, 1, 256),
	}
}

// watchKeys are of what tells how a server does.
func watchKeys(at func(of func(o *Operation) *string) func(*Settings) *string) []Key {
	return []Key{
		words(Key{Name: "metrics.listen", Form: "an address and a port, such as 127.0.0.1:9464", Example: "127.0.0.1:9464",
			Help: "address on which figures are told to Prometheus, under /metrics; none: nowhere. It is not for the public"},
			at(func(o *Operation) *string { return &o.Metrics.Listen }), listenAddress),
		words(Key{Name: "metrics.otlp", Form: "a URL with its path, such as http://127.0.0.1:4318/v1/metrics", Example: "http://127.0.0.1:4318/v1/metrics",
			Help: "where figures are pushed by OpenTelemetry's protocol over HTTP, path and all; none: nowhere"},
			at(func(o *Operation) *string { return &o.Metrics.OTLP }), receiverAddress),
		duration(Key{Name: "metrics.otlpEvery", Form: "a time from 1s to 24h, such as 30s", Help: "how often they are pushed, and once more at the end"},
			func(s *Settings) *time.Duration { return &s.Operation.Metrics.OTLPEvery }, time.Second, 24*time.Hour),
		path(Key{Name: "metrics.otlpHeaderFile", Example: "/run/secrets/shirase-otlp",
			Help: "file of a header that is sent along, NAME: VALUE on one line, such as Authorization: Bearer and a token"},
			at(func(o *Operation) *string { return &o.Metrics.OTLPHeaderFile })),
		words(Key{Name: "alarms.webhook", Form: "like https://alarms.example.org/shirase", Example: "https://alarms.example.org/shirase",
			Help: "where alarms are posted, as Standard Webhooks: before a statement expires, a disk fills or a certificate ends, and when a witness is silent"},
			at(func(o *Operation) *string { return &o.Alarms.Webhook }), webAddress),
		path(Key{Name: "alarms.webhookSecretFile", Example: "/run/secrets/shirase-webhook", Help: "file that holds the webhook's secret: whsec_ and the base64 of 24 to 64 random bytes"},
			at(func(o *Operation) *string { return &o.Alarms.WebhookSecretFile })),
		several(Key{Name: "alarms.mailTo", Form: "an address of mail", Example: "[ops@example.org]", Help: "to whom alarms are mailed, by mail.server"},
			func(s *Settings) *[]string { return &s.Operation.Alarms.MailTo }, func(s string) (string, error) {
				if !mailAddress(s) {
					return "", errForm
				}
				return s, nil
			}, func(s string) string { return s }),
	}
}

// returnKeys are of how mail for many people leaves, and of what comes back.
func returnKeys(at func(of func(o *Operation) *string) func(*Settings) *string) []Key {
	return []Key{
		several(Key{Name: "mail.sending", Form: "an address such as 192.0.2.1 or 2001:db8::1", Example: "[192.0.2.1]",
			Help: "the addresses from which the mail server sends into the world, which SPF and names in DNS are looked at for; none: its own"},
			func(s *Settings) *[]netip.Addr { return &s.Operation.Mail.Sending }, func(s string) (netip.Addr, error) {
				a, err := netip.ParseAddr(s)
				if err != nil || a.Zone() != "" {
					return a, errForm
				}
				return a.Unmap(), nil
			}, netip.Addr.String),
		several(Key{Name: "mail.dkim", Form: "a selector such as s2026", Example: "[s2026]",
			Help: "selectors of the DKIM keys that mail is signed with, at the domain that it is from; the key is dkim-SELECTOR.pem in the folder of keys. None: shirase-rsa and shirase-ed, which shirase campaign keys makes"},
			func(s *Settings) *[]string { return &s.Operation.Mail.DKIM }, func(s string) (string, error) {
				name, err := domainName(s + ".example.org")
				if err != nil || name != s+".example.org" {
					return "", errForm
				}
				return s, nil
			}, func(s string) string { return s }),
		words(Key{Name: "returns.address", Form: "an address of mail without a +, such as back@bounce.example.org", Example: "back@bounce.example.org",
			Help: "where mail to many people comes back to; each message leaves with a + and a token of its own before the @"},
			at(func(o *Operation) *string { return &o.Returns.Address }), func(s string) bool {
				local, _, _ := strings.Cut(s, "@")
				return mailAddress(s) && len(local) <= 16 && !strings.Contains(local, "+")
			}),
		words(Key{Name: "returns.listen", Form: "an address and a port, such as 127.0.0.1:2424", Example: "127.0.0.1:2424",
			Help: "address on which a mail system hands over what came back; none: it is read by shirase bounces ingest. It is not for the public"},
			at(func(o *Operation) *string { return &o.Returns.Listen }), listenAddress),
		choice(Key{Name: "returns.protocol", Help: "how it hands it over: lmtp or smtp"},
			func(s *Settings) *bool { return &s.Operation.Returns.LMTP }, []string{"lmtp", "smtp"}, []bool{true, false}),
		words(Key{Name: "enquiry.address", Form: "an address of mail without a +, such as support@example.org", Example: "support@example.org",
			Help: "by which people write about an incident; each thread has a + and a token of its own before the @. Mail to it is handed over at returns.listen. None: enquiries come by the form and by telephone"},
			at(func(o *Operation) *string { return &o.Enquiry.Address }), func(s string) bool {
				local, _, _ := strings.Cut(s, "@")
				return mailAddress(s) && len(local) <= 16 && !strings.Contains(local, "+")
			}),
		duration(Key{Name: "enquiry.within", Form: "a time from 1h to 2160h, such as 72h", Help: "in which somebody who asks is to be answered; later ones are shown as late"},
			func(s *Settings) *time.Duration { return &s.Operation.Enquiry.Within }, time.Hour, 90*24*time.Hour),
		duration(Key{Name: "enquiry.keep", Form: "a time from 1h to 87600h, such as 8760h", Help: "for how long who asked and what was written is kept after it was answered; it ends with the case's key in any event"},
			func(s *Settings) *time.Duration { return &s.Operation.Enquiry.Keep }, time.Hour, 10*365*24*time.Hour),
		number(Key{Name: "enquiry.staff", Form: "a number of people, such as 5", Help: "how many answer calls at once, by which a case's board says what callers expect; 0: nobody has said, and so the board says"},
			func(s *Settings) *int { return &s.Operation.Enquiry.Staff }, 0, 10_000),
		words(Key{Name: "dns.server", Form: "an address and a port, such as 127.0.0.1:53", Example: "127.0.0.1:53",
			Help: "DNS server that is asked before many mails are sent, and by shirase doctor; none: the one that the system asks"},
			at(func(o *Operation) *string { return &o.DNS.Server }), listenAddress),
	}
}

// mailAddress is an address and nothing beside it.
func mailAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s
}

// maxEvidence is a pebibyte, in MiB.
const maxEvidence = 1 << 30

const (
	maxPool  = 1000
	poolForm = "a number of connections, such as 16"
)

// limitKeys are those of one budget.
func limitKeys(section, of string, in func(*Limits) *serve.Limits) []Key {
	var keys []Key
	for _, l := range []struct {
		name, help string
		rate       func(*serve.Limits) *serve.Rate
	}{
		{"ipv4", of + " by one IPv4 network (/24)", func(l *serve.Limits) *serve.Rate { return &l.IPv4 }},
		{"ipv6", of + " by one IPv6 link (/64)", func(l *serve.Limits) *serve.Rate { return &l.IPv6 }},
		{"ipv6Home", of + " by one IPv6 home (/56)", func(l *serve.Limits) *serve.Rate { return &l.Home }},
		{"ipv6Site", of + " by one IPv6 site (/48)", func(l *serve.Limits) *serve.Rate { return &l.Site }},
		{"all", of + " by all together", func(l *serve.Limits) *serve.Rate { return &l.All }},
		{"ipv6All", of + " by all of IPv6 together", func(l *serve.Limits) *serve.Rate { return &l.All6 }},
	} {
		keys = append(keys, perSecond(Key{Name: section + l.name, Help: l.help}, func(s *Settings) *serve.Rate { return l.rate(in(&s.Operation.Limits)) }))
	}
	return append(keys, number(Key{Name: section + "networks", Form: "a number of networks, such as 65536", Help: "networks that are remembered at once"},
		func(s *Settings) *int { return &in(&s.Operation.Limits).Known }, serve.MinKnown, math.MaxInt32))
}

func parseProxy(s string) (netip.Prefix, error) {
	p, err := serve.ParseProxies([]string{s})
	if err != nil {
		return netip.Prefix{}, errForm
	}
	return p[0], nil
}

func formatProxy(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
