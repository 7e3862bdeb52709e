package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"shirase/internal/outward"
	"shirase/internal/publish"
)

// lookOutside bounds one request to the public address, redirects and all.
const lookOutside = 15 * time.Second

// examineCertificate looks at the certificate that the settings name.
func (d *doctor) examineCertificate() {
	op := d.a.op()
	if op.TLS.CertificateFile == "" {
		return
	}
	const remedy = "put the renewed certificate and its key in their files; serve takes them up by itself"
	pair, err := tls.LoadX509KeyPair(op.TLS.CertificateFile, op.TLS.KeyFile)
	if err != nil {
		d.find("certificate", levelError, remedy, "the certificate in %s with the key in %s: %v", op.TLS.CertificateFile, op.TLS.KeyFile, bare(err))
		return
	}
	d.certificate(pair.Leaf, remedy)
}

// certificate tells when a certificate ends, and whether it is of the public address.
func (d *doctor) certificate(leaf *x509.Certificate, remedy string) {
	now := d.now()
	switch until := leaf.NotAfter.UTC().Format(time.RFC3339); {
	case !now.Before(leaf.NotAfter):
		d.find("certificate", levelError, remedy, "the certificate ended at %s: nobody can connect", until)
	case now.Add(certificateSoon).After(leaf.NotAfter):
		d.find("certificate", levelWarning, remedy, "the certificate ends at %s, and was not renewed", until)
	}
	if u, err := url.Parse(d.a.op().URL); err == nil && u.Scheme == "https" {
		if err := leaf.VerifyHostname(u.Hostname()); err != nil {
			d.find("certificate", levelError, "have one issued for "+u.Hostname()+", or correct the address: shirase config set url https://...", "the certificate is not of %s", u.Hostname())
		}
	}
}

// examineOutside asks the public address, as a visitor does, and compares what answers with this instance.
func (d *doctor) examineOutside(ctx context.Context) {
	base := strings.TrimSuffix(d.a.op().URL, "/")
	if !d.outside || base == "" {
		return
	}
	const lead = "see that DNS leads to this machine, that the proxy leads to where shirase listens, and that shirase serve runs"
	vkey, err := publish.RecordedKey(ctx, d.in.db)
	if err != nil {
		return // told already
	}
	ctx, cancel := context.WithTimeout(ctx, lookOutside)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/ledger/v1/key", nil)
	if err != nil {
		d.find("outside", levelError, "shirase config set url https://...", "the public address, %s, is none", base)
		return
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: d.roots}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: outward.Transport(transport)}).Do(req)
	var wrong *tls.CertificateVerificationError
	if errors.As(err, &wrong) {
		d.find("outside", levelError, "serve with the whole chain of certificates that the authority gave, for the name in the address", "at %s visitors are warned off: %v", base, wrong.Err)
		return
	}
	if err != nil {
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err
		}
		d.find("outside", levelError, lead, "from here nobody answers at %s: %v", base, err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	switch said := strings.TrimSpace(string(body)); {
	case err != nil || res.StatusCode != http.StatusOK:
		d.find("outside", levelError, lead, "%s answers %s where the ledger's key is", base, fmt.Sprint(res.StatusCode))
	case said != vkey:
		d.find("outside", levelError, lead, "at %s something else answers than this instance", base)
	}
	if res.TLS != nil && d.a.op().TLS.CertificateFile == "" {
		d.certificate(res.TLS.PeerCertificates[0], "see why the proxy, or shirase serve --domain, does not renew it: their logs say")
	}
}

// examineReceiver asks what figures are pushed to whether it would take them.
func (d *doctor) examineReceiver(ctx context.Context) {
	to, err := receiver(d.a.op())
	if err != nil {
		d.fail("metrics", err, "put the header in the file, or leave metrics.otlpHeaderFile out")
		return
	}
	if to == nil {
		return
	}
	if err := to.Try(ctx); err != nil {
		d.find("metrics", levelWarning, "see that the receiver runs, and that metrics.otlp is its address, path and all; 401 or 403: see to metrics.otlpHeaderFile",
			"figures are not taken where metrics.otlp has them pushed: %v", err)
	}
}
