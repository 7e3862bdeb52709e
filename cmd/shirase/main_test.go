package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"shirase/internal/store/storetest"
)

// programs are the processes that tests run: the command itself, and others that
// tests of some systems add.
var programs = map[string]func(){"shirase": main}

func TestMain(m *testing.M) {
	testscript.Main(m, programs)
}

// The scripts of testdata/script run the real command.
func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "code": code, "jsonhas": jsonHas, "flip": flip, "kill9": kill9, "get": get, "follow": follow, "split": split, "asking": asking,
		},
		Setup: func(e *testscript.Env) error {
			who, err := user.Current()
			if err != nil {
				return err
			}
			e.Setenv("USER", who.Username)
			e.Setenv("EXAMPLES", examples)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			e.Setenv("TMPDIR", e.WorkDir)
			return nil
		},
	})
}

// TestOnPostgres takes the README's way on PostgreSQL.
func TestOnPostgres(t *testing.T) {
	if os.Getenv(storetest.Env) == "" {
		t.Skipf("%s is not set: run ./test to test on PostgreSQL too", storetest.Env)
	}
	storetest.EachURL(t, func(t *testing.T, url string) {
		if !strings.HasPrefix(url, "postgres") {
			return
		}
		t.Setenv("SHIRASE_STORE", url)
		t.Setenv("XDG_CONFIG_HOME", t.TempDir())
		data := filepath.Join(t.TempDir(), "data")
		examples := filepath.Join("..", "..", "examples")
		for _, args := range [][]string{
			{"init"},
			{"incident", "new", "--facts", filepath.Join(examples, "facts.yaml")},
			{"scope", "--export", filepath.Join(examples, "accounts.csv"), "--rules", filepath.Join(examples, "rules.yaml"), "--incident", "shop-2026", "--commit"},
			{"publish", "shop-2026"},
			{"check", "hana@example.com", "--json"},
			{"index", "verify"},
			{"ledger", "verify"},
		} {
			var out, errw strings.Builder
			if exit := run(t.Context(), append(args, "--data", data), &out, &errw); exit != exitDone {
				t.Fatalf("%v: exit %d: %s", args, exit, errw.String())
			}
			if args[0] == "check" && !strings.Contains(out.String(), `"result":"affected"`) {
				t.Fatal(out.String())
			}
		}
		// The password may stand in a file, beside the URL or in it, which a file of settings names.
		u := must(neturl.Parse(url))(t)
		secret, _ := u.User.Password()
		bare := *u
		bare.User = neturl.User(u.User.Username())
		dir := t.TempDir()
		write(t, filepath.Join(dir, "password"), secret+"\n")
		write(t, filepath.Join(dir, "url"), url+"\n")
		t.Setenv("SHIRASE_STORE", "")
		for name, text := range map[string]string{"beside.yaml": "store: \"" + bare.String() + "\"\nstorePasswordFile: password\npool: {read: 2, write: 1}\n", "in.yaml": "storeFile: url\n"} {
			write(t, filepath.Join(dir, name), text)
			var out, errw strings.Builder
			if exit := run(t.Context(), []string{"ledger", "verify", "--data", data, "--config", filepath.Join(dir, name)}, &out, &errw); exit != exitDone {
				t.Errorf("%s: exit %d: %s", name, exit, errw.String())
			}
			out.Reset()
			if exit := run(t.Context(), []string{"config", "show", "--data", data, "--config", filepath.Join(dir, name)}, &out, &errw); exit != exitDone || strings.Contains(out.String()+errw.String(), secret) {
				t.Errorf("%s: exit %d: %s%s", name, exit, out.String(), errw.String())
			}
		}
		t.Setenv("SHIRASE_STORE", url)
		// A second instance on the same database would be a second history in it.
		second := filepath.Join(t.TempDir(), "second")
		var out, errw strings.Builder
		if exit := run(t.Context(), []string{"init", "--data", second}, &out, &errw); exit != exitFailed || !strings.Contains(errw.String(), "another instance") {
			t.Fatalf("a second instance on the same database: exit %d: %s", exit, errw.String())
		}
		if _, err := os.Stat(filepath.Join(second+"-keys", ledgerKey)); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("a key is left of an instance that is none: %v", err)
		}
	})
}

// start NAME COMMAND... runs a command in the background until the script
// ends. The members of the JSON line that it prints first become variables.
func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME COMMAND...")
	}
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Dir = ts.Getenv("WORK")
	for _, k := range []string{"PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR"} {
		cmd.Env = append(cmd.Env, k+"="+ts.Getenv(k))
	}
	log, err := os.Create(ts.MkAbs(args[0] + ".log"))
	ts.Check(err)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Setenv("pid_"+args[0], strconv.Itoa(cmd.Process.Pid))
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b, _ := os.ReadFile(log.Name())
		ts.Fatalf("%s ended: %s", args[0], b)
	}
	var v map[string]any
	ts.Check(json.Unmarshal([]byte(line), &v))
	for k, x := range v {
		ts.Setenv(k, fmt.Sprint(x))
	}
}

// kill9 NAME ends what start started as kill -9 does.
func kill9(ts *testscript.TestScript, neg bool, args []string) {
	pid, err := strconv.Atoi(ts.Getenv("pid_" + args[0]))
	ts.Check(err)
	p, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(p.Kill())
	p.Wait()
}

// code N COMMAND... runs a command and wants that exit code.
func code(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// jsonHas FILE PATH VALUE wants a value at a path of dots in a file's JSON.
func jsonHas(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, step := range strings.Split(args[1], ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(x) {
				ts.Fatalf("no %s in a list of %d", step, len(x))
			}
			v = x[i]
		default:
			ts.Fatalf("no %s in %v", step, v)
		}
	}
	if got := fmt.Sprint(v); (got == args[2]) == neg {
		ts.Fatalf("%s is %q", args[1], got)
	}
}

// flip FILE N flips a bit of the byte at N, counted from the end if negative.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) == 0 {
		ts.Fatalf("no file %s", args[0])
	}
	b, err := os.ReadFile(names[0])
	ts.Check(err)
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n < 0 {
		n += len(b)
	}
	b[n] ^= 0x04
	ts.Check(os.WriteFile(names[0], b, 0o600))
}

// get URL FILE fetches from loopback.
func get(ts *testscript.TestScript, neg bool, args []string) {
	res, err := http.Get(args[0])
	ts.Check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	ts.Check(err)
	if (res.StatusCode == http.StatusOK) == neg {
		ts.Fatalf("GET %s: %s", args[0], res.Status)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

// asking URL HOST PATH FILE fetches a path as from another host.
func asking(ts *testscript.TestScript, neg bool, args []string) {
	req, err := http.NewRequest("GET", args[0]+args[2], nil)
	ts.Check(err)
	req.Host = args[1]
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	ts.Check(err)
	if (res.StatusCode == http.StatusOK) == neg {
		ts.Fatalf("GET %s: %s", args[2], res.Status)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), b, 0o600))
}

// split HOST EVALUATOR sets url to a proxy that leads evaluations to one server and everything else to another.
func split(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: split HOST EVALUATOR")
	}
	mux := http.NewServeMux()
	for pattern, to := range map[string]string{"/": args[0], "/check/v1/evaluate": args[1]} {
		u, err := neturl.Parse(to)
		ts.Check(err)
		mux.Handle(pattern, httputil.NewSingleHostReverseProxy(u))
	}
	proxy := httptest.NewServer(mux)
	ts.Defer(proxy.Close)
	ts.Setenv("url", proxy.URL)
}

// follow FILE PATTERN OUT URL fetches what the first match of a pattern in a
// page links to.
func follow(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile(args[1]).FindString(ts.ReadFile(args[0]))
	if m == "" {
		ts.Fatalf("%s has no %s", args[0], args[1])
	}
	get(ts, neg, []string{args[3] + m, args[2]})
}

// A data set in a zip archive is read from its file, as the command opens it.
func TestImportZip(t *testing.T) {
	dir := t.TempDir()
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	f := must(z.Create("breaches.json"))(t)
	if _, err := io.WriteString(f, `[{"Name":"Alpha","Title":"Alpha","Domain":"a.example","BreachDate":"2020-01-01","AddedDate":"2020-02-01T00:00:00Z","ModifiedDate":"2020-02-01T00:00:00Z","PwnCount":1,"Description":"-","DataClasses":["Email addresses"],"IsVerified":true}]`); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "breaches.zip")
	if err := os.WriteFile(file, archive.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errw strings.Builder
	for _, args := range [][]string{{"init"}, {"incident", "import", file, "--json"}} {
		if exit := run(t.Context(), append(args, "--data", filepath.Join(dir, "data")), &out, &errw); exit != exitDone {
			t.Fatalf("%v: exit %d: %s", args, exit, errw.String())
		}
	}
	if !strings.Contains(out.String(), `"imported":1`) {
		t.Error(out.String())
	}
}

// must gives the value of a call that has to succeed: must(call())(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
