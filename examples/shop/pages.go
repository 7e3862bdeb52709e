package main

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

//go:embed shop.html
var files embed.FS

// gateClient asks the gate about an account, and says of a notice that it was read (docs/GATE.md).
type gateClient struct {
	at, token string
	http      *http.Client
}

// decision is the gate's answer, as far as it is of use here.
type decision struct {
	Decision   string            `json:"decision"`
	Undecided  string            `json:"undecided"`
	Location   string            `json:"location"`
	RetryAfter int64             `json:"retryAfter"`
	Says       map[string]string `json:"says"`
	Link       string            `json:"link"`
}

func (g *gateClient) ask(r *http.Request, path string, x account) (d decision, err error) {
	body, err := json.Marshal(map[string]string{"account": x.ID, "email": x.Mail, "route": "login"})
	if err != nil {
		return d, err
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, g.at+path, bytes.NewReader(body))
	if err != nil {
		return d, err
	}
	req.Header.Set("X-Shirase-Token", g.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := g.http.Do(req)
	if err != nil {
		return d, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return d, fmt.Errorf("the gate answers %s", resp.Status)
	}
	return d, json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&d)
}

// shop is the application.
type shop struct {
	accounts *accounts
	gate     *gateClient

	mu      sync.Mutex
	reading map[string]reader // who is shown a notice, by the hash of what their browser has
}

// reader is somebody whose password was right, and who has something to read before they are signed in.
type reader struct {
	account
	until time.Time
}

const (
	sessionCookie = "shop_session"
	readingCookie = "shop_reading"
	readFor       = 10 * time.Minute
)

// view is what a page shows.
type view struct {
	JA      bool
	Kind    string // home, login, account, blocked, away, notice
	Wrong   bool   // address or password
	Account *account
	Says    string
	Link    string
}

// T picks a text by the language of the page.
func (v view) T(ja, en string) string {
	if v.JA {
		return ja
	}
	return en
}

var page = template.Must(template.ParseFS(files, "shop.html"))

func japanese(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
	return !strings.HasPrefix(strings.ToLower(strings.TrimSpace(first)), "en")
}

func show(w http.ResponseWriter, r *http.Request, status int, v view) {
	v.JA = japanese(r)
	var out bytes.Buffer
	if err := page.Execute(&out, v); err != nil {
		log.Print(err)
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' http: https:; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	w.Write(out.Bytes())
}

func (s *shop) handler() http.Handler {
	s.reading = map[string]reader{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		show(w, r, http.StatusOK, view{Kind: "home", Account: s.who(r)})
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { show(w, r, http.StatusOK, view{Kind: "login"}) })
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /login/read", s.read)
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, r *http.Request) {
		x := s.who(r)
		if x == nil {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		show(w, r, http.StatusOK, view{Kind: "account", Account: x})
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie(sessionCookie); err == nil {
			if err := s.accounts.end(c.Value); err != nil {
				log.Print(err)
			}
		}
		cookie(w, r, sessionCookie, "", -1)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

func cookie(w http.ResponseWriter, r *http.Request, name, value string, lasts time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(lasts / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.Header.Get("X-Forwarded-Proto") == "https"})
}

func (s *shop) who(r *http.Request) *account {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	x, ok := s.accounts.who(c.Value, time.Now())
	if !ok {
		return nil
	}
	return &x
}

// login looks at the password first, and then asks the gate: only whose account it is learns how it stands. After an order by the webhook no
// password is right, and a page that said so would say whose accounts are affected: whoever cannot get in is told how to reset, always.
func (s *shop) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	x, ok := s.accounts.login(r.PostFormValue("mail"), r.PostFormValue("password"))
	if !ok {
		show(w, r, http.StatusUnauthorized, view{Kind: "login", Wrong: true})
		return
	}
	d, err := s.gate.ask(r, "/gate/v1/decide", x)
	if err != nil { // nobody can say whether they may: they wait, and are told that this is no block
		log.Print(err)
		show(w, r, http.StatusServiceUnavailable, view{Kind: "away"})
		return
	}
	switch d.Decision {
	case "allow":
		s.signIn(w, r, x)
	case "reset":
		if u, err := url.Parse(d.Location); err != nil || u.Host == "" {
			show(w, r, http.StatusServiceUnavailable, view{Kind: "away"})
			return
		}
		http.Redirect(w, r, d.Location, http.StatusSeeOther)
	case "notice":
		secret := rand.Text()
		s.mu.Lock()
		for k, x := range s.reading {
			if time.Now().After(x.until) {
				delete(s.reading, k)
			}
		}
		s.reading[sum(secret)] = reader{x, time.Now().Add(readFor)}
		s.mu.Unlock()
		cookie(w, r, readingCookie, secret, readFor)
		show(w, r, http.StatusForbidden, view{Kind: "notice", Says: d.said(r), Link: d.Link})
	default:
		if d.RetryAfter > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(d.RetryAfter))
		}
		kind := "blocked"
		if d.Undecided != "" {
			kind = "away"
		}
		show(w, r, http.StatusForbidden, view{Kind: kind, Says: d.said(r)})
	}
}

func (d decision) said(r *http.Request) string {
	if japanese(r) {
		return d.Says["ja"]
	}
	return d.Says["en"]
}

// read is the button below a notice. That it was read is said first, and then they are signed in, unless something else holds them by now.
func (s *shop) read(w http.ResponseWriter, r *http.Request) {
	c, err := r.Cookie(readingCookie)
	if err != nil {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	s.mu.Lock()
	x, ok := s.reading[sum(c.Value)]
	delete(s.reading, sum(c.Value))
	s.mu.Unlock()
	cookie(w, r, readingCookie, "", -1)
	if !ok || time.Now().After(x.until) {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	_, err = s.gate.ask(r, "/gate/v1/seen", x.account)
	d, askErr := s.gate.ask(r, "/gate/v1/decide", x.account)
	if err := errors.Join(err, askErr); err != nil {
		log.Print(err)
		show(w, r, http.StatusServiceUnavailable, view{Kind: "away"})
		return
	}
	if d.Decision != "allow" {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	s.signIn(w, r, x.account)
}

func (s *shop) signIn(w http.ResponseWriter, r *http.Request, x account) {
	secret, err := s.accounts.begin(x, time.Now())
	if err != nil {
		log.Print(err)
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	cookie(w, r, sessionCookie, secret, sessionLasts)
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}
