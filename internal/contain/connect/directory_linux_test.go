package connect

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// certificate makes one for an address of this machine, as PEM files, and gives by what it is trusted.
func certificate(t *testing.T, folder, ip string) (cert, key string, roots *x509.CertPool) {
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
	secret, err := x509.MarshalPKCS8PrivateKey(k)
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
	return put("cert.pem", "CERTIFICATE", der), put("key.pem", "PRIVATE KEY", secret), roots
}

// start runs a server until the test ends, and waits until somebody is let in.
func start(t *testing.T, cmd *exec.Cmd, d *directory) {
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
		err := d.with(context.Background(), func(*ldap.Conn) error { return nil })
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

func slapd(t *testing.T) (d Directory) {
	t.Helper()
	program, err := exec.LookPath("slapd")
	if err != nil {
		if program = "/usr/sbin/slapd"; !executable(program) {
			t.Skip("there is no slapd here: run ./test, which installs it")
		}
	}
	folder := t.TempDir()
	cert, key, roots := certificate(t, folder, "127.0.0.1")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	if err := os.Mkdir(filepath.Join(folder, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
TLSCertificateFile %s
TLSCertificateKeyFile %s
pidfile %s/pid
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw secret-of-admin
directory %s/db
overlay ppolicy
`, cert, key, folder, folder)
	path := filepath.Join(folder, "slapd.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d = Directory{URL: "ldaps://" + address, User: "cn=admin,dc=example,dc=org", Password: "secret-of-admin", Base: "ou=people,dc=example,dc=org", Roots: roots, MustChange: true}
	ask := &directory{Directory: d}
	start(t, exec.CommandContext(context.Background(), program, "-h", "ldaps://"+address, "-f", path, "-d", "0"), ask)
	add := func(dn string, of map[string][]string) {
		t.Helper()
		r := ldap.NewAddRequest(dn, nil)
		for k, v := range of {
			r.Attribute(k, v)
		}
		if err := ask.with(t.Context(), func(c *ldap.Conn) error { return c.Add(r) }); err != nil {
			t.Fatal(err)
		}
	}
	add("dc=example,dc=org", map[string][]string{"objectClass": {"dcObject", "organization"}, "dc": {"example"}, "o": {"Example"}})
	add("ou=people,dc=example,dc=org", map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"people"}})
	for _, uid := range []string{"m1", "m2*(x)"} {
		add("uid="+ldap.EscapeDN(uid)+",ou=people,dc=example,dc=org", map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {"x"}, "sn": {"x"}, "userPassword": {stolen}})
	}
	t.Cleanup(func() { ask.Close() })
	return d
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

func tried(t *testing.T, c Connector, account string) func(string) bool {
	d := c.(*directory)
	t.Cleanup(func() { d.Close() })
	return func(password string) bool {
		var dn string
		if err := d.with(t.Context(), func(conn *ldap.Conn) (err error) { dn, err = d.find(conn, account); return err }); err != nil {
			t.Fatal(err)
		}
		is, err := d.takes(t.Context(), dn, password)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
}

// Debian's own slapd: the password modify operation, and pwdReset of its policy overlay.
func TestSlapd(t *testing.T) {
	d := slapd(t)
	c, err := NewLDAP(d)
	if err != nil {
		t.Fatal(err)
	}
	none := func() int { return -1 }
	for _, account := range []string{"m1", "m2*(x)"} {
		standing{Connector: c, account: account, takes: tried(t, c, account), sessions: none}.contract(t)
	}
	if _, err := c.Force(t.Context(), order("*")); err != ErrNoAccount {
		t.Errorf("a filter in an account's id: %v", err)
	}
	wrong := d
	wrong.Password = "not it"
	if c, err = NewLDAP(wrong); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Force(t.Context(), order("m1")); !isAway(err) {
		t.Errorf("of who is not let in: %v", err)
	}
	untrusted := d
	untrusted.Roots = x509.NewCertPool()
	if c, err = NewLDAP(untrusted); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Force(t.Context(), order("m1")); !isAway(err) {
		t.Errorf("of a certificate that nobody trusts: %v", err)
	}
}

func isAway(err error) bool { return err != nil && strings.Contains(err.Error(), ErrAway.Error()) }

// Debian's own Samba as a domain controller of Active Directory: it goes on taking the password before for a while, so that nothing is told of
// it; what was stolen is two passwords back, and refused at once.
func TestActiveDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a domain controller is made by root only")
	}
	for _, p := range []string{"samba", "samba-tool"} {
		if _, err := exec.LookPath(p); err != nil && !executable("/usr/sbin/"+p) {
			t.Skipf("there is no %s here: run ./test, which installs it", p)
		}
	}
	const address = "127.83.20.1"
	base := "/dev/shm" // what is forced to disk a thousand times is thrown away anyway
	if info, err := os.Stat(base); err != nil || !info.IsDir() {
		base = ""
	}
	folder, err := os.MkdirTemp(base, "dc") // Samba's sockets want a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	cert, key, roots := certificate(t, folder, address)
	made := exec.CommandContext(t.Context(), "samba-tool", "domain", "provision", "--realm=EXAMPLE.TEST", "--domain=EXAMPLE", "--server-role=dc", "--dns-backend=NONE", "--adminpass=Secret-of-Admin-1",
		"--targetdir="+folder, "--host-name=dc1", "--host-ip="+address, "--option=interfaces="+address+"/8", "--option=bind interfaces only=yes", "--option=server services=ldap", "--option=tls enabled=yes", "--option=tls certfile="+cert, "--option=tls keyfile="+key, "--option=tls cafile=")
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("samba-tool: %v: %s", err, out)
	}
	d := Directory{URL: "ldaps://" + address, User: "Administrator@example.test", Password: "Secret-of-Admin-1", Base: "CN=Users,DC=example,DC=test", Roots: roots, MustChange: true}
	ask := &directory{Directory: d}
	t.Cleanup(func() { ask.Close() })
	start(t, exec.CommandContext(context.Background(), "samba", "-i", "-M", "single", "-s", filepath.Join(folder, "etc/smb.conf")), ask)
	r := ldap.NewAddRequest("CN=m1,CN=Users,DC=example,DC=test", nil)
	r.Attribute("objectClass", []string{"user"})
	r.Attribute("sAMAccountName", []string{"m1"})
	r.Attribute("userAccountControl", []string{"512"})
	r.Attribute("unicodePwd", []string{quoted(stolen)})
	if err := ask.with(t.Context(), func(c *ldap.Conn) error { return c.Add(r) }); err != nil {
		t.Fatal(err)
	}
	c, err := NewActiveDirectory(d)
	if err != nil {
		t.Fatal(err)
	}
	takes := tried(t, c, "m1")
	standing{Connector: c, account: "m1", takes: takes, sessions: func() int { return -1 }, grace: true}.contract(t)
	if _, err := c.Reset(t.Context(), order("m1"), "x"); err == nil || !strings.Contains(err.Error(), ErrPassword.Error()) {
		t.Errorf("a password that its policy refuses: %v", err)
	}
	plain := d
	plain.URL = "ldap://" + address
	if _, err := NewActiveDirectory(plain); err == nil {
		t.Error("it takes passwords in the clear")
	}
}
