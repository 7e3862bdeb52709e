package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"

	"shirase/internal/hint"
	"shirase/internal/serve"
)

// errNoURL refuses to serve to others what would call itself as the last visitor did.
var errNoURL = errors.New("where people reach this instance is not known")

// reachable refuses a listener that others than this machine reach, where the instance's address is not known: the host that a
// visitor's request names would stand in feeds, notices and the home page's own command, and caches would keep it for everybody.
func (a *app) reachable(l net.Listener) error {
	remedy := "say it: shirase config set url https://... (or --url); with a name of its own and no proxy in front: shirase config set domain NAME"
	switch op := a.op(); {
	case op.URL != "":
		return nil
	case !serve.Local(l.Addr()):
		return hint.Add(fmt.Errorf("serve on %s, which others can reach: %w", l.Addr(), errNoURL), remedy)
	case len(op.Proxies) > 0:
		return hint.Add(fmt.Errorf("serve behind a proxy: %w", errNoURL), remedy)
	}
	return nil
}

// putOnNet gives a server the certificate of its name, and leads plain HTTP to it, where the settings say so. What it opened is
// closed by withdraw, when the server is over.
func (a *app) putOnNet(server *serve.Server, log *slog.Logger) (withdraw func(), err error) {
	op, close := a.op(), []func() error{}
	withdraw = func() {
		for _, c := range close {
			c()
		}
	}
	defer func() {
		if err != nil {
			withdraw()
		}
	}()
	server.At(op.URL)
	var issued *serve.Issued
	if op.Domain != "" {
		issued, err = serve.ACME{Domain: op.Domain, Contact: op.ACME.Contact, Directory: op.ACME.Directory, Roots: op.ACME.RootsFile, Folder: op.CertificatesDir()}.Open(log)
		if err != nil {
			return nil, err
		}
		close = append(close, issued.Close)
	}
	if op.Redirect != "" {
		plain, err := listen(op.Redirect)
		if err != nil {
			return nil, err
		}
		close = append(close, plain.Close)
		if issued == nil {
			server.Lead(plain, nil)
		} else {
			server.Lead(plain, issued.Answer)
		}
	}
	if issued != nil {
		server.Certify(issued)
	}
	return withdraw, nil
}

// announced has ready be told the address that people use, where a certificate is had for it, and then systemd that it serves.
func (a *app) announced(ready func(url string) error) func(url string) error {
	return func(url string) error {
		if a.op().Domain != "" {
			url = a.op().URL
		}
		if err := ready(url); err != nil {
			return err
		}
		return serve.Notify("READY=1")
	}
}

// listen is serve.Listen with what to do about ports that only root may open.
func listen(addr string) (net.Listener, error) {
	l, err := serve.Listen(addr)
	if errors.Is(err, fs.ErrPermission) {
		err = hint.Add(err, "ports below 1024 are for root and for what is allowed to open them: run it by the systemd unit (shirase setup writes it), or: setcap cap_net_bind_service=+ep on the program")
	}
	return l, err
}
