package portal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"time"

	"shirase/internal/contain/gate"
	"shirase/internal/language"
)

// gatePages are what is shown to whoever does not pass the gate.
type gatePages struct {
	sets   map[language.Lang]*template.Template
	style  template.CSS
	policy string
}

func newGatePages() (*gatePages, error) {
	css, err := embedded.ReadFile("assets/gate.css")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(css)
	g := &gatePages{sets: map[language.Lang]*template.Template{}, style: template.CSS(css)}
	g.policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	for _, lang := range []language.Lang{language.JA, language.EN} {
		t := template.New("gate.html").Funcs(template.FuncMap{"t": lang.Pick, "ja": func() bool { return lang == language.JA }, "lang": func() language.Lang { return lang },
			"when": func(t time.Time) string { return language.DateTime(lang, t.In(japan)) }})
		if g.sets[lang], err = t.ParseFS(embedded, "templates/gate.html"); err != nil {
			return nil, fmt.Errorf("the gate's page: %w", err)
		}
	}
	return g, nil
}

// GatePolicy is the Content-Security-Policy of [Portal.GatePage].
func (p *Portal) GatePolicy() string { return p.gate.policy }

// gateView is what the page is made of.
type gateView struct {
	gate.Shown
	Operator, Contact, ContactText string
	Text                           string
	Style                          template.CSS
}

// GatePage writes the page for whoever does not pass the gate.
func (p *Portal) GatePage(lang language.Lang, s gate.Shown) []byte {
	var out bytes.Buffer
	v := gateView{Shown: s, Operator: p.Operator.Name.In(lang), Contact: p.Operator.Contact, ContactText: strings.TrimPrefix(p.Operator.Contact, "mailto:"), Text: s.Says.In(lang), Style: p.gate.style}
	if err := p.gate.sets[lang].Execute(&out, v); err != nil {
		p.Log.Error("the gate's page failed", "error", err)
		return []byte("<!doctype html><title>503</title>")
	}
	return out.Bytes()
}

// Paragraphs are those of what is said.
func (v gateView) Paragraphs() []string {
	var out []string
	for _, p := range strings.Split(strings.ReplaceAll(v.Text, "\r\n", "\n"), "\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}
