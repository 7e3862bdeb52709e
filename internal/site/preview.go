package site

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// cookieOf names and fills the cookie of a preview, for this browser and this session only. Cookies know no ports: another
// server of this machine may be sent it, and learns a hash that opens nothing but this preview's pages; the port is in its
// name, so that two previews keep theirs apart.
func cookieOf(host, token string) (name, value string) {
	_, port, _ := strings.Cut(host[strings.LastIndex(host, "]")+1:], ":")
	sum := sha256.Sum256([]byte("shirase preview cookie\x00" + token))
	return "shirase-preview-" + port, hex.EncodeToString(sum[:])
}

// maxTokenForm bounds the form that a token is sent in, in bytes.
const maxTokenForm = 4 << 10

// Preview guards h, which shows drafts: it answers only under one of the hosts (with their ports) that the preview was
// opened for, so that no other site's name can be pointed at it (DNS rebinding), and only to those who send the token: by a
// form, which sets a cookie, or as Authorization: Bearer. The token is never in an address. Nothing that is answered may be
// stored by a browser or a proxy.
func (s *Site) Preview(h http.Handler, hosts []string, token string) http.Handler {
	right := func(given, want string) bool {
		a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
		return subtle.ConstantTimeCompare(a[:], b[:]) == 1
	}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, secret := cookieOf(r.Host, token)
		switch bearer, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); {
		case r.Method == http.MethodPost && r.URL.Path == "/preview":
			r.Body = http.MaxBytesReader(w, r.Body, maxTokenForm)
			if !right(strings.TrimSpace(r.PostFormValue("token")), token) {
				s.previewPage(w, r, true)
				return
			}
			http.SetCookie(w, &http.Cookie{Name: cookie, Value: secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			http.Redirect(w, r, "/", http.StatusSeeOther)
		case isBearer && right(bearer, token):
			h.ServeHTTP(&noStore{ResponseWriter: w}, r)
		default:
			c, err := r.Cookie(cookie)
			switch {
			case err == nil && right(c.Value, secret):
				h.ServeHTTP(&noStore{ResponseWriter: w}, r)
			case strings.HasPrefix(r.URL.Path, "/assets/"): // the form's style, the same for everybody
				s.ServeHTTP(w, r)
			default:
				s.previewPage(w, r, false)
			}
		}
	})
	sameOrigin := http.NewCrossOriginProtection().Handler(inner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if !slices.Contains(hosts, r.Host) {
			http.Error(w, "This preview answers only under the address that it was opened for.", http.StatusMisdirectedRequest)
			return
		}
		sameOrigin.ServeHTTP(w, r)
	})
}

// previewPage asks for the token.
func (s *Site) previewPage(w http.ResponseWriter, r *http.Request, wrong bool) {
	p := s.newPage(r, "", false)
	p.Title = p.Lang.Pick("下書きの確認", "Preview of drafts")
	p.NoIndex, p.Failed = true, true
	p.Body = struct{ Wrong bool }{wrong}
	if err := s.frame.Show(w, r, http.StatusUnauthorized, "preview", p); err != nil {
		s.fail(w, r, err)
	}
}

// noStore keeps what is answered out of every cache, whatever the door says.
type noStore struct {
	http.ResponseWriter
	begun bool
}

func (w *noStore) WriteHeader(status int) {
	w.begun = true
	w.Header().Set("Cache-Control", "no-store")
	w.ResponseWriter.WriteHeader(status)
}

func (w *noStore) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *noStore) Unwrap() http.ResponseWriter { return w.ResponseWriter }
