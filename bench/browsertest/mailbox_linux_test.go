package browsertest

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mailbox is one that a real Postfix delivers to, all mail of some domains, and that is read as people's programs read it: by IMAP, from a real
// Dovecot. Mail to example.jp, where that is none of them, Postfix hands over where the instance under test listens.
type mailbox struct {
	*testing.T
	at     string // of the mail server
	listen string // where mail to example.jp is handed over
	imap   io.Writer
	said   *bufio.Reader
	n      int // mails that lie there
	end    func()

	patience time.Duration // for a mail that is to come
	queue    string        // where Postfix keeps what it has not delivered
}

// arrived is a mail as it lies in the mailbox.
type arrived struct {
	mail.Header
	text string
	size int // as it was handed over: without what mail servers on its way write
	raw  string
}

// newMailbox starts a Postfix of this test's own, for these domains.
func newMailbox(t *testing.T, domains ...string) *mailbox {
	t.Helper()
	const postfix, dovecot = "/usr/sbin/postfix", "/usr/lib/dovecot/imap"
	for _, name := range []string{postfix, dovecot} {
		if _, err := os.Stat(name); err != nil || os.Geteuid() != 0 {
			t.Skip(name + " is not installed, or this is not root: run ./test as root")
		}
	}
	base := "/dev/shm" // each mail is forced to disk twice, to be thrown away anyway
	if info, err := os.Stat(base); err != nil || !info.IsDir() {
		base = ""
	}
	folder := must(os.MkdirTemp(base, "shirase-mailbox"))(t)
	t.Cleanup(func() { os.RemoveAll(folder) })
	m := &mailbox{T: t, patience: 3 * patience, queue: filepath.Join(folder, "queue")}
	one, two := must(net.Listen("tcp", "127.0.0.1:0"))(t), must(net.Listen("tcp", "127.0.0.1:0"))(t)
	m.at, m.listen = one.Addr().String(), two.Addr().String()
	one.Close()
	two.Close()
	for _, d := range []string{"etc", "queue", "data", "log", "mail/all/new", "mail/all/tmp", "mail/all/cur"} {
		if err := os.MkdirAll(filepath.Join(folder, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, of := range [][]string{{"-R", "nobody", "mail"}, {"postfix", "data"}} {
		c := exec.Command("chown", of...)
		c.Dir = folder
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
	}
	_, port, _ := strings.Cut(m.at, ":")
	hands := ""
	if !slices.Contains(domains, "example.jp") {
		_, listens, _ := strings.Cut(m.listen, ":")
		hands = "inline:{ example.jp=smtp:[127.0.0.1]:" + listens + " }"
	}
	log := filepath.Join(folder, "log", "maillog")
	for name, text := range map[string]string{"main.cf": fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[2]s
maillog_file_prefixes = %[1]s
myhostname = mx.people.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = %[4]s
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = static:all/
virtual_minimum_uid = 100
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
transport_maps = %[3]s
default_transport = error:nobody else is written to
alias_maps =
alias_database =
biff = no
max_use = 10000
`, folder, log, hands, strings.Join(domains, " ")), "master.cf": "127.0.0.1:" + port + ` inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`} {
		if err := os.WriteFile(filepath.Join(folder, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(postfix, "-c", filepath.Join(folder, "etc"), "start").CombinedOutput(); err != nil {
		b, _ := os.ReadFile(log)
		t.Fatalf("postfix: %v: %s\n%s", err, out, b)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(postfix, "-c", filepath.Join(folder, "etc"), "stop").CombinedOutput(); err != nil {
			t.Errorf("postfix: %v: %s", err, out)
		}
		if t.Failed() {
			b, _ := os.ReadFile(log)
			t.Logf("%s", b[max(0, len(b)-1<<20):])
		}
	})
	m.open(dovecot, folder)
	return m
}

// open begins a session of IMAP over the mailbox, which nobody has to sign in to: Dovecot is started as whose it is (RFC 9051, 7.1.4: PREAUTH).
func (m *mailbox) open(dovecot, folder string) {
	m.Helper()
	config := filepath.Join(folder, "etc", "dovecot.conf")
	if err := os.WriteFile(config, []byte(fmt.Sprintf("base_dir = %[1]s/data\nmail_location = maildir:%[1]s/mail/all\nssl = no\nlog_path = /dev/stderr\nstats_writer_socket_path =\n", folder)), 0o644); err != nil {
		m.Fatal(err)
	}
	c := exec.Command(dovecot, "-c", config)
	c.Env = []string{"USER=nobody", "HOME=" + filepath.Join(folder, "mail")}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	in := must(c.StdinPipe())(m.T)
	out := must(c.StdoutPipe())(m.T)
	if err := c.Start(); err != nil {
		m.Fatal(err)
	}
	m.imap, m.said, m.end = in, bufio.NewReader(out), func() { c.Process.Kill() }
	m.Cleanup(func() {
		in.Close()
		c.Wait() // it may have been killed, and that was told
	})
	if line := m.line(); !strings.HasPrefix(line, "* PREAUTH") {
		m.Fatalf("dovecot: %s", line)
	}
	m.command("SELECT INBOX")
}

// line reads one line of the session, and what is counted of the mailbox.
func (m *mailbox) line() string {
	m.Helper()
	line, err := m.said.ReadString('\n')
	if err != nil {
		m.Fatalf("dovecot says no more: %v", err)
	}
	line = strings.TrimRight(line, "\r\n")
	var n int
	switch {
	case strings.HasSuffix(line, " EXISTS"):
		fmt.Sscanf(line, "* %d EXISTS", &n)
		m.n = n
	case strings.HasSuffix(line, " EXPUNGE"):
		m.n--
	}
	return line
}

// command has Dovecot do something, and gives the mails that it brings.
func (m *mailbox) command(what string) (mails [][]byte) {
	m.Helper()
	fmt.Fprintf(m.imap, "a %s\r\n", what)
	for {
		line := m.line()
		if tagged, ok := strings.CutPrefix(line, "a "); ok {
			if !strings.HasPrefix(tagged, "OK") {
				m.Fatalf("dovecot: %s: %s", what, tagged)
			}
			return mails
		}
		if at := strings.LastIndexByte(line, '{'); at >= 0 && strings.HasSuffix(line, "}") {
			var size int
			fmt.Sscanf(line[at:], "{%d}", &size)
			raw := make([]byte, size)
			if _, err := io.ReadFull(m.said, raw); err != nil {
				m.Fatal(err)
			}
			mails = append(mails, raw)
		}
	}
}

// take waits until n mails lie there, and gives them by whom they are to. The mailbox is empty then.
func (m *mailbox) take(n int) map[string]arrived {
	m.Helper()
	mails := m.lying(n)
	out := map[string]arrived{}
	for _, a := range mails {
		out[a.Get("To")] = a
	}
	if len(mails) > n || len(out) != n {
		m.Fatalf("%d mails to %d people, want %d", len(mails), len(out), n)
	}
	return out
}

// drain takes mails as they come, until enough says so. Those that lie there together are all taken.
func (m *mailbox) drain(enough func(arrived) bool) {
	m.Helper()
	for done := false; !done; {
		for _, a := range m.lying(1) {
			done = enough(a) || done
		}
	}
}

// lying waits until n mails lie there, and takes all that do.
func (m *mailbox) lying(n int) (mails []arrived) {
	m.Helper()
	late := time.AfterFunc(m.patience, m.end)
	defer late.Stop()
	if m.n < n {
		fmt.Fprint(m.imap, "a IDLE\r\n") // RFC 2177: it says by itself what comes
		for m.n < n {
			m.line()
		}
		fmt.Fprint(m.imap, "DONE\r\n")
		for !strings.HasPrefix(m.line(), "a OK") {
		}
	}
	return m.all()
}

// rest takes what lies there, once Postfix has delivered all that it was handed.
func (m *mailbox) rest() []arrived {
	m.Helper()
	for begin := time.Now(); m.queued(); {
		if time.Since(begin) > m.patience {
			m.Fatal("Postfix does not deliver all of it")
		}
	}
	if m.command("NOOP"); m.n == 0 { // RFC 9051, 7.4.1: with its answer it says what has come
		return nil
	}
	return m.all()
}

// queued reports whether Postfix still has a mail to deliver.
func (m *mailbox) queued() (is bool) {
	m.Helper()
	for _, name := range []string{"maildrop", "incoming", "active", "deferred"} {
		if _, err := os.Stat(filepath.Join(m.queue, name)); err != nil {
			m.Fatal(err)
		}
		err := filepath.WalkDir(filepath.Join(m.queue, name), func(_ string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // it was delivered meanwhile
				return nil
			}
			is = is || err == nil && d.Type().IsRegular()
			return err
		})
		if err != nil {
			m.Fatal(err)
		}
	}
	return is
}

// all takes all that lie there. What comes meanwhile is not among them, and stays.
func (m *mailbox) all() (mails []arrived) {
	m.Helper()
	these := fmt.Sprintf("1:%d", m.n)
	for _, raw := range m.command("FETCH " + these + " BODY.PEEK[]") {
		mails = append(mails, m.read(raw))
	}
	m.command("STORE " + these + ` +FLAGS.SILENT (\Deleted)`)
	m.command("EXPUNGE")
	return mails
}

// onTheWay are the fields that mail servers write.
var onTheWay = regexp.MustCompile(`(?m)^(?:Return-Path|X-Original-To|Delivered-To|Received): .*\n(?:[ \t].*\n)*`)

func (m *mailbox) read(raw []byte) arrived {
	m.Helper()
	text := strings.ReplaceAll(string(raw), "\r\n", "\n")
	head, below, _ := strings.Cut(text, "\n\n")
	text = onTheWay.ReplaceAllString(head+"\n", "") + "\n" + below
	msg := must(mail.ReadMessage(strings.NewReader(text)))(m.T)
	var body io.Reader = msg.Body
	encoding := msg.Header.Get("Content-Transfer-Encoding")
	if kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type")); err == nil && strings.HasPrefix(kind, "multipart/") {
		p := must(multipart.NewReader(msg.Body, params["boundary"]).NextRawPart())(m.T)
		body, encoding = p, p.Header.Get("Content-Transfer-Encoding")
	}
	switch encoding {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	a := arrived{Header: msg.Header, text: strings.ReplaceAll(string(must(io.ReadAll(body))(m.T)), "\r\n", "\n"), size: len(text), raw: text}
	a.Header["To"] = []string{strings.Trim(a.Get("To"), "<>")}
	return a
}

const clinicFacts = `
id: clinic
zone: "+09:00"
asOf: "2026-05-20T10:00"
facts:
  - {key: organisation, value: {ja: 例示クリニック, en: Example Clinic}}
  - {key: title, value: {ja: 名簿の持ち出し, en: A list was taken}}
  - {key: cause, value: intrusion}
  - {key: scope.state, value: by-mail}
  - {key: disclosed, value: "2026-05-17"}
  - {key: data-class, value: email}
  - {key: data-class, value: name}
`

// TestMailbox walks, in a Chromium and with a real mailbox, what is answered by mail and told by mail: whoever asks about a sensitive incident
// sees one page, and the two answers are of one length; whoever watches is told of a new incident, and comes from the mail to the answer.
func TestMailbox(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	box := newMailbox(t, "people.example")
	o := newPlace(t)
	o.set(t, "url", "http://"+o.host, "mail.server", box.at, "mail.security", "none", "mail.from", "notice@example.jp")
	o.run(t, "campaign", "keys")
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(o.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	publish := func(id, facts, rules string, members ...string) {
		t.Helper()
		rows := "id,mail,tel\n"
		for i, who := range members {
			rows += fmt.Sprintf("A-%d,%s,\n", i+1, who)
		}
		o.run(t, "incident", "new", "--facts", write(id+".yaml", facts))
		o.run(t, "scope", "--export", write(id+".csv", rows), "--rules", write(id+"-rules.yaml", rules), "--incident", id, "--commit")
		o.run(t, "publish", id)
	}
	const inIt, notIn = "hanako@people.example", "jirota@people.example" // of one length
	publish("clinic", clinicFacts, "columns: {account: id, email: mail}\nsets:\n  - {classes: [email, name]}\n", inIt, "other@people.example")
	o.serve(t, "127.0.0.1:0")
	o.start(t, findChromium(t))
	p := o.person(t)

	// An incident that is answered by mail: the page says the same of both.
	pages := map[string]string{}
	for _, who := range []string{inIt, notIn} {
		p.open("/incidents/clinic", "ja")
		p.click(`a[href*="/incidents/clinic/ask"]`)
		p.until(`document.querySelector("form.check") !== null`)
		p.write("#address", who)
		p.click("form.check button")
		p.until(`document.querySelector("[role=status]") !== null`)
		pages[who] = eval[string](p, `document.documentElement.outerHTML`)
	}
	if pages[inIt] != pages[notIn] || strings.Contains(pages[inIt], "hanako") {
		t.Error("the page tells who is affected")
	}
	answers := box.take(2)
	yes, no := answers[inIt], answers[notIn]
	if !strings.Contains(yes.text, "対象範囲に、含まれています") || !strings.Contains(no.text, "対象範囲に、含まれていません") {
		t.Errorf("%q\n%q", yes.text, no.text)
	}
	if yes.size != no.size || yes.Get("Subject") != no.Get("Subject") {
		t.Errorf("the mails are of %d and %d bytes", yes.size, no.size)
	}

	// Being told: nothing is signed up before the button was pressed.
	p.open("/watch", "ja")
	p.write("#address", inIt)
	p.click("form.check button")
	p.until(`document.querySelector("[role=status]") !== null`)
	confirm := box.take(1)[inIt]
	p.open(inMail(t, confirm.text, "/watch/"), "ja")
	watching := func() (n struct{ Watching int64 }) {
		t.Helper()
		if err := json.Unmarshal([]byte(o.run(t, "watch", "status", "--json")), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := watching(); n.Watching != 0 {
		t.Error("opening the link signs up")
	}
	p.click("main form button")
	p.until(`location.pathname.startsWith("/watch/own/") && document.querySelector("[role=status]") !== null`)
	if n := watching(); n.Watching != 1 {
		t.Errorf("%+v", n)
	}

	// A new incident: the mail leads to what to do, and from there to the answer.
	publish(shopID, shopFacts, "columns: {account: id, email: mail}\nindex: [email]\nsets:\n  - {classes: [email, name, phone, purchase-history]}\n", inIt, "other@people.example")
	news := box.take(1)[inIt]
	if !strings.Contains(news.text, "対象範囲に含まれています") || !strings.Contains(news.text, "会員ページの設定の誤り") {
		t.Errorf("%q", news.text)
	}
	if d := news.Get("Dkim-Signature"); !strings.Contains(d, "list-unsubscribe:list-unsubscribe-post") {
		t.Errorf("what ends it is not signed: %q", d)
	}
	p.open(inMail(t, news.text, "/incidents/"), "ja")
	if text := p.text("main"); !strings.Contains(text, "していただきたいこと") {
		t.Error(text)
	}
	if got := p.check("ja", inIt); !strings.Contains(fmt.Sprint(got), "affected") {
		t.Errorf("%+v", got)
	}

	// One click of the mailbox ends it (RFC 8058).
	off := must(url.Parse(strings.Trim(news.Get("List-Unsubscribe"), "<>")))(t)
	res := must(http.Post(o.at.String()+off.Path, "application/x-www-form-urlencoded", strings.NewReader(news.Get("List-Unsubscribe-Post"))))(t)
	res.Body.Close()
	if n := watching(); res.StatusCode != http.StatusOK || n.Watching != 0 {
		t.Errorf("%s, %+v", res.Status, n)
	}
	p.quiet()
}

// inMail gives the path of the first link in a mail that begins so.
func inMail(t *testing.T, text, begins string) string {
	t.Helper()
	found := regexp.MustCompile(`http://[^/\s]+(` + begins + `[^\s]*)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no link to %s: %s", begins, text)
	}
	return found[1]
}
