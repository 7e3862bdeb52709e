package site

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
)

// previewCookie holds the token of a preview, for this browser and this session only.
const previewCookie = "shirase-preview"

// maxTokenForm bounds the form that a token is sent in, in bytes.
const maxTokenForm = 4 << 10

// Preview guards h, which shows drafts: it answers only under one of the hosts (with their ports) that the preview was
// opened for, so that no other site's name can be pointed at it (DNS rebinding), and only to those who send the token: by a
// form, which sets a cookie, or as Authorization: Bearer. The token is never in an address. Nothing that is answered may be
// stored by a browser or a proxy.
func (s *Site) Preview(h http.Handler, hosts []string, token string) http.Handler {
	want := sha256.Sum256([]byte(token))
	right := func(given string) bool {
		sum := sha256.Sum256([]byte(given))
		return subtle.ConstantTimeCompare(sum[:], want[:]) == 1
	}
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch bearer, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); {
		case r.Method == http.MethodPost && r.URL.Path == "/preview":
			r.Body = http.MaxBytesReader(w, r.Body, maxTokenForm)
			if !right(strings.TrimSpace(r.PostFormValue("token"))) {
				s.previewPage(w, r, true)
				return
			}
			http.SetCookie(w, &http.Cookie{Name: previewCookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			http.Redirect(w, r, "/", http.StatusSeeOther)
		case isBearer && right(bearer):
			h.ServeHTTP(&noStore{ResponseWriter: w}, r)
		default:
			c, err := r.Cookie(previewCookie)
			switch {
			case err == nil && right(c.Value):
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
	if err := s.show(w, r, http.StatusUnauthorized, "preview", p); err != nil {
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
