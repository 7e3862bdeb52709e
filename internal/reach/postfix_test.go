package reach

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/store"
)

// A real Postfix, of a folder and ports of its own, takes a campaign and hands it on; its log then says of each mail that the next server has
// accepted it.
func TestPostfix(t *testing.T) {
	const program = "/usr/sbin/postfix"
	if _, err := os.Stat(program); err != nil || os.Geteuid() != 0 {
		t.Skip("postfix is not installed, or this is not root: run ./test as root")
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db")) // the engines are held elsewhere
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := newWorld(t, db, 200, nil)
	w.sink.Close()
	w.listen(&smtptest.Sink{Keep: true, Answer: func(cmd string, e smtptest.Envelope) string {
		if strings.HasPrefix(cmd, "RCPT") && e.To == address(1) {
			return "550 5.1.1 nobody"
		}
		return ""
	}})
	at, log := postfix(t, w.relay)
	w.Mailer.Relays[0] = smtp.Relay{Address: at, Security: smtp.None, Hello: "notice.example.jp"}
	c := w.started(nil, Rates{})
	w.work()
	w.done(c.ID)
	if n := w.now(c.ID); n[HandedOver] != 200 {
		t.Fatal(n.Names())
	}
	came := ""
	w.until("Postfix has handed all on, and told of the one that nobody takes", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for to := range w.taken {
			if strings.HasPrefix(to, "b+") {
				came = to
			}
		}
		return len(w.taken) == 200 && came != "" && bytes.Count(read(log), []byte("status=")) >= 201
	})
	if x, err := w.Recipient(t.Context(), came); err != nil || addresses(200)[x.Ordinal] != address(1) {
		t.Errorf("the report is for %+v, %v", x, err)
	}
	for _, a := range addresses(200) {
		path, err := smtp.Path(a)
		if err != nil || w.taken[path] != 1 && a != address(1) {
			t.Errorf("%s got %d", path, w.taken[path])
		}
	}
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[int64]Outcome{}
	r := w.Reach
	if err := r.eachUnknownOf(t, c.ID, func() error { return r.readLog(t.Context(), actor.Operator(), c, f, found) }); err != nil {
		t.Fatal(err)
	}
	accepted, bounced := 0, 0
	for _, o := range found {
		switch o.State {
		case Accepted:
			accepted++
		case Bounced:
			bounced++
		}
	}
	if accepted != 199 || bounced != 1 {
		t.Errorf("%d accepted, %d came back, of %d that the log names", accepted, bounced, len(found))
	}
}

// eachUnknownOf has all of a campaign be unknown while do runs.
func (r *Reach) eachUnknownOf(t *testing.T, id string, do func() error) error {
	t.Helper()
	list, err := r.loadBlocks(t.Context(), r.DB, id, 0, 1000)
	if err != nil {
		return err
	}
	for _, b := range list {
		for i := range b.size() {
			x := b.get(i)
			x.state = Unknown
			b.set(i, x)
		}
		if _, err := r.DB.ExecContext(t.Context(), `UPDATE reach_block SET states = $3 WHERE campaign = $1 AND n = $2`, id, b.n, b.states); err != nil {
			return err
		}
	}
	return do()
}

func read(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return b
}

// postfix starts one that hands everything on to next.
func postfix(t *testing.T, next string) (address, log string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "shirase-postfix")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	host, nextPort, err := net.SplitHostPort(next)
	if err != nil {
		t.Fatal(err)
	}
	config, queue, data := filepath.Join(folder, "etc"), filepath.Join(folder, "queue"), filepath.Join(folder, "data")
	for _, d := range []string{config, queue, data} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "postfix", data).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	log = filepath.Join(folder, "log", "maillog")
	if err := os.Mkdir(filepath.Dir(log), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(config, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("main.cf", fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %s
data_directory = %s
maillog_file = %s
maillog_file_prefixes = %s
myhostname = relay.example.jp
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [%s]:%s
smtp_tls_security_level = none
smtpd_tls_security_level = none
alias_maps =
alias_database =
biff = no
`, queue, data, log, folder, host, nextPort))
	write("master.cf", "127.0.0.1:"+port+` inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`)
	if out, err := exec.Command("/usr/sbin/postfix", "-c", config, "start").CombinedOutput(); err != nil {
		t.Fatalf("postfix: %v: %s\n%s", err, out, read(log))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("/usr/sbin/postfix", "-c", config, "stop").CombinedOutput(); err != nil {
			t.Errorf("postfix: %v: %s", err, out)
		}
	})
	return address, log
}
