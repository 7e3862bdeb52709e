package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"

	"shirase/internal/hint"
	"shirase/internal/outward"
)

// Directory is where an LDAP directory is, and as whom it is asked.
type Directory struct {
	URL      string // ldaps://..., or ldap://... which is encrypted before anything else (StartTLS)
	User     string // name (DN) of who may set passwords
	Password string
	Base     string // below which accounts are looked for
	Filter   string // by which an account is found; %s is its id
	Roots    *x509.CertPool
	// MustChange asks the directory itself to have the password changed at the next login, also of who comes in by another door.
	MustChange bool
	// Grace is for how long the directory may go on taking an old password; 0 is an hour in Active Directory, and nothing elsewhere.
	Grace time.Duration
}

// directory is what LDAP and Active Directory have in common. Old passwords are tried out: before the one that stays, one is set that nobody
// knows; while the directory takes that one, it takes old passwords. So nobody's old password has to be known, and what was stolen is two
// passwords back.
type directory struct {
	Directory
	kind string
	set  func(conn *ldap.Conn, dn, password string) error
	must func(conn *ldap.Conn, dn string, is bool) error

	mu     sync.Mutex
	idle   []*ldap.Conn // of who may set passwords
	nobody []*ldap.Conn // of nobody, by which passwords are tried
}

const (
	idleMost = 32
	dialFor  = 10 * time.Second
)

func (d *directory) check(filter string) error {
	u, err := url.Parse(d.URL)
	if err != nil || u.Host == "" || u.Scheme != "ldaps" && u.Scheme != "ldap" || u.User != nil {
		return hint.Add(fmt.Errorf("%w: that is no address of a directory", ErrSettings), "such as ldaps://dc1.example.org")
	}
	if d.Filter == "" {
		d.Filter = filter
	}
	if strings.Count(d.Filter, "%s") != 1 || strings.Count(d.Filter, "%") != 1 {
		return fmt.Errorf("%w: the filter has one %%s, for the account's id", ErrSettings)
	}
	if _, err := ldap.CompileFilter(fmt.Sprintf(d.Filter, "x")); err != nil {
		return fmt.Errorf("%w: the filter cannot be read", ErrSettings)
	}
	if d.User == "" || d.Password == "" || d.Base == "" {
		return fmt.Errorf("%w: who asks the directory, the password, or where accounts are, is not set", ErrSettings)
	}
	return nil
}

// NewLDAP makes a connector of a directory that has the password modify operation (RFC 3062).
func NewLDAP(d Directory) (Connector, error) {
	out := &directory{Directory: d, kind: "ldap"}
	out.set = func(conn *ldap.Conn, dn, password string) error {
		_, err := conn.PasswordModify(ldap.NewPasswordModifyRequest(dn, "", password))
		return err
	}
	out.must = func(conn *ldap.Conn, dn string, is bool) error { // draft-behera-ldap-password-policy, 5.3.7
		m := ldap.NewModifyRequest(dn, nil)
		value := map[bool]string{true: "TRUE", false: "FALSE"}[is]
		m.Replace("pwdReset", []string{value})
		return conn.Modify(m)
	}
	return out, out.check("(uid=%s)")
}

// NewActiveDirectory makes a connector of a domain controller, which is asked over LDAPS: it takes passwords no other way, and does not know
// RFC 3062.
func NewActiveDirectory(d Directory) (Connector, error) {
	out := &directory{Directory: d, kind: "active directory"}
	if out.Grace == 0 {
		out.Grace = time.Hour // OldPasswordAllowedPeriod
	}
	out.set = func(conn *ldap.Conn, dn, password string) error {
		m := ldap.NewModifyRequest(dn, nil)
		m.Replace("unicodePwd", []string{quoted(password)})
		return conn.Modify(m)
	}
	out.must = func(conn *ldap.Conn, dn string, is bool) error {
		m := ldap.NewModifyRequest(dn, nil)
		m.Replace("pwdLastSet", []string{map[bool]string{true: "0", false: "-1"}[is]})
		return conn.Modify(m)
	}
	if err := out.check("(&(objectCategory=person)(objectClass=user)(sAMAccountName=%s))"); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(d.URL, "ldaps://") {
		return nil, hint.Add(fmt.Errorf("%w: Active Directory takes passwords over LDAPS only", ErrSettings), "give it as ldaps://")
	}
	return out, nil
}

// quoted is a password as unicodePwd takes it: in quotes, UTF-16 with the low byte first (MS-ADTS, 3.1.1.3.1.5).
func quoted(password string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// dial opens a connection that is encrypted.
func (d *directory) dial(ctx context.Context) (*ldap.Conn, error) {
	if err := outward.Check(ctx, "reach the directory"); err != nil {
		return nil, err
	}
	u, err := url.Parse(d.URL)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: d.Roots, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	dialer := &net.Dialer{Timeout: dialFor}
	if deadline, ok := ctx.Deadline(); ok {
		dialer.Deadline = deadline
	}
	conn, err := ldap.DialURL(d.URL, ldap.DialWithDialer(dialer), ldap.DialWithTLSConfig(config))
	if err != nil {
		return nil, err
	}
	conn.SetTimeout(answerFor)
	if u.Scheme == "ldap" {
		if err := conn.StartTLS(config); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// with does something by a connection of who may set passwords.
func (d *directory) with(ctx context.Context, do func(conn *ldap.Conn) error) error {
	conn := d.kept(&d.idle)
	if conn == nil {
		var err error
		if conn, err = d.dial(ctx); err != nil {
			if errors.Is(err, outward.ErrShut) {
				return err
			}
			return fmt.Errorf("%w: it cannot be reached", ErrAway)
		}
		if err := conn.Bind(d.User, d.Password); err != nil {
			conn.Close()
			return fmt.Errorf("%w: it does not let us in", ErrAway)
		}
	}
	err := do(conn)
	if ldap.IsErrorWithCode(err, ldap.ErrorNetwork) || ldap.IsErrorWithCode(err, ldap.LDAPResultTimeout) {
		conn.Close()
		return said(err)
	}
	d.keep(&d.idle, conn)
	return said(err)
}

// kept takes a connection out of those that are kept; nil: there is none.
func (d *directory) kept(of *[]*ldap.Conn) *ldap.Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := len(*of); n > 0; n-- {
		conn := (*of)[n-1]
		if *of = (*of)[:n-1]; !conn.IsClosing() {
			return conn
		}
		conn.Close()
	}
	return nil
}

func (d *directory) keep(of *[]*ldap.Conn, conn *ldap.Conn) {
	d.mu.Lock()
	if len(*of) < idleMost {
		*of = append(*of, conn)
		conn = nil
	}
	d.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
}

// said is what a directory's answer means. Its words may have names in them.
func said(err error) error {
	var known *ldap.Error
	if !errors.As(err, &known) {
		return err
	}
	switch known.ResultCode {
	case ldap.ErrorNetwork, ldap.LDAPResultUnavailable, ldap.LDAPResultBusy, ldap.LDAPResultServerDown, ldap.LDAPResultConnectError:
		return fmt.Errorf("%w: LDAP result %d", ErrAway, known.ResultCode)
	case ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultProtocolError, ldap.LDAPResultUndefinedAttributeType:
		return fmt.Errorf("%w: LDAP result %d: it does not let us do this", ErrAway, known.ResultCode) // for any account
	case ldap.LDAPResultNoSuchObject:
		return ErrNoAccount
	case ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform:
		return fmt.Errorf("%w: LDAP result %d", ErrPassword, known.ResultCode)
	}
	return fmt.Errorf("LDAP result %d", known.ResultCode)
}

// find gives an account's name.
func (d *directory) find(conn *ldap.Conn, account string) (string, error) {
	res, err := conn.Search(ldap.NewSearchRequest(d.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, int(answerFor/time.Second), false,
		fmt.Sprintf(d.Filter, ldap.EscapeFilter(account)), []string{"1.1"}, nil))
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return "", err
	}
	switch {
	case res == nil || len(res.Entries) == 0:
		return "", ErrNoAccount
	case len(res.Entries) > 1:
		return "", fmt.Errorf("%w: several entries have this id", ErrRefused)
	}
	return res.Entries[0].DN, nil
}

// Force sets two passwords that nobody knows, one after the other: what was stolen is two back then.
func (d *directory) Force(ctx context.Context, o Order) (Outcome, error) {
	var dn string
	err := d.with(ctx, func(conn *ldap.Conn) (err error) {
		if dn, err = d.find(conn, o.Account); err != nil {
			return err
		}
		for _, name := range []string{"before", "now"} {
			if err := d.set(conn, dn, o.unknown(name)); err != nil {
				if errors.Is(said(err), ErrPassword) { // no policy is set that it breaks by being guessable
					return fmt.Errorf("%w: %w", ErrRefused, said(err))
				}
				return err
			}
		}
		if d.MustChange {
			return d.must(conn, dn, true)
		}
		return nil
	})
	if err != nil {
		return Outcome{}, err
	}
	return d.old(ctx, dn, o, "before")
}

// Reset sets one that nobody knows, and then the one that was chosen, and tries that one.
func (d *directory) Reset(ctx context.Context, o Order, password string) (Outcome, error) {
	var dn string
	err := d.with(ctx, func(conn *ldap.Conn) (err error) {
		if dn, err = d.find(conn, o.Account); err != nil {
			return err
		}
		if err := d.set(conn, dn, o.unknown("chosen")); err != nil {
			return err
		}
		if err := d.set(conn, dn, password); err != nil {
			return err
		}
		if d.MustChange { // they have changed it
			return d.must(conn, dn, false)
		}
		return nil
	})
	if err != nil {
		return Outcome{}, err
	}
	if taken, err := d.takes(ctx, dn, password); err != nil || !taken {
		return Outcome{}, errors.Join(err, errors.New("the directory does not take the password that was set"))
	}
	return d.old(ctx, dn, o, "chosen")
}

// Again tries the one before again.
func (d *directory) Again(ctx context.Context, o Order) (Outcome, error) {
	var dn string
	if err := d.with(ctx, func(conn *ldap.Conn) (err error) { dn, err = d.find(conn, o.Account); return err }); err != nil {
		return Outcome{}, err
	}
	name := "before"
	if o.Chosen {
		name = "chosen"
	}
	return d.old(ctx, dn, o, name)
}

// old says whether the password before is refused.
func (d *directory) old(ctx context.Context, dn string, o Order, name string) (Outcome, error) {
	out := Outcome{Refused: Yes, Ended: Nothing}
	taken, err := d.takes(ctx, dn, o.unknown(name))
	switch {
	case err != nil: // what was set is set; whether the old one goes on is not known yet
		out.Refused, out.Again = Pending, time.Minute
	case taken:
		out.Refused, out.Again = Pending, d.Grace+time.Minute
	}
	return out, nil
}

// Same tries a password: it is the account's where the directory takes it.
func (d *directory) Same(ctx context.Context, account, password string) (same, known bool, err error) {
	var dn string
	if err := d.with(ctx, func(conn *ldap.Conn) (err error) { dn, err = d.find(conn, account); return err }); err != nil {
		return false, false, err
	}
	same, err = d.takes(ctx, dn, password)
	return same, err == nil, err
}

// takes tries a password, by a connection that is of nobody before and after: one that a password opened is not used again, and one that was
// refused is of nobody (RFC 4511, 4.2.1), so that a handshake does for many tries.
func (d *directory) takes(ctx context.Context, dn, password string) (bool, error) {
	if password == "" { // a bind without one is of nobody, and always works (RFC 4513, 5.1.2)
		return false, nil
	}
	conn := d.kept(&d.nobody)
	var err error
	if conn != nil {
		err = conn.Bind(dn, password)
		if ldap.IsErrorWithCode(err, ldap.ErrorNetwork) { // it has been closed from there meanwhile
			conn.Close()
			conn = nil
		}
	}
	if conn == nil {
		if conn, err = d.dial(ctx); err != nil {
			return false, fmt.Errorf("%w: it cannot be reached", ErrAway)
		}
		err = conn.Bind(dn, password)
	}
	if ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		d.keep(&d.nobody, conn)
		// Active Directory says by a number that the password is right, and only has to be changed, or is too old.
		var known *ldap.Error
		return errors.As(err, &known) && (strings.Contains(known.Err.Error(), "data 773") || strings.Contains(known.Err.Error(), "data 532")), nil
	}
	conn.Close()
	if err != nil {
		return false, said(err)
	}
	return true, nil
}

// Describe gives where the directory is, and what is asked of it.
func (d *directory) Describe() []byte {
	return fmt.Appendf(nil, "%s %s\nuser: %s\nbase: %s\nfilter: %s\nmust change: %v", d.kind, d.URL, d.User, d.Base, d.Filter, d.MustChange)
}

// Close closes all connections.
func (d *directory) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range append(d.idle, d.nobody...) {
		c.Close()
	}
	d.idle, d.nobody = nil, nil
	return nil
}
