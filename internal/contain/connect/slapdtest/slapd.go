// Package slapdtest starts a real OpenLDAP server for a test, with accounts in it.
package slapdtest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"iter"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Account is one person's entry.
type Account struct {
	UID, Mail string
	Password  string // as it is kept: in the clear, or "{SSHA}..."
}

// Server is a running slapd.
type Server struct {
	URL, User, Password, Base string
	RootsFile                 string // by which its certificate is trusted
	Roots                     *x509.CertPool
}

const (
	suffix = "dc=example,dc=org"
	people = "ou=people," + suffix
	secret = "secret-of-admin"
)

// Start starts one with these accounts, until the test ends. Where there is no slapd, the test is skipped.
func Start(t testing.TB, accounts iter.Seq[Account]) Server {
	t.Helper()
	slapd, slapadd := program(t, "slapd"), program(t, "slapadd")
	folder := t.TempDir()
	cert, key, roots := Certificate(t, folder, "127.0.0.1")
	if err := os.Mkdir(filepath.Join(folder, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(folder, "slapd.conf")
	// What a crash would lose is thrown away anyway, so nothing is forced to disk. The size is that of a sparse file. Each search also looks for
	// referrals, by objectClass: without an index of it, slapd reads every account for each.
	text := fmt.Sprintf(`include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
TLSCertificateFile %s
TLSCertificateKeyFile %s
pidfile %s/pid
sizelimit unlimited
database mdb
suffix "%s"
rootdn "cn=admin,%s"
rootpw %s
directory %s/db
maxsize 17179869184
envflags nosync
index objectClass,uid,mail eq
overlay ppolicy
`, cert, key, folder, suffix, suffix, secret, folder)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(folder, "accounts.ldif")
	if err := write(list, accounts); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), slapadd, "-q", "-f", config, "-l", list).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v: %s", err, out)
	}
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	Run(t, exec.Command(slapd, "-h", "ldaps://"+address, "-f", config, "-d", "0"), func() error {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	return Server{URL: "ldaps://" + address, User: "cn=admin," + suffix, Password: secret, Base: people, RootsFile: cert, Roots: roots}
}

func program(t testing.TB, name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path := "/usr/sbin/" + name
	if info, err := os.Stat(path); err != nil || info.Mode()&0o111 == 0 {
		t.Skipf("there is no %s here: run ./test, which installs it", name)
	}
	return path
}

// write writes the directory as LDIF (RFC 2849).
func write(path string, accounts iter.Seq[Account]) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "dn: %s\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\ndn: %s\nobjectClass: organizationalUnit\nou: people\n\n", suffix, people)
	for a := range accounts {
		fmt.Fprintf(w, "dn: uid=%s,%s\nobjectClass: inetOrgPerson\nuid: %s\ncn: x\nsn: x\nuserPassword: %s\n", a.UID, people, a.UID, a.Password)
		if a.Mail != "" {
			fmt.Fprintf(w, "mail: %s\n", a.Mail)
		}
		w.WriteByte('\n')
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// Run runs a server until the test ends, and waits until it answers.
func Run(t testing.TB, cmd *exec.Cmd, answers func() error) {
	t.Helper()
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := answers()
		if err == nil {
			return
		}
		select {
		case <-ended:
			ended <- nil
			t.Fatalf("it ended: %s", said.String())
		default:
		}
		if time.Since(begin) > 2*time.Minute {
			t.Fatalf("it does not answer: %v: %s", err, said.String())
		}
	}
}

// Certificate makes one for an address of this machine, as PEM files, and gives by what it is trusted.
func Certificate(t testing.TB, folder, ip string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a directory of tests"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.ParseIP(ip)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, kind string, b []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return put("cert.pem", "CERTIFICATE", der), put("key.pem", "PRIVATE KEY", private), roots
}
