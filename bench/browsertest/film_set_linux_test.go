package browsertest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"iter"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"shirase/bench/served"
	"shirase/internal/contain/connect/slapdtest"
	"shirase/internal/demo"
	"shirase/internal/incident"
)

// set is where the film is played: an application whose accounts are in a slapd, behind nginx, which asks the gate; Shirase behind the same
// nginx; and a Postfix, by which all mail goes into one mailbox.
type set struct {
	*way
	box       *mailbox
	directory slapdtest.Server
	app       string // host of the application
	front     string // where nginx listens
	gate      string // where the gate is asked, and by what
	token     string
	export    string // file of accounts
	scale     float64
	total     int64
	affected  int64
	abroad    int64 // accounts that the rules leave out, and of what is left those of OpenID
	openID    int64
	shift     time.Duration
	patience  time.Duration // how long one thing may take
	asked     atomic.Int64  // requests that came to the application
	cast
}

// cast are those of the accounts whose doings are seen: one who is affected, one who uses the service abroad, and one who signs in by OpenID.
type cast struct{ hana, min, taku person }

type person struct{ id, mail string }

const (
	filmStolen = "umi-to-sora-1975"
	filmChosen = "midori no densha ga hashiru"
)

// then is a time of the model case as this film has it: the notice's 16:00 is when the film began.
func (s *set) then(clock string) time.Time {
	s.Helper()
	return must(time.ParseInLocation("2006-01-02T15:04", "2013-"+clock, incident.Japan))(s.T).Add(s.shift)
}

// entered is a time as people enter it.
func entered(t time.Time) string { return t.In(incident.Japan).Format("2006-01-02 15:04") }

// domains are those that the accounts of the demonstration have addresses of.
var domains = []string{"example.jp", "mail.example.jp", "keitai.example.jp", "example.com", "mail.example.net", "mail.example.org", "example.net"}

// newSet builds all of it.
func newSet(t *testing.T, scale float64, patience time.Duration) *set {
	t.Helper()
	s := &set{way: &way{T: t}, scale: scale, patience: patience, box: newMailbox(t, domains...)}
	s.box.patience = 3 * patience
	s.shift = time.Now().Truncate(time.Minute).Sub(must(time.ParseInLocation("2006-01-02T15:04", "2013-07-19T16:00", incident.Japan))(t))
	var err error
	if s.total, s.affected, err = demo.Figures(scale); err != nil {
		t.Fatal(err)
	}
	o := &office{browser: &browser{stage: newStage(t), patience: patience}, dir: t.TempDir()}
	s.o, o.program = o, filepath.Join(o.dir, "shirase")
	if err := served.Build(o.program); err != nil {
		t.Fatal(err)
	}
	s.export = filepath.Join(o.dir, "accounts.csv")
	f := must(os.Create(s.export))(t)
	if _, err := demo.Write(t.Context(), f, scale, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s.directory = slapdtest.Start(t, s.accounts())

	front, at, application := free(t), free(t), httptest.NewServer(s.application())
	t.Cleanup(application.Close)
	_, port, _ := strings.Cut(front, ":")
	s.front, s.app, o.host = front, "service.localhost:"+port, "notice.localhost:"+port
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: front})
		r.Out.Host = r.In.Host
	}, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0)}
	o.stage.recast(s.app, through)
	o.stage.recast(o.host, through)
	secret := s.file("ldap-password", s.directory.Password)
	o.run(t, "init", "--operator-ja", "株式会社例示", "--operator-en", "Example Inc.", "--contact", "mailto:desk@example.jp")
	for _, of := range [][2]string{{"url", "http://" + o.host}, {"trustedProxies", "127.0.0.1"}, {"gate.file", must(filepath.Abs("../../examples/gate/routes.yaml"))(t)},
		{"mail.server", s.box.at}, {"mail.from", "notice@example.jp"}, {"mail.security", "none"}, {"campaign.relays", s.box.at}, {"campaign.security", "none"}, {"enquiry.address", "desk@example.jp"},
		{"reset.connector", "ldap"}, {"reset.url", s.directory.URL}, {"reset.user", s.directory.User}, {"reset.secretFile", secret}, {"reset.base", s.directory.Base}, {"reset.rootsFile", s.directory.RootsFile},
		{"reset.returns", "http://" + s.app + "/login"}} {
		o.run(t, "config", "set", of[0], of[1])
	}
	o.run(t, "campaign", "keys")
	token := func(name, form string) string {
		var said struct{ Token string }
		if err := json.Unmarshal([]byte(o.run(t, "gate", "token", name, "--form", form, "--json")), &said); err != nil {
			t.Fatal(err)
		}
		return said.Token
	}
	s.gate, s.token = "http://"+at, token("service", "decide")
	o.serve(t, at)
	s.nginx(at, strings.TrimPrefix(application.URL, "http://"), token("front", "nginx"))
	o.start(t, findChromium(t))
	return s
}

// free gives an address of this machine on which nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	return l.Addr().String()
}

func (s *set) file(name, text string) string {
	s.Helper()
	path := filepath.Join(s.o.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}

// nginx runs one by the examples: the gate's before the application, and the shop's for Shirase itself.
func (s *set) nginx(shirase, application, token string) {
	s.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	if _, err := os.Stat(program); err != nil {
		s.Skip("there is no nginx here: run ./test, which installs it")
	}
	ports := []string{"127.0.0.1:8311", shirase, "127.0.0.1:3000", application, "127.0.0.1:8080", s.front}
	example := func(name string, also ...string) string {
		text := string(must(os.ReadFile(filepath.Join("../../examples", name)))(s.T))
		return strings.NewReplacer(append(also, ports...)...).Replace(text)
	}
	app, _, _ := strings.Cut(s.app, ":")
	s.file("token.conf", `proxy_set_header X-Shirase-Token "`+token+`";`)
	s.file("gate.conf", regexp.MustCompile(`(?m)^ *ssl_certificate.*\n`).ReplaceAllString(
		example("gate/nginx.conf", "listen 443 ssl http2", "listen "+s.front, "shop.example.jp", app, "/etc/nginx/shirase-token.conf", filepath.Join(s.o.dir, "token.conf")), ""))
	s.file("nginx.conf", example("shop/nginx.conf", "gzip off;", "gzip off; client_max_body_size 0; proxy_request_buffering off;"))
	slapdtest.Run(s.T, exec.Command(program, "-p", s.o.dir, "-c", "nginx.conf"), func() error {
		if code := s.answers("/healthz"); code != http.StatusOK {
			return fmt.Errorf("nginx answers %d", code)
		}
		return nil
	})
}

// answers gives the status with which nginx answers a visitor of the application; 0: it does not.
func (s *set) answers(path string) int {
	code, _ := s.page(s.app, path)
	return code
}

// page is what nginx answers to a visitor of a host.
func (s *set) page(host, path string) (code int, text string) {
	req := must(http.NewRequestWithContext(s.Context(), http.MethodGet, "http://"+s.front+path, nil))(s.T)
	req.Host = host
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return 0, ""
	}
	return res.StatusCode, string(b)
}

// row is the first line of a table of the open page that has this in it; "": there is none.
func row(p *tab, has string) string {
	p.Helper()
	return eval[string](p, fmt.Sprintf(`[...document.querySelectorAll("main tr")].find(e => e.innerText.includes(%q))?.innerText ?? ""`, has))
}

// until asks until something is so: each time it is asked, it has answered. Asking takes a fifth of the time at most, and leaves the rest to what
// is waited for.
func (s *set) until(what string, is func() bool) {
	s.Helper()
	for begin := time.Now(); ; {
		asked := time.Now()
		if is() {
			return
		}
		if time.Since(begin) > 3*s.patience {
			s.Fatalf("it never came to %s", what)
		}
		time.Sleep(4 * time.Since(asked))
	}
}

// rows are those of the export.
func (s *set) rows() iter.Seq[map[string]string] {
	return func(yield func(map[string]string) bool) {
		f := must(os.Open(s.export))(s.T)
		defer f.Close()
		r := csv.NewReader(bufio.NewReaderSize(f, 1<<20))
		r.ReuseRecord = true
		head := append([]string(nil), must(r.Read())(s.T)...)
		row := map[string]string{}
		for {
			record, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				s.Fatal(err)
			}
			for i, name := range head {
				row[name] = record[i]
			}
			if !yield(row) {
				return
			}
		}
	}
}

// accounts are those that have a password here, of whom the cast is chosen: all but those of OpenID.
func (s *set) accounts() iter.Seq[slapdtest.Account] {
	salt := make([]byte, 8)
	rand.Read(salt)
	sum := sha1.Sum(append([]byte(filmStolen), salt...))
	kept := "{SSHA}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...))
	return func(yield func(slapdtest.Account) bool) {
		for row := range s.rows() {
			who := person{strings.Clone(row["member_id"]), strings.Clone(row["mail"])}
			switch { // as the rules have it
			case row["country"] != "JP":
				s.abroad++
			case row["auth"] != "password":
				s.openID++
			}
			switch {
			case row["auth"] != "password":
				if who.mail != "" && s.taku.id == "" {
					s.taku = who
				}
				continue
			case row["country"] != "JP" && s.min.id == "":
				s.min = who
			case row["country"] == "JP" && s.hana.id == "" && row["nickname"] != "" && strings.HasSuffix(who.mail, "@mail.example.jp"):
				s.hana = who
			}
			if !yield(slapdtest.Account{UID: who.id, Mail: who.mail, Password: kept}) {
				return
			}
		}
	}
}

// in asks the directory whether a password is somebody's, as a login does.
func (s *set) in(ctx context.Context, mail, password string) (id string, is bool) {
	conn, err := ldap.DialURL(s.directory.URL, ldap.DialWithTLSConfig(&tls.Config{RootCAs: s.directory.Roots, MinVersion: tls.VersionTLS12}))
	if err != nil {
		return "", false
	}
	defer conn.Close()
	if conn.Bind(s.directory.User, s.directory.Password) != nil {
		return "", false
	}
	found, err := conn.Search(ldap.NewSearchRequest(s.directory.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false, "(mail="+ldap.EscapeFilter(mail)+")", []string{"uid"}, nil))
	if err != nil || len(found.Entries) != 1 || password == "" {
		return "", false
	}
	return found.Entries[0].GetAttributeValue("uid"), conn.Bind(found.Entries[0].DN, password) == nil
}

// hashes looks at each account of the directory, and counts those whose password is kept as it was, by whether they are affected.
func (s *set) hashes() (affectedSame, affectedOther, othersSame, othersOther int64) {
	s.Helper()
	conn := must(ldap.DialURL(s.directory.URL, ldap.DialWithTLSConfig(&tls.Config{RootCAs: s.directory.Roots, MinVersion: tls.VersionTLS12})))(s.T)
	defer conn.Close()
	if err := conn.Bind(s.directory.User, s.directory.Password); err != nil {
		s.Fatal(err)
	}
	japan := map[string]bool{}
	for row := range s.rows() {
		if row["auth"] == "password" {
			japan[strings.Clone(row["member_id"])] = row["country"] == "JP"
		}
	}
	found := conn.SearchAsync(s.Context(), ldap.NewSearchRequest(s.directory.Base, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=inetOrgPerson)", []string{"uid", "userPassword"}, nil), 1000)
	for found.Next() {
		e := found.Entry()
		is := same(e.GetAttributeValue("userPassword"), filmStolen)
		switch affected := japan[e.GetAttributeValue("uid")]; {
		case affected && is:
			affectedSame++
		case affected:
			affectedOther++
		case is:
			othersSame++
		default:
			othersOther++
		}
	}
	if err := found.Err(); err != nil {
		s.Fatal(err)
	}
	return
}

// same reports whether a directory keeps this password of somebody (RFC 2307, {SSHA}).
func same(kept, password string) bool {
	text, ok := strings.CutPrefix(kept, "{SSHA}")
	b, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(b) < sha1.Size {
		return false
	}
	sum := sha1.Sum(append([]byte(password), b[sha1.Size:]...))
	return bytes.Equal(sum[:], b[:sha1.Size])
}

// decision is what the gate says of an account.
type decision struct {
	Decision, Location string
	Says               map[string]string
}

func (s *set) decide(ctx context.Context, id, mail string) (d decision, err error) {
	body, err := json.Marshal(map[string]string{"account": id, "email": mail, "route": "login"})
	if err != nil {
		return d, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.gate+"/gate/v1/decide", bytes.NewReader(body))
	if err != nil {
		return d, err
	}
	req.Header.Set("X-Shirase-Token", s.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return d, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return d, fmt.Errorf("the gate answers %s", res.Status)
	}
	return d, json.NewDecoder(res.Body).Decode(&d)
}

// holds waits until the gate says this of an account, and gives what it says.
func (s *set) holds(p person, want string) (d decision) {
	s.Helper()
	s.until("the gate saying "+want, func() bool {
		var err error
		if d, err = s.decide(s.Context(), p.id, p.mail); err != nil {
			s.Fatal(err)
		}
		return d.Decision == want
	})
	return d
}

// application is a service with a login and a page of one's own: the password is the directory's matter, whether they may pass the gate's.
func (s *set) application() http.Handler {
	var mu sync.Mutex
	sessions := map[string]string{}
	show := func(w http.ResponseWriter, status int, kind, says string) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		service.Execute(w, map[string]string{"Kind": kind, "Says": says})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, "home", "") })
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, "login", "") })
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie("session")
		mu.Lock()
		defer mu.Unlock()
		if err != nil || sessions[c.Value] == "" {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		show(w, http.StatusOK, "account", sessions[c.Value])
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		mail := r.PostFormValue("mail")
		id, is := s.in(r.Context(), mail, r.PostFormValue("password"))
		if !is {
			show(w, http.StatusUnauthorized, "wrong", "")
			return
		}
		d, err := s.decide(r.Context(), id, mail)
		switch {
		case err != nil:
			show(w, http.StatusServiceUnavailable, "blocked", "")
		case d.Decision == "allow":
			key := rand.Text()
			mu.Lock()
			sessions[key] = mail
			mu.Unlock()
			http.SetCookie(w, &http.Cookie{Name: "session", Value: key, HttpOnly: true, SameSite: http.SameSiteLaxMode})
			http.Redirect(w, r, "/account", http.StatusSeeOther)
		case d.Decision == "reset":
			http.Redirect(w, r, d.Location, http.StatusSeeOther)
		default:
			show(w, http.StatusForbidden, "blocked", d.Says["ja"])
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		mux.ServeHTTP(w, r)
	})
}

var service = template.Must(template.New("service").Parse(`<!doctype html><html lang="ja"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>例示まとめ</title>
<style>body { font: 17px/1.7 system-ui, "Noto Sans CJK JP", sans-serif; margin: 0; color: #222; background: #f4f7f5 } header { background: #0a7d48; color: #fff; padding: .8rem 1.5rem; font-weight: 700 }
main { max-width: 32rem; margin: 3rem auto; background: #fff; padding: 1.5rem 2rem 2rem; border-radius: .6rem; box-shadow: 0 1px 4px #0002 } label { display: block; margin: .8rem 0 } input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .5rem }
button { font: inherit; font-weight: 700; background: #0a7d48; color: #fff; border: 0; border-radius: .4rem; padding: .6rem 1.6rem } .stop { border-left: .3rem solid #b3261e; padding-left: 1rem }</style>
<header>例示まとめ</header><main>{{if eq .Kind "home"}}<h1>例示まとめ</h1><p>気になる情報を集めて、まとめて、紹介するサービスです。<p><a href="/login">ログイン</a>
{{else if eq .Kind "account"}}<h1>マイページ</h1><p><b id="who">{{.Says}}</b> さん、こんにちは。
{{else if eq .Kind "blocked"}}<h1>いまはログインできません</h1><p class="stop">{{or .Says "しばらくしてから、もう一度お試しください。"}}
{{else}}<h1>ログイン</h1>{{if eq .Kind "wrong"}}<p class="stop">メールアドレスかパスワードが違います。{{end}}<form method="post" action="/login"><label>メールアドレス <input name="mail" type="email" autocomplete="off"></label><label>パスワード <input name="password" type="password"></label><button>ログイン</button></form>{{end}}</main></html>
`))

// letterPage shows a mail as a mailbox does: its heads, and the half of it that is a page.
func letterPage(subject, from, to, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/text" {
			io.WriteString(w, text)
			return
		}
		letterbox.Execute(w, map[string]any{"Subject": subject, "From": from, "To": to})
	})
}

var letterbox = template.Must(template.New("letterbox").Parse(`<!doctype html><html lang="ja"><meta charset="utf-8"><title>{{.Subject}}</title><link rel="icon" href="data:,">
<style>body { font: 16px/1.6 system-ui, "Noto Sans CJK JP", sans-serif; margin: 0; background: #eef1f5; color: #222 } header { background: #fff; padding: 1rem 2rem; border-bottom: 1px solid #ccd } h1 { font-size: 1.25rem; margin: 0 0 .4rem } p { margin: 0; color: #555 }
iframe { border: 0; width: calc(100% - 4rem); height: 620px; margin: 1rem 2rem; background: #fff }</style>
<header><h1>{{.Subject}}</h1><p>差出人：{{.From}}<p>宛先：{{.To}}</header><iframe src="/text" title="{{.Subject}}"></iframe></html>
`))
