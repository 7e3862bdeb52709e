package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shirase/internal/alarm"
	"shirase/internal/collect/fetch"
	"shirase/internal/config"
	"shirase/internal/contain/connect"
	"shirase/internal/exercise"
	"shirase/internal/metrics"
	"shirase/internal/notify"
	"shirase/internal/outward"
	"shirase/internal/password"
	"shirase/internal/reach/preflight"
	"shirase/internal/reach/smtp"
	"shirase/internal/staff"
)

// waysOut are all places of the program that make a connection, ask for a name, or begin another program, with what shuts them in an
// exercise: "outward" is that door, and everything else says why nothing leaves there. A place that is not listed fails the test.
var waysOut = map[string]string{
	"check/fetch.go":                        "asks, as any stranger may, the server that whoever runs it has named; goesOut refuses that in an exercise's folder (TestAskedFrom)",
	"cmd/shirase/doctor_net.go":             "outward",
	"cmd/shirase/incident_fetch.go":         "outward",
	"cmd/shirase/setup.go":                  "setup refuses an exercise's folder before it begins a program",
	"cmd/shirase/setup_undo.go":             "setup refuses an exercise's folder before it begins a program",
	"cmd/shirase/watchers.go":               "outward",
	"internal/alarm/mail.go":                "outward",
	"internal/alarm/webhook.go":             "outward",
	"internal/collect/claim.go":             "outward",
	"internal/collect/collect.go":           "the resolver that claim.go asks",
	"internal/collect/fetch/fetch.go":       "outward",
	"internal/collect/read/pdf.go":          "begins this program itself, without a network of its own, to read a file",
	"internal/contain/connect/directory.go": "outward",
	"internal/contain/connect/sql.go":       "outward",
	"internal/contain/connect/webhook.go":   "outward",
	"internal/exercise/sink.go":             "the exercise's own mail server, on this machine",
	"internal/ledger/cosign.go":             "outward",
	"internal/metrics/push.go":              "outward",
	"internal/monitor/fetch.go":             "outward",
	"internal/notify/send.go":               "outward",
	"internal/notify/smtp.go":               "outward",
	"internal/outward/outward.go":           "outward",
	"internal/password/screenapi.go":        "outward",
	"internal/password/sync.go":             "outward",
	"internal/reach/preflight/dns.go":       "preflight.go lets nobody as far as this",
	"internal/reach/preflight/preflight.go": "outward",
	"internal/reach/preflight/relay.go":     "outward",
	"internal/reach/preflight/seed.go":      "preflight.go lets nobody as far as this",
	"internal/reach/smtp/dial.go":           "outward",
	"internal/serve/acme.go":                "outward",
	"internal/serve/outward.go":             "the socket of this machine's init, which hears that the server is ready",
	"internal/staff/oidc.go":                "outward",
	"internal/store/snapshot.go":            "pg_dump of the instance's own database",
	"internal/store/store.go":               "the instance's own database",
}

// harmless are the names of the packages by which Go itself reaches others that reach nobody. Every other name of them is a way.
var harmless = map[string]string{
	"net":          "Addr Buffers CIDRMask Conn DNSError ErrClosed Error IP IPAddr IPMask IPNet IPv4 IPv6zero InterfaceAddrs InterfaceByName JoinHostPort Listen ListenConfig ListenPacket ListenUnixgram Listener MX NS OpError ParseCIDR ParseError ParseIP PacketConn Pipe SplitHostPort TCPAddr UDPAddr UnixAddr",
	"net/http":     "ConnState Cookie CrossOriginProtection DetectContentType ErrAbortHandler ErrServerClosed ErrUseLastResponse Error Handler HandlerFunc Header LocalAddrContextKey MaxBytesError MaxBytesHandler MaxBytesReader NewCrossOriginProtection NewRequest NewRequestWithContext NewResponseController NewServeMux NoBody NotFound NotFoundHandler ParseTime ProxyFromEnvironment Redirect RedirectHandler Request Response ResponseController ResponseWriter RoundTripper SameSiteLaxMode SameSiteStrictMode ServeContent ServeMux Server SetCookie StateIdle StateNew StatusText StripPrefix TimeFormat",
	"crypto/tls":   "Certificate CertificateVerificationError Client ClientHelloInfo Config Conn ConnectionState LoadX509KeyPair NewListener Server VersionTLS12 VersionTLS13 X509KeyPair",
	"database/sql": "Conn DB ErrNoRows LevelRepeatableRead LevelSerializable NullBool NullInt64 NullString NullTime RawBytes Result Row Rows Scanner Tx TxOptions",
	"os/exec":      "Cmd ErrNotFound Error ExitError LookPath",
	"syscall": "Credential Dup Dup2 ENOMEM ENOSPC EWOULDBLOCK Flock LOCK_EX LOCK_NB LOCK_SH LOCK_UN MAP_SHARED Mmap Munmap PROT_READ RawConn SIGHUP SIGINT SIGTERM " +
		"Setgid Setgroups Setuid Stat_t Statfs Statfs_t SysProcAttr",
	"golang.org/x/sys/unix": "ECHO Getrlimit ICANON ICRNL ISIG IoctlGetTermios IoctlSetTermios RLIMIT_AS RLIMIT_CORE RLIMIT_CPU RLIMIT_DATA RLIMIT_FSIZE RLIMIT_NOFILE RLIMIT_NPROC Rlimit Setrlimit Statfs Statfs_t TCGETS TCSETSF TIOCGETA TIOCSETAF",
}

// libraries are the other packages below which Go's net lies, so that they could reach others, and of which files of the program make use.
// Of each stands here why it reaches nobody; where that is "dials", every file that uses it is a way. One that is not listed fails the test.
var libraries = map[string]string{
	"blitiri.com.ar/go/spf":                                       "dials",
	"codeberg.org/readeck/go-readability/v2":                      "reads a page that it is handed",
	"crypto/x509":                                                 "follows no addresses in certificates",
	"filippo.io/torchwood":                                        "signs and verifies; its clients are handed what they ask by",
	"github.com/VictoriaMetrics/metrics":                          "writes figures to who reads them; what pushes is named with its functions in onlyNames",
	"github.com/alexedwards/scs/v2":                               "keeps sessions in the database that it is handed",
	"github.com/andybalholm/brotli":                               "packs bytes",
	"github.com/arran4/golang-ical":                               "writes calendars; what fetches one is named with its functions in onlyNames",
	"github.com/coreos/go-oidc/v3/oidc":                           "dials",
	"github.com/emersion/go-msgauth/dkim":                         "signs; what verifies is named with its functions in onlyNames",
	"github.com/emersion/go-smtp":                                 "listens; what dials is named with its functions in onlyNames",
	"github.com/go-ldap/ldap/v3":                                  "dials",
	"github.com/go-webauthn/webauthn/protocol":                    "verifies what a browser has sent; no metadata service is set",
	"github.com/go-webauthn/webauthn/webauthn":                    "verifies what a browser has sent; no metadata service is set",
	"github.com/jackc/pgx/v5":                                     "dials",
	"github.com/jackc/pgx/v5/pgconn":                              "its errors are read; what dials is named with its functions in onlyNames",
	"github.com/jackc/pgx/v5/stdlib":                              "dials",
	"github.com/klippa-app/go-pdfium/webassembly":                 "runs without a network",
	"github.com/nlnwa/gowarc/v3":                                  "reads and writes files",
	"github.com/schollz/progressbar/v3":                           "draws on a terminal",
	"github.com/spf13/cobra":                                      "reads flags",
	"github.com/spf13/pflag":                                      "reads flags",
	"github.com/standard-webhooks/standard-webhooks/libraries/go": "signs",
	"github.com/temoto/robotstxt":                                 "reads what it is handed",
	"github.com/tetratelabs/wazero":                               "runs without a network",
	"github.com/wneessen/go-mail":                                 "dials",
	"github.com/xuri/excelize/v2":                                 "reads and writes files",
	"golang.org/x/crypto/acme":                                    "dials",
	"golang.org/x/net/http/httpguts":                              "reads headers",
	"golang.org/x/net/netutil":                                    "listens",
	"golang.org/x/net/publicsuffix":                               "is a list",
	"golang.org/x/oauth2":                                         "dials",
	"modernc.org/sqlite":                                          "opens files",
	"modernc.org/sqlite/lib":                                      "opens files",
	"mime/multipart":                                              "reads what it is handed",
	"net/http/httptest":                                           "writes down what a handler answers; what listens is of tests",
	"net/mail":                                                    "reads what it is handed",
	"net/smtp":                                                    "dials",
	"net/textproto":                                               "reads what it is handed",
}

// onlyNames are, of libraries of which most reaches nobody, the names that do.
var onlyNames = map[string]string{
	"github.com/VictoriaMetrics/metrics":  "InitPush InitPushExt InitPushExtWithOptions InitPushProcessMetrics InitPushWithOptions PushMetrics PushMetricsExt",
	"github.com/arran4/golang-ical":       "ParseCalendarFromUrl",
	"github.com/emersion/go-msgauth/dkim": "Verify VerifyWithOptions",
	"github.com/emersion/go-smtp":         "Client Dial DialStartTLS DialTLS NewClient SendMail SendMailTLS",
	"filippo.io/torchwood":                "NewTileFetcher",
	"github.com/jackc/pgx/v5/pgconn":      "Config Connect ConnectConfig ConnectWithOptions Construct ParseConfig ParseConfigWithOptions",
	"net/textproto":                       "Dial",
	"net/http/httptest":                   "NewServer NewTLSServer NewUnstartedServer",
}

// reaching are, of the program's packages, the imports of others below which net lies, by what Go itself says.
func reaching(t *testing.T) map[string]bool {
	t.Helper()
	c := exec.Command("go", "list", "-deps", "-f", `{{.ImportPath}}{{range .Deps}}{{if eq . "net"}} net{{end}}{{end}}`, "./cmd/...", "./internal/...", "./check/...", "./identity/...", "./law/...")
	c.Dir = "../.."
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutSuffix(strings.TrimSpace(line), " net"); ok && !strings.HasPrefix(name, "shirase/") {
			list[name] = true
		}
	}
	if !list["github.com/wneessen/go-mail"] || !list["net/http"] {
		t.Fatalf("%d packages reach others: %v", len(list), list)
	}
	return list
}

// reaches says by what a file could reach others; "" where by nothing.
func reaches(f *ast.File, reaching map[string]bool) (by string, problems []string) {
	for _, i := range f.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		if strings.HasPrefix(path, "shirase/") {
			continue
		}
		fine, ours := harmless[path]
		why, listed := libraries[path]
		if !ours && !reaching[path] {
			continue
		}
		switch {
		case i.Name != nil && i.Name.Name == ".":
			problems = append(problems, "has all names of "+path+" as its own")
		case !ours && !listed:
			problems = append(problems, "uses "+path+", which could reach others: say in libraries whether it does")
		case why == "dials":
			by = path
		}
		name := ""
		if i.Name != nil {
			name = i.Name.Name
		}
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := s.X.(*ast.Ident)
			if !ok || x.Name != cmp.Or(name, nameOf(path)) || onlyType(f, s) {
				return true
			}
			sel := s.Sel.Name
			switch {
			case path == "net/http" && (strings.HasPrefix(sel, "Status") || strings.HasPrefix(sel, "Method")):
			case ours && !slices.Contains(strings.Fields(fine), sel), slices.Contains(strings.Fields(onlyNames[path]), sel):
				by = path + "." + sel
			}
			return true
		})
	}
	// Names are asked for by a resolver that is handed in, too.
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(strings.Fields("LookupAddr LookupCNAME LookupHost LookupIP LookupIPAddr LookupMX LookupNS LookupNetIP LookupPort LookupSRV LookupTXT"), s.Sel.Name) {
			by = s.Sel.Name
		}
		return true
	})
	return by, problems
}

// nameOf is what a package is called where a file says nothing else.
func nameOf(path string) string {
	switch path {
	case "github.com/arran4/golang-ical":
		return "ics"
	case "github.com/emersion/go-smtp":
		return "smtp"
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

// TestWays finds every place that could reach others by what it imports, and wants each in the list above, and those in the list that do
// not leave by the door to say why.
func TestWays(t *testing.T) {
	found, reaching := map[string]bool{}, reaching(t)
	for _, root := range []string{"../../cmd", "../../internal", "../../check", "../../identity", "../../law"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") {
				return err
			}
			name := strings.TrimPrefix(filepath.ToSlash(path), "../../")
			if strings.HasPrefix(name, "internal/killtest") || strings.HasPrefix(name, "internal/testgate") {
				return nil // of tests
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			by, problems := reaches(f, reaching)
			for _, p := range problems {
				t.Errorf("%s %s", name, p)
			}
			if by == "" {
				return nil
			}
			found[name] = true
			if why, ok := waysOut[name]; !ok {
				t.Errorf("%s can reach others by %s, and is no way that is known: leave by internal/outward, and list it here", name, by)
			} else if b, err := os.ReadFile(path); err != nil || why == "outward" && name != "internal/outward/outward.go" && !strings.Contains(string(b), "outward.") {
				t.Errorf("%s is said to leave by the door, and does not: %v", name, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range waysOut {
		if !found[name] {
			t.Errorf("%s is listed as a way out, and is none any more", name)
		}
	}
	for path := range libraries {
		if !reaching[path] {
			t.Errorf("%s is listed as a library, and is none that could reach others", path)
		}
	}
}

// TestReaches: a file that could reach others is found however it names what it does it by.
func TestReaches(t *testing.T) {
	all := reaching(t)
	for src, want := range map[string]bool{
		`import "github.com/wneessen/go-mail"; var x mail.Option`:               true,
		`import m "github.com/wneessen/go-mail"; var x m.Option`:                true,
		`import other "net/http"; var x = other.Get`:                            true,
		`import _ "github.com/jackc/pgx/v5/stdlib"`:                             true,
		`import "net"; var x = net.Dial`:                                        true,
		`import "net"; var x = net.DialUnix`:                                    true,
		`import "net"; var r *net.Resolver; var x = r.LookupMX`:                 true,
		`import "net"; var x = net.ParseIP`:                                     false,
		`import "syscall"; var x = syscall.Connect`:                             true,
		`import "net/http"; var x = http.StatusOK`:                              false,
		`import "net/smtp"; var x = smtp.PlainAuth`:                             true,
		`import "github.com/emersion/go-smtp"; var x = smtp.Dial`:               true,
		`import "github.com/emersion/go-smtp"; var x = smtp.NewServer`:          false,
		`import "github.com/go-ldap/ldap/v3"; var x = ldap.EscapeFilter`:        true,
		`import "filippo.io/torchwood"; var x = torchwood.NewTileFetcher`:       true,
		`import "filippo.io/torchwood"; var x = torchwood.NewCosignatureSigner`: false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "", "package x; "+src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if by, problems := reaches(f, all); (by != "") != want || len(problems) != 0 {
			t.Errorf("%s: %q, %q", src, by, problems)
		}
	}
	for _, src := range []string{`import . "net"`, `import "net/rpc"`, `import "log/syslog"`} {
		f, err := parser.ParseFile(token.NewFileSet(), "", "package x; "+src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if _, problems := reaches(f, map[string]bool{"net": true, "net/rpc": true, "log/syslog": true}); len(problems) == 0 {
			t.Errorf("%s passes", src)
		}
	}
}

// onlyType reports whether a selector names the type of a pointer: of what is handed in.
func onlyType(f *ast.File, s *ast.SelectorExpr) bool {
	is := false
	ast.Inspect(f, func(n ast.Node) bool {
		if p, ok := n.(*ast.StarExpr); ok && p.X == s {
			is = true
		}
		return !is
	})
	return is
}

// TestBackground: what shuts the ways is carried by the context from the command on, and so nobody on the way begins another: those
// who do are listed, and reach nobody.
func TestBackground(t *testing.T) {
	known := map[string]string{
		"cmd/shirase/interrupt.go": "where every command's context begins", "cmd/shirase/watch.go": "asks the database",
		"internal/collect/read/pdf.go": "begins this program to read a file", "internal/ledger/ledger.go": "asks the database", "internal/staff/session.go": "asks the database",
		"internal/contain/gate/node.go": "asks the database", "internal/contain/gate/disk.go": "reads the disk",
	}
	for _, root := range []string{"../../cmd", "../../internal", "../../check"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") {
				return err
			}
			b, err := os.ReadFile(path)
			name := strings.TrimPrefix(filepath.ToSlash(path), "../../")
			if (strings.Contains(string(b), "context.Background()") || strings.Contains(string(b), "context.TODO()")) && known[name] == "" {
				t.Errorf("%s begins a context of its own: an exercise's would be lost there", name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// listener counts who comes.
type listener struct {
	net.Listener
	came atomic.Int64
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.came.Add(1)
	}
	return c, err
}

// TestNothingLeaves goes by every way, once as a real instance and once as an exercise, to a server that counts who comes: it sees the
// first, and never the second.
func TestNothingLeaves(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Listener: plain}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusTeapot) })}}
	server.Config.ReadHeaderTimeout = 200 * time.Millisecond // a directory waits for an answer that HTTP has not
	server.Config.SetKeepAlivesEnabled(false)                // each comes anew, and is counted
	server.Start()
	defer server.Close()
	address, at := l.Addr().String(), server.URL
	secret := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	hook, err := connect.NewWebhook(at, secret)
	must(err)
	kratos, err := connect.NewKratos(at, "")
	must(err)
	bell, err := alarm.NewWebhook(at, secret)
	must(err)
	mailed, err := alarm.NewMail(alarm.Account{Server: address, From: "a@example.invalid", Security: "none"}, []string{"b@example.invalid"})
	must(err)
	otlp, err := metrics.NewReceiver(at+"/v1/metrics", "")
	must(err)
	screen, err := password.NewRemote(at, password.SHA1)
	must(err)
	directory, err := connect.NewLDAP(connect.Directory{URL: "ldap://" + address, User: "cn=x", Password: "x", Base: "dc=x", Filter: "(uid=%s)"})
	must(err)
	table := map[string]func(ctx context.Context) error{
		"mail": func(ctx context.Context) error {
			_, err := smtp.Dial(ctx, smtp.Relay{Address: address, Security: smtp.None, Patience: time.Second})
			return err
		},
		"a webhook": func(ctx context.Context) error {
			_, err := hook.Force(ctx, connect.Order{ID: "o", Account: "a"})
			return err
		},
		"Kratos": func(ctx context.Context) error {
			_, err := kratos.Force(ctx, connect.Order{ID: "o", Account: "a"})
			return err
		},
		"a directory": func(ctx context.Context) error {
			_, err := directory.Force(ctx, connect.Order{ID: "o", Account: "a"})
			return err
		},
		"mail to staff": func(ctx context.Context) error {
			return notify.SMTP{Server: address, From: "a@example.invalid", Security: "none"}.Send(ctx, "b@example.invalid", "x", "x", "x")
		},
		"an alarm's mail": func(ctx context.Context) error { return mailed.Send(ctx, alarm.News{}) },
		"an alarm":        func(ctx context.Context) error { return bell.Send(ctx, alarm.News{}) },
		"figures":         func(ctx context.Context) error { return otlp.Try(ctx) },
		"a screening":     func(ctx context.Context) error { return screen.Prepare(ctx, "correct horse battery staple") },
		"a page of others": func(ctx context.Context) error {
			_, err := fetch.New(fetch.Options{Allow: allowed(t, address), Pause: -1}).Ask(ctx, at+"/")
			return err
		},
		"identity provider": func(ctx context.Context) error {
			_, err := (&staff.Provider{Issuer: at, ClientID: "x", Back: at}).Begin(ctx, time.Now(), &staff.Journey{})
			return err
		},
		"a preflight": func(ctx context.Context) error {
			found := preflight.Run(ctx, preflight.Options{From: "a@example.invalid", Relays: []string{address}, Resolver: address, Patience: 300 * time.Millisecond})
			return fmt.Errorf("%d findings", len(found))
		},
		"a dialer": func(ctx context.Context) error {
			_, err := outward.Dial(ctx, &net.Dialer{}, "tcp", address)
			return err
		},
	}
	for name, way := range table {
		before := l.came.Load()
		ctx, enough := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); way(ctx) }() // it answers none of them as they want
		if waitFor(t, func() bool { return l.came.Load() > before }) {
			t.Errorf("%s reaches nobody as a real instance's: the test would see nothing of an exercise's either", name)
		}
		enough()
		<-ended
	}
	shut := outward.Shut(t.Context(), nil)
	before := l.came.Load()
	for name, way := range table {
		if err := way(shut); err == nil || strings.Contains(name, "mail") && name != "mail to staff" && !errors.Is(err, outward.ErrShut) {
			t.Errorf("%s of an exercise: %v", name, err)
		}
	}
	// Whoever came would have been counted before this one.
	c, err := net.Dial("tcp", address)
	must(err)
	c.Close()
	waitFor(t, func() bool { return l.came.Load() > before })
	if n := l.came.Load() - before - 1; n != 0 {
		t.Errorf("%d connections of an exercise came", n)
	}
}

// waitFor waits until something is so that another process or machine does, which tells nobody of it, and reports whether it never was. That is
// given two minutes, for machines that are busy.
func waitFor(t *testing.T, is func() bool) (never bool) {
	t.Helper()
	for range 12_000 {
		if is() {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

// TestSink: mail of an exercise goes into its own sink, by the whole of the protocol, and leaves no address behind.
func TestSink(t *testing.T) {
	data := t.TempDir()
	ctx := outward.Shut(t.Context(), exercise.Sink(data))
	conn, err := smtp.Dial(ctx, smtp.Relay{Address: "mail.example.invalid:25", Security: smtp.StartTLS, User: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	mails := []smtp.Mail{{From: "a@example.invalid", To: "hana@example.com", Data: [][]byte{[]byte("From: a@example.invalid\r\nTo: hana@example.com\r\nSubject: =?utf-8?q?Notice?=\r\n\r\nHello\r\n")}}}
	if n, _, err := conn.Deliver(mails, nil, func(_ int, o smtp.Outcome) {
		if !o.Taken() {
			t.Errorf("%+v", o)
		}
	}); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	list, n, err := exercise.Mails(data)
	if err != nil || n != 1 || list[0].To != "…@example.com" || list[0].Subject != "【訓練 EXERCISE】Notice" {
		t.Errorf("%d, %+v, %v", n, list, err)
	}
	if b, err := os.ReadFile(filepath.Join(data, "exercise-mail.jsonl")); err != nil || strings.Contains(string(b), "hana") {
		t.Errorf("%s, %v", b, err)
	}
}

// TestKind: an exercise's folder does not become real, nor a real one an exercise's, by a change of what it says of itself; nothing of
// both is opened.
func TestKind(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	drill := newTeam(t, "naver-2013")
	real := filepath.Join(t.TempDir(), "real")
	var out strings.Builder
	if exit := run(t.Context(), []string{"init", "--data", real}, &out, &out); exit != exitDone {
		t.Fatal(out.String())
	}
	change := func(data string, is *config.Exercise) {
		t.Helper()
		i, err := config.ReadInstance(data)
		if err != nil {
			t.Fatal(err)
		}
		i.Exercise = is
		b, err := i.Encode()
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(data, config.InstanceFile), string(b))
	}
	for data, is := range map[string]*config.Exercise{drill.data: nil, real: {Scenario: "naver-2013"}} {
		before, _ := config.ReadInstance(data)
		change(data, is)
		for _, args := range [][]string{{"case", "list"}, {"serve", "--listen", "127.0.0.1:0"}, {"serve", "gate", "--listen", "127.0.0.1:0"}, {"exercise", "naver-2013"}, {"notify", "test"}} {
			out.Reset()
			if exit := run(t.Context(), append(args, "--data", data), &out, &out); exit != exitFailed || !strings.Contains(out.String(), errKind.Error()) && !strings.Contains(out.String(), "real instance's folder") {
				t.Errorf("%v in a folder that says what it is not: exit %d, %s", args, exit, out.String())
			}
		}
		// A gate without its key cannot tell an exercise, and does not let everybody pass for that.
		key := filepath.Join(data+"-keys", ledgerKey)
		if err := os.Rename(key, key+"-away"); err != nil {
			t.Fatal(err)
		}
		if is != nil {
			out.Reset()
			if exit := run(t.Context(), []string{"serve", "gate", "--listen", "127.0.0.1:0", "--data", data}, &out, &out); exit != exitFailed || !strings.Contains(out.String(), "whether this is an exercise") {
				t.Errorf("a gate without its key: exit %d, %s", exit, out.String())
			}
		}
		if err := os.Rename(key+"-away", key); err != nil {
			t.Fatal(err)
		}
		change(data, before.Exercise)
	}
	for _, args := range [][]string{{"init", "--data", filepath.Join(t.TempDir(), "x"), "--origin", "exercise.invalid/x"}, {"exercise", "naver-2013", "--data", real}, {"exercise", "status", "--data", real}, {"setup", "--print-unit", "--data", drill.data}} {
		out.Reset()
		if exit := run(t.Context(), args, &out, &out); exit != exitFailed {
			t.Errorf("%v: exit %d, %s", args, exit, out.String())
		}
	}
	if out := drill.do("exercise", "status"); !strings.Contains(out, "EXERCISE") {
		t.Error(out)
	}
}

// allowed lets pages be asked of an address of this machine.
func allowed(t *testing.T, address string) []netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return []netip.AddrPort{a}
}
