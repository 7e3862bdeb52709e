package serve

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"shirase/internal/hint"
)

// Certificate serves TLS with what two PEM files hold: a chain of certificates, the server's own first, and its private
// key. Files that are renewed are taken up at the next connection. A pair that cannot be read then is logged, and the one
// before goes on being served.
func Certificate(certificateFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	p := &pair{files: [2]string{certificateFile, keyFile}, log: log}
	if err := p.load(); err != nil {
		return nil, hint.Add(fmt.Errorf("read the certificate: %w", err), "both files are PEM: the chain with the server's own certificate first, and the key that belongs to it")
	}
	return &tls.Config{GetCertificate: p.get}, nil
}

// pair is a certificate and its key.
type pair struct {
	files [2]string
	log   *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	read   [2]os.FileInfo // the files as they were when they were read last
}

func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now, err := p.stat(); err == nil && p.changed(now) {
		if err := p.load(); err != nil {
			p.read = now // not again until they change again
			p.log.Warn("a changed certificate cannot be read, and the one before is served", "error", err)
		} else {
			p.log.Info("a changed certificate is served", "ends", p.loaded.Leaf.NotAfter)
		}
	}
	return p.loaded, nil
}

func (p *pair) load() error {
	read, err := p.stat()
	if err != nil {
		return err
	}
	c, err := tls.LoadX509KeyPair(p.files[0], p.files[1])
	if err != nil {
		return err
	}
	p.loaded, p.read = &c, read
	return nil
}

func (p *pair) stat() (infos [2]os.FileInfo, err error) {
	for i, name := range p.files {
		if infos[i], err = os.Stat(name); err != nil {
			return infos, err
		}
	}
	return infos, nil
}

func (p *pair) changed(now [2]os.FileInfo) bool {
	for i, before := range p.read {
		if !os.SameFile(before, now[i]) || before.Size() != now[i].Size() || !before.ModTime().Equal(now[i].ModTime()) {
			return true
		}
	}
	return false
}
