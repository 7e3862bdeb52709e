// Package portal is the door of people whose accounts are affected: what they see at a login that does not pass (gate.go), and where they set a
// new password. Some of it is sent from an application's own address, in the place of its page, and so is whole in itself.
package portal

import (
	"embed"
	"log/slog"

	"shirase/internal/page"
)

// The templates are those of pages that stand in the frame, and gate.html, which stands alone; gate.css is its style.
//
//go:embed assets templates
var embedded embed.FS

// Options of the door.
type Options struct {
	Operator page.Operator
	BaseURL  string       // of this instance; "": what a request was made to
	Log      *slog.Logger // nil: nothing is logged
}

// Portal is the door.
type Portal struct {
	Options
	frame *page.Frame
	gate  *gatePages
}

// pages are those that stand in the frame.
var pages = []string{}

// New parses what the door shows.
func New(o Options) (*Portal, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	frame, err := page.New(page.Options{Files: embedded, Pages: pages, Private: true, Operator: o.Operator, BaseURL: o.BaseURL, Log: o.Log})
	if err != nil {
		return nil, err
	}
	p := &Portal{Options: o, frame: frame}
	if p.gate, err = newGatePages(); err != nil {
		return nil, err
	}
	return p, nil
}
