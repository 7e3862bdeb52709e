package site

import "net/http"

// lookup starts a page that looks something up on the device alone, by a script of its own.
func (s *Site) lookup(r *http.Request, nav string) sitePage {
	p := s.newPage(r, nav, false)
	if code, ok := s.frame.Asset("people.js"); ok {
		p.Script = &code
	}
	return p
}

// services is the page on which a person finds which published incidents concern a service that they use.
func (s *Site) services(w http.ResponseWriter, r *http.Request) error {
	p := s.lookup(r, "services")
	p.Title = p.Lang.Pick("使っているサービスから調べる", "Which of my services?")
	p.Description = p.Lang.Pick("使っているサービスに関係する漏えいの公表を、この端末の中だけで調べます。", "Find, on your device alone, which published incidents concern services that you use.")
	return s.frame.Show(w, r, http.StatusOK, "services", p)
}

// passwords is the page on which a person finds whether a password is among those that were breached.
func (s *Site) passwords(w http.ResponseWriter, r *http.Request) error {
	p := s.lookup(r, "")
	p.Title = p.Lang.Pick("パスワードを調べる", "Check a password")
	p.Description = p.Lang.Pick("パスワードが漏えいの一覧にあるかどうかを、送らずに調べます。", "Find out whether a password was breached without sending it.")
	return s.frame.Show(w, r, http.StatusOK, "passwords", p)
}
