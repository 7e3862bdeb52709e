package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"

	"filippo.io/age"
)

// printed is a table that a test prints of what it has tried.
type printed struct {
	mu   sync.Mutex
	rows [][]string
}

func (p *printed) add(cells ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows = append(p.rows, cells)
}

// log prints the rows below a head, and has the test fail where there are not as many as were to be.
func (p *printed) log(t *testing.T, want int, head ...string) {
	t.Helper()
	slices.SortStableFunc(p.rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) }) // they were tried side by side
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range append([][]string{head}, p.rows...) {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	w.Flush()
	t.Logf("%d rows\n%s", len(p.rows), b.String())
	if len(p.rows) != want {
		t.Errorf("%d rows were tried to their end, and %d are wanted", len(p.rows), want)
	}
}

// killed runs the command in the folder, and kills it at one of its looks. It reports false where it has ended before.
func (w *workshop) killed(args []string, at int64) bool {
	w.Helper()
	cmd := exec.Command("shirase-looking", args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+w.path("tmp"), "XDG_CONFIG_HOME="+w.path("config"),
		fmt.Sprint(lookAt, "=", at), fmt.Sprint(lookSignal, "=", int(syscall.SIGKILL)), lookFile+"="+filepath.Join(w.TempDir(), "looks"))
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		w.Fatal(err)
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// verified verifies everything, and says in short what there is. What is decided and not published yet is said, and no failure where it
// may be so: the next run ends it.
func (w *workshop) verified(pending bool, args ...string) string {
	w.Helper()
	cmd := exec.Command("shirase", append([]string{"ledger", "verify", "--json"}, args...)...)
	cmd.Dir = w.dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && pending && strings.Contains(stderr.String(), "it is decided, and no statement says so yet") {
		return "a key's end is decided, and not published yet"
	}
	if err != nil {
		w.Errorf("ledger verify: %v: %s %s", err, out, &stderr)
		return "NOT VERIFIED"
	}
	var in []string
	for _, what := range [][2]string{{"size", "entries"}, {"statements", "statements"}, {"notice", "notices"}} {
		if m := regexp.MustCompile(`"` + what[0] + `":(\d+)`).FindSubmatch(out); m != nil {
			in = append(in, string(m[1])+" "+what[1])
		}
	}
	return "verified: " + strings.Join(in, ", ")
}

// TestKillMatrix kills each command that writes at three places of its work, as a power cut would: right after it everything verifies,
// the next run brings it to its end, and nothing half-done stays.
func TestKillMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	scoped := newWorkshop(t, 1000)
	published := scoped.clone(t)
	published.do("publish", "shop")
	published.do("incident", "add", "--facts", "later.yaml")
	published.do("backup", "copies")
	commands := []struct {
		in       *workshop
		args     string
		finished string // what the second run says where the first was through already
	}{
		{scoped, "init --data second", "is a data folder already"},
		{scoped, "incident add --facts later.yaml", ""},
		{scoped, "scope --export accounts.csv --rules rules.yaml --incident shop --commit", ""},
		{scoped, "publish shop", ""},
		{published, "notice publish shop --addendum 1", "nothing|already"},
		{scoped, "incident import breaches.json", ""},
		{scoped, "password import hashes.txt", ""},
		{published, "key rotate", ""},
		{published, "backup copies", ""},
		{published, "restore copies --data back --keys shirase-data-keys", "is not empty"},
		{published, "ledger repair", ""},
	}
	var table printed
	t.Run("all", func(t *testing.T) {
		for _, c := range commands {
			t.Run(c.args, func(t *testing.T) {
				t.Parallel()
				args := strings.Fields(c.args)
				looks, said, exit := c.in.clone(t).look(args, math.MaxInt64, syscall.SIGINT)
				if exit != exitDone {
					t.Fatalf("not killed: exit %d: %s", exit, said)
				}
				for _, at := range []int64{1 + looks/4, 1 + looks/2, 1 + looks*3/4} {
					w := c.in.clone(t)
					if !w.killed(args, at) {
						t.Errorf("it was not killed at look %d of %d", at, looks)
						continue
					}
					after := w.verified(true)
					end := "is brought to its end"
					if _, said, exit := w.look(args, math.MaxInt64, syscall.SIGINT); exit != exitDone {
						if c.finished == "" || !regexp.MustCompile(c.finished).MatchString(said) {
							t.Errorf("killed at look %d of %d, the next run: exit %d: %s", at, looks, exit, said)
						}
						end = "was through already"
					}
					if slices.Contains(args, "--data") {
						w.verified(false, "--data", args[slices.Index(args, "--data")+1], "--keys", keysOf(args))
					}
					then := w.verified(false)
					if left := w.left(); len(left) > 0 {
						t.Errorf("killed at look %d of %d, and run again: left: %q", at, looks, left)
					}
					table.add(c.args, fmt.Sprintf("%d of %d", at, looks), after, end, then)
				}
			})
		}
	})
	table.log(t, 3*len(commands), "command", "killed at", "then", "the next run", "and then")
}

// keysOf is the folder of keys of a command that names another folder of data.
func keysOf(args []string) string {
	if i := slices.Index(args, "--keys"); i >= 0 {
		return args[i+1]
	}
	return args[slices.Index(args, "--data")+1] + "-keys"
}

// TestFillMatrix has each command that writes run on a disk that is full to the last byte, and on one with a little left: it says that
// there is no space, in words and with what to do, or is done in what was left; everything verifies; and with space again it goes well.
func TestFillMatrix(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("shirase-test", disk, "tmpfs", 0, "size=32m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	well := wellInstance(t)
	for _, part := range []string{"data", "data-keys", "copies"} {
		copyTree(t, filepath.Join(well, part), filepath.Join(disk, part))
	}
	t.Setenv("TMPDIR", disk)
	f := folder{t: t, data: filepath.Join(disk, "data")}
	away := t.TempDir()
	examples := string(must(os.ReadFile("../../examples/facts.yaml"))(t))
	for name, text := range map[string]string{
		"new.yaml":    strings.ReplaceAll(examples, "shop-2026", "shop-2027"),
		"add.yaml":    "id: shop-2026\nfacts:\n  - {key: alias, value: Shop}\n",
		"hashes.txt":  "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:11\n",
		"breach.json": `[{"Name":"Alpha","Title":"Alpha","Domain":"a.example","BreachDate":"2020-01-01","AddedDate":"2020-02-01T00:00:00Z","ModifiedDate":"2020-02-01T00:00:00Z","PwnCount":1,"Description":"-","DataClasses":["Email addresses"],"IsVerified":true}]`,
	} {
		write(t, filepath.Join(away, name), text)
	}
	in := func(name string) string { return filepath.Join(away, name) }
	commands := [][]string{
		{"incident", "new", "--facts", in("new.yaml")},
		{"incident", "add", "--facts", in("add.yaml")},
		{"scope", "--export", "../../examples/accounts.csv", "--rules", "../../examples/rules.yaml", "--incident", "shop-2026", "--commit"},
		{"publish", "shop-2026"},
		{"incident", "import", in("breach.json")},
		{"password", "import", in("hashes.txt")},
		{"key", "rotate"},
		{"config", "set", "log.level", "warn"},
		{"backup", filepath.Join(disk, "copies")},
		{"incident", "export", "-o", filepath.Join(disk, "out.json")},
	}
	ballast := filepath.Join(disk, "ballast")
	var table printed
	for _, args := range commands {
		name := strings.NewReplacer(away+"/", "", disk+"/", "", "../../examples/", "").Replace(strings.Join(args, " "))
		for _, free := range []int64{0, 32 << 10} {
			fill(t, ballast)
			if size := must(os.Stat(ballast))(t).Size(); free > 0 {
				if err := os.Truncate(ballast, size-free); err != nil {
					t.Fatal(err)
				}
			}
			out, done := f.try(args...)
			says := "done in what was left"
			if !done {
				says = "no space, and what to do"
				if low := strings.ToLower(out); !strings.Contains(low, "no space") || strings.Contains(low, "4874") || strings.Contains(low, "(13)") || !strings.Contains(low, "hint:") {
					t.Errorf("%s with %d bytes left: %s", name, free, out)
					says = "NOT AS IT SHOULD BE"
				}
			} else if free == 0 {
				t.Errorf("%s is done on a full disk: %s", name, out)
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			f.do("ledger", "verify")
			if free > 0 && !done {
				f.do(args...)
			}
			table.add(name, strconv.FormatInt(free>>10, 10)+" KiB", says, "verified; with space again it is done")
		}
	}
	f.do("ledger", "verify")
	table.log(t, 2*len(commands), "command", "left", "says", "then")
}

// TestRestoreMatrix brings backups back in every way that the handbook names, and tries what has to be refused: after each the answers are
// those of the backup, or nothing was touched.
func TestRestoreMatrix(t *testing.T) {
	dir := wellInstance(t)
	f := folder{t: t, data: filepath.Join(dir, "data")}
	id := must(age.GenerateX25519Identity())(t)
	identity, other := filepath.Join(dir, "identity.txt"), filepath.Join(dir, "other.txt")
	write(t, identity, id.String()+"\n")
	write(t, other, must(age.GenerateX25519Identity())(t).String()+"\n")
	copies := filepath.Join(dir, "copies")
	write(t, filepath.Join(dir, "add.yaml"), "id: shop-2026\nfacts:\n  - {key: alias, value: Shop}\n")
	f.do("incident", "add", "--facts", filepath.Join(dir, "add.yaml"))
	f.do("publish", "shop-2026")
	f.do("backup", copies, "--keys-to", id.Recipient().String())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())

	// earlier is the folder of backups as it was before the newest.
	earlier := filepath.Join(dir, "earlier")
	copyTree(t, copies, earlier)
	for _, name := range must(filepath.Glob(filepath.Join(earlier, "backups", "000002-*")))(t) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	damaged := filepath.Join(dir, "damaged")
	copyTree(t, copies, damaged)
	for _, name := range must(filepath.Glob(filepath.Join(damaged, "backups", "000002-*")))(t) {
		write(t, name, "<html>404 not found</html>\n")
	}
	entries := func(data, keys string) string {
		t.Helper()
		out, exit := runIn(t, "ledger", "verify", "--json", "--data", data, "--keys", keys)
		m := regexp.MustCompile(`"size":(\d+)`).FindStringSubmatch(out)
		if exit != exitDone || m == nil {
			t.Fatal(out)
		}
		return m[1] + " entries"
	}
	ours := filepath.Join(dir, "data-keys")
	newest := entries(f.data, ours)
	rows := []struct {
		what   string
		src    string
		args   []string
		keys   string // "": beside the data
		before func(data string)
		want   string // what is refused is said so; "": it comes back
	}{
		{"the newest, keys by hand", copies, nil, ours, nil, ""},
		{"the newest, keys from sealed copies", copies, []string{"--identity", identity}, "", nil, ""},
		{"an earlier one", earlier, nil, ours, nil, ""},
		{"into an empty folder", copies, nil, ours, func(data string) {
			if err := os.Mkdir(data, 0o700); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"keys for another identity", copies, []string{"--identity", other}, "", nil, "identity"},
		{"into a folder that is not empty", copies, nil, ours, func(data string) { copyTree(t, f.data, data) }, "is not empty"},
		{"beside a ledger that is newer", earlier, nil, ours, func(data string) { copyTree(t, filepath.Join(f.data, "files"), filepath.Join(data, "files")) }, "older than what was published"},
		{"what was damaged", damaged, nil, ours, nil, "damaged"},
		{"from a folder that has none", dir, nil, ours, nil, "there is no backup"},
	}
	var table printed
	for i, r := range rows {
		data := filepath.Join(t.TempDir(), "data")
		if r.before != nil {
			r.before(data)
		}
		was := tree(t, data)
		keys := r.keys
		if keys == "" {
			keys = data + "-keys"
		}
		out, exit := runIn(t, append([]string{"restore", r.src, "--data", data, "--keys", keys}, r.args...)...)
		number := fmt.Sprintf("%d. %s", i+1, r.what)
		if r.want != "" {
			if exit != exitFailed || !strings.Contains(out, r.want) || !strings.Contains(out, "hint:") {
				t.Errorf("%s: exit %d: %s", r.what, exit, out)
			}
			if is := tree(t, data); !slices.Equal(is, was) {
				t.Errorf("%s: the folder has %q, and had %q", r.what, is, was)
			}
			table.add(number, "refused: "+r.want, "nothing is touched")
			continue
		}
		if exit != exitDone {
			t.Errorf("%s: exit %d: %s", r.what, exit, out)
			continue
		}
		has := entries(data, keys)
		if r.src == copies && has != newest || r.src == earlier && has == newest {
			t.Errorf("%s: %s, and the instance has %s", r.what, has, newest)
		}
		if out, exit := runIn(t, "check", "hana@example.com", "--data", data, "--keys", keys); exit != exitDone || !strings.Contains(out, "Affected") {
			t.Errorf("%s: exit %d: %s", r.what, exit, out)
		}
		table.add(number, "restored: "+has, "verified; a check is answered as before")
	}
	table.log(t, len(rows), "restore", "outcome", "then")
}

// tree are the files of a folder; none where it is not there.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		if errors.Is(err, os.ErrNotExist) && path == dir {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
