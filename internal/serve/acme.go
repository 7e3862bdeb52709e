package serve

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/outward"
)

// LetsEncrypt is the directory of the authority that is asked where nobody says another.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// ErrCertificate says that no certificate could be had from an authority.
var ErrCertificate = errors.New("get a certificate")

// ACME is where the certificate of a name comes from (RFC 8555).
type ACME struct {
	Domain    string // the name, as DNS has it
	Contact   string // an address of mail, for the authority; "": none
	Directory string // URL of the authority's directory
	Roots     string // PEM file of the certificates by which the directory's own is trusted; "": the system's
	Folder    string // of the account's key, and of the certificate with its key
}

// Issued is a certificate that is had from an authority and renewed in time. Visitors never cause one to be asked for: authorities
// count attempts. A certificate that was had is served again after a restart, whether the authority answers or not.
type Issued struct {
	acme   ACME
	log    *slog.Logger
	client *http.Client
	now    func() time.Time
	dir    *files.Dir

	mu      sync.Mutex
	served  *tls.Certificate            // nil until there is one
	proofs  map[string]*tls.Certificate // of RFC 8737, while the authority looks; by name
	answers map[string]string           // of http-01, by path
	plain   bool                        // http-01 is answered, as Answer is mounted
}

// Names of files in a folder of certificates. A certificate is in one file with its key, so that the two are never of
// different ages.
const (
	accountFile     = "account.pem"
	certificateFile = "certificate.pem"
	maxPEM          = 1 << 20
)

// Open takes up what an earlier run got.
func (a ACME) Open(log *slog.Logger) (*Issued, error) {
	u, err := url.Parse(a.Directory)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%w: %q is not the address of an authority's directory", ErrCertificate, a.Directory)
	}
	i := &Issued{acme: a, log: log, now: time.Now, proofs: map[string]*tls.Certificate{}, answers: map[string]string{}}
	if i.client, err = a.http(); err != nil {
		return nil, err
	}
	// What a trial authority gave is not taken for the real one's.
	if i.dir, err = files.Open(filepath.Join(a.Folder, strings.ReplaceAll(u.Host, ":", "_"), a.Domain)); err != nil {
		return nil, hint.Add(fmt.Errorf("open the folder of certificates: %w", err), "choose a folder that may be written: shirase config set acme.folder DIR")
	}
	b, err := i.dir.Get(certificateFile, maxPEM)
	if err == nil {
		var c tls.Certificate
		if c, err = tls.X509KeyPair(b, b); err == nil && c.Leaf.VerifyHostname(a.Domain) == nil && i.now().Before(c.Leaf.NotAfter) {
			i.served = &c
		}
	}
	if err != nil && !errors.Is(err, files.ErrNotExist) {
		log.Warn("the certificate that was kept cannot be read, and another is asked for", "error", err)
	}
	return i, nil
}

// http makes the client that the authority is asked with.
func (a ACME) http() (*http.Client, error) {
	client := &http.Client{Transport: outward.Transport(nil), Timeout: time.Minute}
	if a.Roots == "" {
		return client, nil
	}
	b, err := os.ReadFile(a.Roots)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("read the authority's own certificates: %w", err), "acme.rootsFile names a PEM file; without it the system's are used")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("read the authority's own certificates: %s holds none in PEM", a.Roots)
	}
	client.Transport = outward.Transport(&http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true})
	return client, nil
}

// Close releases the folder.
func (i *Issued) Close() error { return i.dir.Close() }

// TLS serves the certificate, and proves to the authority that this is the name's server (RFC 8737).
func (i *Issued) TLS() *tls.Config {
	return &tls.Config{NextProtos: []string{"h2", "http/1.1", acme.ALPNProto}, GetCertificate: i.get}
}

func (i *Issued) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto {
		if c := i.proofs[strings.ToLower(hello.ServerName)]; c != nil {
			return c, nil
		}
		return nil, fmt.Errorf("%w: nothing is to be proven of that name", ErrCertificate)
	}
	if i.served == nil {
		return nil, fmt.Errorf("%w: there is none yet", ErrCertificate)
	}
	return i.served, nil
}

// challengePath is where an authority looks for a proof (RFC 8555, 8.3).
const challengePath = "/.well-known/acme-challenge/"

// Answer proves to the authority, over plain HTTP, that this is the name's server; next answers everything else.
func (i *Issued) Answer(next http.Handler) http.Handler {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.plain = true
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, challengePath) {
			next.ServeHTTP(w, r)
			return
		}
		i.mu.Lock()
		answer, ok := i.answers[r.URL.Path]
		i.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprint(w, answer)
	})
}

// Bounds of trying again. Authorities count refused proofs (Let's Encrypt: 5 an hour), and not that nobody reached them.
const (
	soonest      = 5 * time.Second
	afterRefusal = 2 * time.Minute
	latest       = time.Hour
)

// Keep gets the certificate where there is none, and renews it when a third of its life is left, until ctx ends. What does
// not succeed is told, and tried again.
func (i *Issued) Keep(ctx context.Context, failed func(error)) {
	for failures := 0; ctx.Err() == nil; {
		wait := i.left()
		if wait <= 0 {
			ways := i.ways()
			err := i.issue(ctx, ways[failures%len(ways)])
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				failures = 0
				continue
			}
			wait = retryAfter(err, failures)
			failures++
			i.log.Error("there is no new certificate", "domain", i.acme.Domain, "error", err, "hint", hint.Of(err), "again", wait.Round(time.Second), "ends", i.Ends())
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(wait, latest)): // a machine that slept finds out when it wakes
		}
	}
}

// retryAfter is how long to wait after so many failures.
func retryAfter(err error, failures int) time.Duration {
	wait := soonest
	var refused *acme.AuthorizationError
	if errors.As(err, &refused) {
		wait = afterRefusal
	}
	wait = min(wait<<min(failures, 16), latest)
	if said, limited := rateLimited(err); limited {
		wait = max(wait, min(said, 24*time.Hour))
	}
	return wait
}

func rateLimited(err error) (time.Duration, bool) {
	var e *acme.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return acme.RateLimit(e)
}

// Ends is when the certificate that is served ends; the zero time where there is none.
func (i *Issued) Ends() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.served == nil {
		return time.Time{}
	}
	return i.served.Leaf.NotAfter
}

// left is how long it is until the certificate has to be renewed.
func (i *Issued) left() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.served == nil {
		return 0
	}
	leaf := i.served.Leaf
	return leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3).Sub(i.now())
}

// ways are the proofs that can be given, the likeliest first.
func (i *Issued) ways() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.plain {
		return []string{"http-01", "tls-alpn-01"}
	}
	return []string{"tls-alpn-01"}
}

// issue gets a certificate with a key of its own, and serves it.
func (i *Issued) issue(ctx context.Context, way string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	client, err := i.account(ctx)
	if err != nil {
		return explain(i.acme, way, err)
	}
	order, err := client.AuthorizeOrder(ctx, acme.DomainIDs(i.acme.Domain))
	for _, u := range orderURLs(order) {
		if err == nil {
			err = i.prove(ctx, client, u, way)
		}
	}
	if err == nil {
		_, err = client.WaitOrder(ctx, order.URI)
	}
	if err != nil {
		return explain(i.acme, way, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{i.acme.Domain}}, key)
	if err != nil {
		return err
	}
	chain, _, err := client.CreateCertFromOrder(ctx, order, request, true)
	if err != nil {
		return explain(i.acme, way, err)
	}
	return i.take(key, chain)
}

func orderURLs(o *acme.Order) []string {
	if o == nil {
		return nil
	}
	return o.AuthzURLs
}

// take keeps a certificate, and then serves it.
func (i *Issued) take(key *ecdsa.PrivateKey, chain [][]byte) error {
	text, err := keyPEM(key)
	if err != nil {
		return err
	}
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	c, err := tls.X509KeyPair(text, text)
	if err == nil {
		err = c.Leaf.VerifyHostname(i.acme.Domain)
	}
	if err != nil {
		return fmt.Errorf("%w: the authority's is of no use: %w", ErrCertificate, err)
	}
	if err := i.dir.Put(certificateFile, text); err != nil {
		return fmt.Errorf("%w: keep it: %w", ErrCertificate, err)
	}
	i.mu.Lock()
	i.served = &c
	i.mu.Unlock()
	i.log.Info("a certificate is served", "domain", i.acme.Domain, "ends", c.Leaf.NotAfter)
	return nil
}

// account is the authority's client, with an account there.
func (i *Issued) account(ctx context.Context) (*acme.Client, error) {
	key, err := i.accountKey()
	if err != nil {
		return nil, err
	}
	client := &acme.Client{Key: key, HTTPClient: i.client, DirectoryURL: i.acme.Directory, UserAgent: "shirase"}
	account := &acme.Account{}
	if i.acme.Contact != "" {
		account.Contact = []string{"mailto:" + i.acme.Contact}
	}
	if _, err := client.Register(ctx, account, acme.AcceptTOS); err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, err
	}
	return client, nil
}

// accountKey loads the account's key, or makes it.
func (i *Issued) accountKey() (crypto.Signer, error) {
	b, err := i.dir.Get(accountFile, maxPEM)
	if errors.Is(err, files.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		text, err := keyPEM(key)
		if err == nil {
			err = i.dir.Put(accountFile, text)
		}
		return key, err
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, hint.Add(errors.New("the key of the account at the authority is damaged"), "remove "+accountFile+" in the folder of certificates: another account is made")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := key.(crypto.Signer)
	if err == nil && !ok {
		err = errors.New("the key of the account at the authority cannot sign")
	}
	return signer, err
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// prove proves one authorization of an order, in one way.
func (i *Issued) prove(ctx context.Context, client *acme.Client, authorization, way string) error {
	z, err := client.GetAuthorization(ctx, authorization)
	if err != nil || z.Status == acme.StatusValid {
		return err
	}
	var challenge *acme.Challenge
	for _, c := range z.Challenges {
		if c.Type == way {
			challenge = c
		}
	}
	if challenge == nil {
		return fmt.Errorf("the authority does not take the proof %s", way)
	}
	if way == "http-01" {
		answer, err := client.HTTP01ChallengeResponse(challenge.Token)
		if err != nil {
			return err
		}
		defer hold(i, i.answers, client.HTTP01ChallengePath(challenge.Token), answer)()
	} else {
		proof, err := client.TLSALPN01ChallengeCert(challenge.Token, z.Identifier.Value)
		if err != nil {
			return err
		}
		defer hold(i, i.proofs, z.Identifier.Value, &proof)()
	}
	if _, err := client.Accept(ctx, challenge); err != nil {
		return err
	}
	_, err = client.WaitAuthorization(ctx, z.URI)
	return err
}

// hold has a proof be answered until the end is called.
func hold[T any](i *Issued, in map[string]T, name string, proof T) (end func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	in[name] = proof
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		delete(in, name)
	}
}

// explain says what an authority's refusal means, and what to do about it.
func explain(a ACME, way string, err error) error {
	port := map[string]string{"http-01": "80", "tls-alpn-01": "443"}[way]
	var refused *acme.AuthorizationError
	var problem *acme.Error
	if errors.As(err, &refused) && len(refused.Errors) > 0 {
		errors.As(refused.Errors[0], &problem)
	} else {
		errors.As(err, &problem)
	}
	if problem == nil {
		return hint.Add(fmt.Errorf("%w for %s: %w", ErrCertificate, a.Domain, err), "see that this machine reaches "+a.Directory)
	}
	kind := problem.ProblemType[strings.LastIndexByte(problem.ProblemType, ':')+1:]
	remedy := "see that the A and AAAA records of " + a.Domain + " lead to this machine and nowhere else, and that its port " + port + " is reached from outside: firewall, forwarding"
	switch kind {
	case "caa":
		remedy = "a CAA record of " + a.Domain + " does not allow this authority: add it, or take the record away"
	case "rateLimited":
		remedy = "the authority has given enough for now: it is asked again by itself"
	}
	return hint.Add(&refusal{fmt.Sprintf("%v for %s by %s: the authority says %s: %s", ErrCertificate, a.Domain, way, kind, problem.Detail), err}, remedy)
}

// refusal is an authority's, in one line.
type refusal struct {
	text string
	err  error
}

func (r *refusal) Error() string   { return r.text }
func (r *refusal) Unwrap() []error { return []error{ErrCertificate, r.err} }
