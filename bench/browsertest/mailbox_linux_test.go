package browsertest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httputil"
	"net/mail"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shirase/bench/served"
)

// mailbox is a Maildir that a real Postfix delivers to: all mail of some domains comes there.
type mailbox struct {
	*testing.T
	dir  string
	at   string // of the mail server
	come *os.File
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
	const postfix = "/usr/sbin/postfix"
	if _, err := os.Stat(postfix); err != nil || os.Geteuid() != 0 {
		t.Skip("postfix is not installed, or this is not root: run ./test as root")
	}
	folder := must(os.MkdirTemp("", "shirase-mailbox"))(t)
	t.Cleanup(func() { os.RemoveAll(folder) })
	m := &mailbox{T: t, dir: filepath.Join(folder, "mail", "all")}
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	m.at = l.Addr().String()
	l.Close()
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
virtual_mailbox_domains = %[3]s
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = static:all/
virtual_minimum_uid = 100
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
default_transport = error:nobody else is written to
alias_maps =
alias_database =
biff = no
`, folder, log, strings.Join(domains, " ")), "master.cf": "127.0.0.1:" + port + ` inet n - n - - smtpd
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
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`} {
		if err := os.WriteFile(filepath.Join(folder, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fd := must(unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK))(t)
	must(unix.InotifyAddWatch(fd, filepath.Join(m.dir, "new"), unix.IN_CREATE|unix.IN_MOVED_TO))(t)
	m.come = os.NewFile(uintptr(fd), "mailbox")
	t.Cleanup(func() { m.come.Close() })
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
			t.Logf("%s", b)
		}
	})
	return m
}

// take waits until n mails lie there, and gives them by whom they are to. The mailbox is empty then.
func (m *mailbox) take(n int) map[string]arrived {
	m.Helper()
	out, many := map[string]arrived{}, 0
	m.drain(func(a arrived) bool {
		many++
		out[a.Get("To")] = a
		return len(out) >= n
	})
	if many > n || len(out) != n {
		m.Fatalf("%d mails to %d people, want %d", many, len(out), n)
	}
	return out
}

// drain takes mails as they come, until enough says so. Those that lie there together are all taken.
func (m *mailbox) drain(enough func(arrived) bool) {
	m.Helper()
	for done := false; ; {
		for _, entry := range must(os.ReadDir(filepath.Join(m.dir, "new")))(m.T) {
			name := filepath.Join(m.dir, "new", entry.Name())
			done = enough(m.read(must(os.ReadFile(name))(m.T))) || done
			if err := os.Remove(name); err != nil {
				m.Fatal(err)
			}
		}
		if done {
			return
		}
		if err := m.come.SetReadDeadline(time.Now().Add(3 * patience)); err != nil {
			m.Fatal(err)
		}
		if _, err := m.come.Read(make([]byte, 64<<10)); err != nil {
			m.Fatalf("the mails that are waited for have not come: %v", err)
		}
	}
}

func (m *mailbox) read(raw []byte) arrived {
	m.Helper()
	text := string(raw)
	for _, of := range []string{"Return-Path", "X-Original-To", "Delivered-To", "Received"} { // written on the way
		text = regexp.MustCompile(`(?m)^`+of+`: .*\n(?:[ \t].*\n)*`).ReplaceAllString(text, "")
	}
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
	o := &office{browser: &browser{stage: newStage(t)}, dir: t.TempDir()}
	o.program = filepath.Join(o.dir, "shirase")
	if err := served.Build(o.program); err != nil {
		t.Fatal(err)
	}
	o.run(t, "init", "--operator-ja", "株式会社例示", "--operator-en", "Example Inc.")
	var at *url.URL
	o.host = o.stage.host(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(at); r.Out.Host = r.In.Host }})
	for name, value := range map[string]string{"url": "http://" + o.host, "mail.server": box.at, "mail.security": "none", "mail.from": "notice@example.jp"} {
		o.run(t, "config", "set", name, value)
	}
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
	at = must(url.Parse(o.serve(t, "127.0.0.1:0")))(t)
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
	res := must(http.Post(at.String()+off.Path, "application/x-www-form-urlencoded", strings.NewReader(news.Get("List-Unsubscribe-Post"))))(t)
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
