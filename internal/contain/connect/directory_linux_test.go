package connect

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"shirase/internal/contain/connect/slapdtest"
)

// slapd is Debian's own, with two accounts in it.
func slapd(t *testing.T) Directory {
	t.Helper()
	s := slapdtest.Start(t, slices.Values([]slapdtest.Account{{UID: "m1", Password: stolen}, {UID: "m2*(x)", Password: stolen}}))
	return Directory{URL: s.URL, User: s.User, Password: s.Password, Base: s.Base, Roots: s.Roots, MustChange: true}
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

// Many accounts take two connections, one of who may set passwords and one of nobody, by which passwords are tried: not a handshake each.
// Where the directory has closed that one, there is another; and one that a password has opened is not used again.
func TestTriesShareAConnection(t *testing.T) {
	d := slapd(t)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close() })
	came, at := make(chan net.Conn, 16), strings.TrimPrefix(d.URL, "ldaps://")
	go func() {
		for {
			one, err := front.Accept()
			if err != nil {
				return
			}
			other, err := net.Dial("tcp", at)
			if err != nil {
				one.Close()
				continue
			}
			came <- one
			go func() { io.Copy(other, one); other.Close() }()
			go func() { io.Copy(one, other); one.Close() }()
		}
	}()
	d.URL = "ldaps://" + front.Addr().String()
	made, err := NewLDAP(d)
	if err != nil {
		t.Fatal(err)
	}
	c := made.(*directory)
	t.Cleanup(func() { c.Close() })
	force := func() {
		t.Helper()
		for _, account := range []string{"m1", "m2*(x)", "m1", "m2*(x)"} {
			if out, err := c.Force(t.Context(), order(account)); err != nil || out.Refused != Yes {
				t.Fatalf("%+v, %v", out, err)
			}
		}
	}
	force()
	if n := len(came); n != 2 {
		t.Fatalf("%d connections for four accounts, want 2", n)
	}
	<-came
	(<-came).Close() // the later one is the one of nobody
	force()
	if n := len(came); n != 1 {
		t.Errorf("%d connections more after one was closed, want 1", n)
	}
	if _, err := c.Reset(t.Context(), order("m1"), "midori no densha"); err != nil {
		t.Fatal(err)
	}
	for _, conn := range c.nobody {
		if who, err := conn.WhoAmI(nil); err != nil || who.AuthzID != "" {
			t.Errorf("a kept connection is of %q, %v", who, err)
		}
	}
	if len(c.nobody) == 0 {
		t.Error("no connection of nobody is kept")
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
	cert, key, roots := slapdtest.Certificate(t, folder, address)
	made := exec.CommandContext(t.Context(), "samba-tool", "domain", "provision", "--realm=EXAMPLE.TEST", "--domain=EXAMPLE", "--server-role=dc", "--dns-backend=NONE", "--adminpass=Secret-of-Admin-1",
		"--targetdir="+folder, "--host-name=dc1", "--host-ip="+address, "--option=interfaces="+address+"/8", "--option=bind interfaces only=yes", "--option=server services=ldap", "--option=tls enabled=yes", "--option=tls certfile="+cert, "--option=tls keyfile="+key, "--option=tls cafile=")
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("samba-tool: %v: %s", err, out)
	}
	d := Directory{URL: "ldaps://" + address, User: "Administrator@example.test", Password: "Secret-of-Admin-1", Base: "CN=Users,DC=example,DC=test", Roots: roots, MustChange: true}
	ask := &directory{Directory: d}
	t.Cleanup(func() { ask.Close() })
	slapdtest.Run(t, exec.Command("samba", "-i", "-M", "single", "-s", filepath.Join(folder, "etc/smb.conf")), func() error {
		return ask.with(context.Background(), func(*ldap.Conn) error { return nil })
	})
	var c Connector
	for _, must := range []bool{true, false} {
		account := fmt.Sprintf("must-%v", must)
		r := ldap.NewAddRequest("CN="+account+",CN=Users,DC=example,DC=test", nil)
		r.Attribute("objectClass", []string{"user"})
		r.Attribute("sAMAccountName", []string{account})
		r.Attribute("userAccountControl", []string{"512"})
		r.Attribute("unicodePwd", []string{quoted(stolen)})
		if err := ask.with(t.Context(), func(c *ldap.Conn) error { return c.Add(r) }); err != nil {
			t.Fatal(err)
		}
		d.MustChange = must
		if c, err = NewActiveDirectory(d); err != nil {
			t.Fatal(err)
		}
		standing{Connector: c, account: account, takes: tried(t, c, account), sessions: func() int { return -1 }, grace: true, must: must}.contract(t)
	}
	if _, err := c.Reset(t.Context(), order("must-false"), "x"); err == nil || !strings.Contains(err.Error(), ErrPassword.Error()) {
		t.Errorf("a password that its policy refuses: %v", err)
	}
	plain := d
	plain.URL = "ldap://" + address
	if _, err := NewActiveDirectory(plain); err == nil {
		t.Error("it takes passwords in the clear")
	}
}
