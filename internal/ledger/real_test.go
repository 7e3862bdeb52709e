package ledger

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/mod/sumdb/note"

	_ "modernc.org/sqlite"
)

// Witnesses is the folder of other people's witnesses, built by ./test:
// litewitness (filippo.io/torchwood) and omniwitness (transparency-dev/witness).
const witnessesEnv = "SHIRASE_TEST_WITNESSES"

// A process is somebody else's witness. It can be killed and started again, its
// state saved and put back.
type process struct {
	t     *testing.T
	name  string
	vkey  string
	addr  string
	state string // its SQLite file
	argv  []string
	cmd   *exec.Cmd
}

// real starts a witness of each kind for a log.
func real(t *testing.T, logVKey string) []*process {
	t.Helper()
	bin := os.Getenv(witnessesEnv)
	if bin == "" {
		t.Skipf("%s is not set: run ./test", witnessesEnv)
	}
	return []*process{litewitness(t, bin, logVKey, nil), omniwitness(t, bin, logVKey)}
}

// litewitness takes its key from an ssh-agent, which is this process, and its
// logs from tables that its companion would fill.
func litewitness(t *testing.T, bin, logVKey string, key ed25519.PrivateKey) *process {
	t.Helper()
	if key == nil {
		key = newKey(t)
	}
	signer, err := torchwood.NewCosignatureSigner("lite.example/w", key)
	if err != nil {
		t.Fatal(err)
	}
	sshKey, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "lw") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "a")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				agent.ServeAgent(ring, c)
			}()
		}
	}()
	p := &process{t: t, name: "lite", vkey: signer.Verifier().String(), addr: freeAddr(t), state: filepath.Join(dir, "db")}
	db, err := sql.Open("sqlite", p.state)
	if err != nil {
		t.Fatal(err)
	}
	origin, _, _ := splitVKey(logVKey)
	empty := sha256.Sum256(nil)
	for _, q := range []struct {
		text string
		args []any
	}{
		{`CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL)`, nil},
		{`CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin))`, nil},
		{`INSERT INTO log VALUES (?, 0, ?)`, []any{origin, base64.StdEncoding.EncodeToString(empty[:])}},
		{`INSERT INTO key VALUES (?, ?)`, []any{origin, logVKey}},
	} {
		if _, err := db.Exec(q.text, q.args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	p.argv = []string{filepath.Join(bin, "litewitness"), "-name", "lite.example/w", "-db", p.state, "-ssh-agent", socket,
		"-key", ssh.FingerprintSHA256(sshKey), "-listen", p.addr}
	p.start()
	return p
}

func omniwitness(t *testing.T, bin, logVKey string) *process {
	t.Helper()
	key := newKey(t)
	signer, err := torchwood.NewCosignatureSigner("omni.example/w", key)
	if err != nil {
		t.Fatal(err)
	}
	// Its key file is a note signer's, of which it makes a cosigner's.
	plain, err := note.NewEd25519VerifierKey("omni.example/w", key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	_, hash, _ := splitVKey(plain)
	dir := t.TempDir()
	p := &process{t: t, name: "omni", vkey: signer.Verifier().String(), addr: freeAddr(t), state: filepath.Join(dir, "db")}
	origin, _, _ := splitVKey(logVKey)
	for name, text := range map[string]string{
		"key":       "PRIVATE+KEY+omni.example/w+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, key.Seed()...)),
		"logs.yaml": fmt.Sprintf("Logs:\n  - Origin: %s\n    PublicKey: %s\n    URL: http://127.0.0.1:1/\n    Feeder: none\n", origin, logVKey),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.argv = []string{filepath.Join(bin, "omniwitness"), "--private_key_path", filepath.Join(dir, "key"), "--db_file", p.state,
		"--additional_logs", filepath.Join(dir, "logs.yaml"), "--listen", p.addr, "--metrics_listen="}
	p.start()
	return p
}

// splitVKey takes a verifier key apart: name, hash, key.
func splitVKey(vkey string) (name, hash, key string) {
	name, rest, _ := strings.Cut(vkey, "+")
	hash, key, _ = strings.Cut(rest, "+")
	return name, hash, key
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the process until it answers.
func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.argv[0], p.argv[1:]...)
	// Of the logs that come with it, it is to reach none.
	p.cmd.Env = append(os.Environ(), "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1")
	out, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	cmd := p.cmd
	ended := make(chan struct{})
	var said bytes.Buffer
	var mu sync.Mutex
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			mu.Lock()
			said.WriteString(s.Text() + "\n")
			mu.Unlock()
		}
	}()
	p.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for {
		res, err := http.Post("http://"+p.addr+"/add-checkpoint", "text/plain", strings.NewReader("?"))
		if err == nil {
			res.Body.Close()
			return
		}
		select {
		case <-ended:
			mu.Lock()
			defer mu.Unlock()
			p.t.Fatalf("%s ended:\n%s", p.name, said.String())
		case <-p.t.Context().Done():
			p.t.Fatal(p.t.Context().Err())
		default: // it is not listening yet
		}
	}
}

// kill ends the process at once.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	p.cmd.Wait()
}

// files are the process's state, with what SQLite keeps beside it.
func (p *process) files() []string {
	names, err := filepath.Glob(p.state + "*")
	if err != nil {
		p.t.Fatal(err)
	}
	return names
}

// backup copies the state; the process is not running.
func (p *process) backup() map[string][]byte {
	out := map[string][]byte{}
	for _, name := range p.files() {
		b, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		out[name] = b
	}
	return out
}

func (p *process) restore(backup map[string][]byte) {
	for _, name := range p.files() {
		if err := os.Remove(name); err != nil {
			p.t.Fatal(err)
		}
	}
	for name, b := range backup {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *process) line(url string) string {
	return fmt.Sprintf("witness %s %s %s\n", p.name, p.vkey, url)
}

// TestRealWitnesses has other implementations cosign the log, with each thing
// that may befall them.
func TestRealWitnesses(t *testing.T) {
	if os.Getenv(witnessesEnv) == "" {
		t.Skipf("%s is not set: run ./test", witnessesEnv)
	}
	for i, name := range []string{"litewitness", "omniwitness"} {
		t.Run(name, func(t *testing.T) {
			skey, vkey := newTestKey(t)
			p := real(t, vkey)[i]
			// Between log and witness stands what may go wrong on the way.
			target, err := url.Parse("http://" + p.addr)
			if err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var change func(*http.Response) error
			proxy := &httputil.ReverseProxy{
				Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
				ModifyResponse: func(r *http.Response) error {
					mu.Lock()
					defer mu.Unlock()
					if change != nil {
						return change(r)
					}
					return nil
				},
				ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
				ErrorLog:     nil,
			}
			way := httptest.NewServer(proxy)
			defer way.Close()
			meddle := func(f func(*http.Response) error) {
				mu.Lock()
				defer mu.Unlock()
				change = f
			}
			w, err := ParseWitnesses(p.line(way.URL) + "quorum " + p.name + "\n")
			if err != nil {
				t.Fatal(err)
			}
			db, dir := sqlite(t), openDir(t, t.TempDir())
			l, err := New(t.Context(), db, dir, skey, w)
			if err != nil {
				t.Fatal(err)
			}
			size := int64(0)
			// sync grows the log, and wants it served or waiting.
			sync := func(what string, want bool) {
				t.Helper()
				size += 5
				grow(t, l, db, size, false)
				err := l.Sync(t.Context())
				if want && err != nil || !want && !errors.Is(err, ErrUnwitnessed) {
					t.Fatalf("%s: %v", what, err)
				}
				got, by := served(t, l)
				if want && (got != size || !slices.Equal(by, []string{p.name})) || !want && got == size {
					t.Fatalf("%s: %d of %d entries are served, cosigned by %v", what, got, size, by)
				}
				if want {
					verify(t, dir, vkey, db)
				}
			}
			sync("first", true)
			sync("then", true)
			if err := l.Clock(t.Context()); err != nil {
				t.Fatal(err)
			}

			p.kill()
			sync("killed", false)
			p.start()
			sync("started again", true)

			p.kill()
			backup := p.backup()
			p.start()
			sync("before the restore", true)
			sync("and once more", true)
			p.kill()
			p.restore(backup)
			p.start()
			sync("restored from a backup", true)

			// 409: this database knows nothing of the witness.
			if _, err := db.ExecContext(t.Context(), `DELETE FROM ledger_witness`); err != nil {
				t.Fatal(err)
			}
			conflicts := 0
			meddle(func(r *http.Response) error {
				if r.StatusCode == http.StatusConflict {
					conflicts++
				}
				return nil
			})
			sync("asked from nothing", true)
			// omniwitness answers so too: it has a state.
			if conflicts != 1 {
				t.Fatalf("%d times 409", conflicts)
			}

			// A lie: its own signature, one bit changed.
			meddle(func(r *http.Response) error {
				b, err := io.ReadAll(r.Body)
				if err == nil && r.StatusCode == http.StatusOK {
					name, sig, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(string(b), "— "), "\n"), " ")
					raw, derr := base64.StdEncoding.DecodeString(sig)
					if derr != nil {
						return derr
					}
					raw[len(raw)-1] ^= 1
					b = []byte("— " + name + " " + base64.StdEncoding.EncodeToString(raw) + "\n")
				}
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
				r.Header.Del("Content-Length")
				return err
			})
			sync("a wrong signature", false)
			// A lie: its own good signature, of another checkpoint.
			var other []byte
			meddle(func(r *http.Response) error {
				b, err := io.ReadAll(r.Body)
				if r.StatusCode == http.StatusOK {
					if other == nil {
						other = b
					}
					b = other
				}
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
				r.Header.Del("Content-Length")
				return err
			})
			size += 5
			grow(t, l, db, size, false)
			if err := l.Sync(t.Context()); err != nil { // this is the one that it is of
				t.Fatal(err)
			}
			sync("a signature over another root", false)
			meddle(nil)
			sync("the truth", true)

			// It has cosigned and stored it, and is killed before it has answered.
			meddle(func(*http.Response) error {
				p.kill()
				return errors.New("the answer is lost")
			})
			sync("stopped between persisting and answering", false)
			meddle(nil)
			p.start()
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, _ := served(t, l); got != size {
				t.Fatalf("%d of %d entries are served", got, size)
			}
			sync("and on", true)
		})
	}
}

// TestRealTogether: of other implementations' witnesses, one that is dead keeps
// nobody from being served where the rest is a quorum, and everybody where it is not.
func TestRealTogether(t *testing.T) {
	skey, vkey := newTestKey(t)
	both := real(t, vkey)
	own := newPeer(t, "own")
	for quorum, need := range map[string]bool{"2": false, "all": true} {
		w, err := ParseWitnesses(both[0].line("http://"+both[0].addr) + both[1].line("http://"+both[1].addr) + own.line() +
			"group some " + quorum + " lite omni own\nquorum some\n")
		if err != nil {
			t.Fatal(err)
		}
		db, dir := sqlite(t), openDir(t, t.TempDir())
		own.tree.N = 0
		l, err := New(t.Context(), db, dir, skey, w)
		if err != nil {
			t.Fatal(err)
		}
		grow(t, l, db, 3, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.Recosign(t.Context()); err != nil {
			t.Fatal(err)
		}
		if size, by := served(t, l); size != 3 || len(by) != 3 {
			t.Fatalf("%d entries cosigned by %v", size, by)
		}
		both[0].kill()
		grow(t, l, db, 7, false)
		if err := l.Sync(t.Context()); errors.Is(err, ErrUnwitnessed) != need || err != nil && !need {
			t.Fatalf("quorum of %s: %v", quorum, err)
		}
		both[0].start()
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The same log from its beginning, for the other quorum.
		for _, p := range both {
			p.kill()
		}
		both = real(t, vkey)
	}
}
