package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"shirase/internal/config"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/serve"
	"shirase/internal/setup"
)

// Where setup puts an instance that root sets up, and where a package's unit would be.
const (
	serviceAccount = "shirase"
	systemUnits    = "/etc/systemd/system"
	packageUnit    = "/lib/systemd/system/" + setup.UnitName
)

// install is one run of setup: what was decided, and where it goes.
type install struct {
	a        *app
	lang     language.Lang
	settings *config.Settings
	account  string // that the instance belongs to, and is served by
	config   string // file of settings
	unit     string // file of the unit; "": the package has it
	program  string
	undo     undo

	unitOnly bool
	flags    struct{ account, config, unit, lang, program string }
}

// setUp are the settings that setup is told by flags, besides what init is told.
var setUp = []string{"domain", "url", "listen", "redirect", "acme.contact", "acme.directory", "acme.rootsFile", "trustedProxies", "securityContacts", "storePasswordFile"}

func (a *app) cmdSetup() *cobra.Command {
	s := &install{a: a}
	c := &cobra.Command{
		Use:   "setup",
		Short: "Set an instance up on this machine, to be on the net",
		Long: `Asks who runs the instance, under which name people will reach it, whom to write to
and where its database is; makes its data folder and keys, its commented file of
settings and a unit for systemd; and says which records DNS needs and which commands
are next. It asks on a terminal only: what a flag says is not asked for, and a script
gives at least --domain (or --url, where a proxy with TLS is in front).

Run by root, the instance lies in ` + setup.StateFolder + `, belongs to the account ` + serviceAccount + ` (which
is made), and has its settings in ` + systemFile + `. Run by anybody else, it lies in
the data folder, and the unit is written beside it. What is there already is kept.`,
		Example: `  shirase setup
  shirase setup --domain notice.example.org --operator-ja 株式会社例示 --operator-en "Example Inc." --contact mailto:desk@example.org --acme-contact admin@example.org
  shirase setup --url https://notice.example.org --trusted-proxy 127.0.0.1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.begin(); err != nil {
				return err
			}
			if s.unitOnly {
				_, err := io.WriteString(a.out, setup.Unit(s.service()))
				return err
			}
			if err := s.ask(c); err != nil {
				return err
			}
			return s.run(c.Context())
		},
	}
	f := c.Flags()
	for _, k := range asked() {
		a.settingFlags(f, k.Name)
	}
	a.settingFlags(f, "phone-region")
	for _, k := range setUp {
		key, _ := config.Find(k)
		if key.Flag == "" {
			a.settingFlag(f, k, "store-password-file", "")
			continue
		}
		a.settingFlags(f, k)
	}
	f.StringVar(&s.flags.account, "user", "", "account that the instance belongs to (default: "+serviceAccount+" where root sets up, and otherwise who does)")
	f.StringVar(&s.flags.unit, "unit", "", "file to write systemd's unit to (default: in "+systemUnits+" where root sets up, unless the package brings one; otherwise ./"+setup.UnitName+")")
	f.StringVar(&s.flags.program, "program", "", "path of the program in the unit (default: this one's)")
	f.StringVar(&s.flags.lang, "lang", "", "language to ask in: ja or en (default: that of the terminal)")
	f.BoolVar(&s.unitOnly, "print-unit", false, "print systemd's unit, and do nothing else")
	return c
}

// begin decides where the instance goes, and refuses where there is one.
func (s *install) begin() error {
	a := s.a
	in := a.sources()
	in.File, in.System = os.DevNull, "" // the file is what is made
	in.Environ = withoutConfig(in.Environ)
	settings, err := config.Read(in)
	if err != nil {
		return err
	}
	s.settings = settings
	if i, err := config.ReadInstance(settings.Operation.Data); err == nil && i.Exercise != nil {
		return hint.Add(fmt.Errorf("%s is an exercise's folder, and is not put on the net", settings.Operation.Data), "choose another folder with --data")
	}
	lang, ok := language.Parse(s.flags.lang)
	if s.flags.lang != "" && !ok {
		return usagef("--lang %q is neither ja nor en", s.flags.lang)
	}
	if s.lang = lang; !ok {
		s.lang = terminalLanguage(os.Getenv)
	}
	root := os.Geteuid() == 0
	op := &settings.Operation
	if root && settings.From("data").Kind == config.FromDefault {
		op.Data = filepath.Join(setup.StateFolder, "data")
		if settings.From("keys").Kind == config.FromDefault {
			op.Keys = filepath.Join(setup.StateFolder, "keys")
		}
		op.ACME.Folder = filepath.Join(setup.StateFolder, "certificates")
	}
	for _, p := range []*string{&op.Data, &op.Keys, &op.ACME.Folder, &op.ACME.RootsFile, &op.StorePasswordFile} {
		if *p != "" {
			if *p, err = filepath.Abs(*p); err != nil {
				return err
			}
		}
	}
	if s.config = a.config; s.config == "" {
		s.config = filepath.Join(op.Data, config.FileName)
		if root && settings.From("data").Kind == config.FromDefault {
			s.config = systemFile
		}
	}
	if s.config, err = filepath.Abs(s.config); err != nil {
		return err
	}
	return s.beginUnit(root)
}

// beginUnit decides who runs the service, and where its unit goes.
func (s *install) beginUnit(root bool) error {
	current, err := user.Current()
	if err != nil {
		return fmt.Errorf("who sets this up: %w", err)
	}
	if s.account = s.flags.account; s.account == "" {
		s.account = current.Username
		if root {
			s.account = serviceAccount
		}
	}
	if !root && s.account != current.Username {
		return usagef("--user %s: only root can set up an instance of another account", s.account)
	}
	if s.program = s.flags.program; s.program == "" {
		if s.program, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
	}
	s.unit = s.flags.unit
	if s.unit == "" {
		s.unit = setup.UnitName
		if root && s.config == systemFile {
			s.unit = filepath.Join(systemUnits, setup.UnitName)
			if b, err := os.ReadFile(packageUnit); err == nil && string(b) == setup.Unit(s.service()) {
				s.unit = ""
			}
		}
	}
	if s.unitOnly {
		return nil
	}
	if _, err := os.Lstat(s.config); err == nil {
		return hint.Add(fmt.Errorf("%s is there already: an instance is set up", s.config),
			"change it with shirase config set KEY VALUE; shirase doctor looks through it; to begin anew, move the file away")
	}
	return nil
}

// withoutConfig leaves the variable that names a file of settings out.
func withoutConfig(environ []string) []string {
	var out []string
	for _, v := range environ {
		if !strings.HasPrefix(v, "SHIRASE_CONFIG=") {
			out = append(out, v)
		}
	}
	return out
}

// terminalLanguage is the language that the terminal's user reads, as far as the locale says (POSIX, 8.2).
func terminalLanguage(getenv func(string) string) language.Lang {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			if strings.HasPrefix(v, "ja") {
				return language.JA
			}
			return language.EN
		}
	}
	return language.EN
}

func (s *install) service() setup.Service {
	op := &s.settings.Operation
	return setup.Service{User: s.account, Program: s.program, Config: s.config, Data: op.Data, Keys: op.KeysDir(), Certs: op.CertificatesDir()}
}

// say tells one line in the language that is asked in.
func (s *install) say(ja, en string, args ...any) {
	fmt.Fprintf(s.a.err, s.lang.Pick(ja, en)+"\n", args...)
}

// run makes what is not there, in an order in which a run that is killed can be taken up: the file of settings is last. What is
// in the way is said before anything is made, and where something fails all the same, what was made is taken back.
func (s *install) run(ctx context.Context) error {
	op := &s.settings.Operation
	if op.URL == "" {
		return usagef("setup wants --domain NAME, or --url https://... where a proxy with TLS is in front")
	}
	file, err := s.file()
	if err != nil {
		return err
	}
	if err := s.roomFor(); err != nil {
		return err
	}
	s.undo.before(op.Data, op.KeysDir(), op.CertificatesDir(), s.unit, s.config)
	if err := s.make(ctx, file); err != nil {
		return errors.Join(err, s.takeBack())
	}
	return s.report()
}

// roomFor says what is in the way of the unit and of the settings, before anything is made.
func (s *install) roomFor() error {
	if s.unit != "" {
		if _, err := kept(s.unit, setup.Unit(s.service())); err != nil {
			return err
		}
		if err := writable(s.unit); err != nil {
			return hint.Add(fmt.Errorf("the unit: %w", err), "write the unit elsewhere with --unit FILE")
		}
	}
	if err := writable(s.config); err != nil {
		return hint.Add(fmt.Errorf("the settings: %w", err), "write them elsewhere with --config FILE")
	}
	return nil
}

// make makes everything.
func (s *install) make(ctx context.Context, file []byte) error {
	if err := s.folders(ctx); err != nil {
		return err
	}
	if err := s.instance(ctx); err != nil {
		return err
	}
	if s.unit != "" {
		if err := keepOrWrite(s.unit, setup.Unit(s.service()), 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(s.config), 0o755); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	if err := files.Replace(s.config, file); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	mode := os.FileMode(0o600)
	if s.config == systemFile {
		mode = 0o644 // it holds no secret, and the service reads it
	}
	if err := errors.Join(os.Chmod(s.config, mode), s.give(s.config)); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	return nil
}

// give gives a file or folder to the account that the instance belongs to; what lies in /etc stays root's.
func (s *install) give(path string) error {
	if os.Geteuid() != 0 || path == systemFile {
		return nil
	}
	uid, gid, err := ids(s.account)
	if err != nil {
		return err
	}
	return os.Lchown(path, uid, gid)
}

func ids(account string) (uid, gid int, err error) {
	u, err := user.Lookup(account)
	if err != nil {
		return 0, 0, err
	}
	uid, err = strconv.Atoi(u.Uid)
	if err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	return uid, gid, err
}

// kept reports whether a file is there and says text. One that says something else is an error.
func kept(path, text string) (bool, error) {
	b, err := os.ReadFile(path)
	if err != nil || string(b) == text {
		return err == nil, nil
	}
	return false, hint.Add(fmt.Errorf("%s is there already, and says something else", path), "move it away, or write the unit elsewhere with --unit FILE")
}

// keepOrWrite writes a file that is not there. One that says something else stays, and is an error.
func keepOrWrite(path, text string, mode os.FileMode) error {
	if is, err := kept(path, text); is || err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := files.Replace(path, []byte(text)); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// written are the settings that the file says, in the order of the example.
func (s *install) written() []config.Key {
	op := &s.settings.Operation
	var out []config.Key
	for _, k := range config.Keys() {
		switch {
		case k.Instance:
		case k.Name == "data" && filepath.Join(op.Data, config.FileName) == s.config:
		case k.Name == "data", k.Name == "keys" && op.Keys != "", k.Name == "acme.folder" && op.ACME.Folder != "":
			out = append(out, k)
		case s.settings.From(k.Name).Kind != config.FromDefault && k.Text(s.settings) != "":
			out = append(out, k)
		}
	}
	return out
}

// file makes the file of settings: the example, with what was decided.
func (s *install) file() ([]byte, error) {
	out := []byte(config.Example())
	for _, k := range s.written() {
		var err error
		if out, err = config.Edit(s.config, out, k.Name, strings.Join(k.Texts(s.settings), ",")); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// folders makes the account, and the folder that everything of it lies in.
func (s *install) folders(ctx context.Context) error {
	op := &s.settings.Operation
	if os.Geteuid() != 0 || s.account == "root" {
		// The unit may write this folder, and systemd wants what it may write to be there.
		if err := os.MkdirAll(op.CertificatesDir(), 0o700); err != nil {
			return fmt.Errorf("make room for the instance: %w", err)
		}
		return nil
	}
	if _, err := user.Lookup(s.account); err != nil {
		useradd := exec.CommandContext(ctx, "useradd", "--system", "--user-group", "--home-dir", setup.StateFolder, "--no-create-home", "--shell", "/usr/sbin/nologin", s.account)
		if out, err := useradd.CombinedOutput(); err != nil {
			return hint.Add(fmt.Errorf("make the account %s: %w: %s", s.account, err, oneLine(string(out))), "make it by hand, or name another with --user")
		}
		s.undo.account = s.account
	}
	for _, dir := range []string{op.Data, op.KeysDir(), op.CertificatesDir()} {
		if err := s.folder(dir); err != nil {
			return fmt.Errorf("make room for the instance: %w", err)
		}
	}
	return nil
}

// folder makes a folder of the account's, and above it what is not there.
func (s *install) folder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil // it is somebody's
	}
	if strings.HasPrefix(dir, setup.StateFolder+"/") {
		if err := s.folder(filepath.Dir(dir)); err != nil {
			return err
		}
	} else if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return s.give(dir)
}

// instance makes the data folder and its keys as the account that they belong to, or takes those up that are there.
func (s *install) instance(ctx context.Context) error {
	op := &s.settings.Operation
	args := []string{"init", "--data", op.Data, "--keys", op.KeysDir(), "--json"}
	env := []string{"SHIRASE_URL=" + op.URL}
	there := false
	switch _, err := config.ReadInstance(op.Data); {
	case err == nil:
		there = true
	case !errors.Is(err, config.ErrNone):
		return err
	}
	for _, k := range config.Keys() {
		text := k.Text(s.settings)
		switch from := s.settings.From(k.Name); {
		case k.Instance && from.Kind == config.FromFlag && !there:
			args = append(args, "--"+k.Flag, text)
		case k.Instance && from.Kind == config.FromFlag && !k.Fixed:
			if err := s.self(ctx, nil, "config", "set", k.Name, text, "--data", op.Data, "--json"); err != nil {
				return err
			}
		case strings.HasPrefix(k.Name, "store") && from.Kind != config.FromDefault:
			env = append(env, k.Env()+"="+strings.Join(k.Texts(s.settings), ","))
		}
	}
	if there {
		return nil
	}
	return s.self(ctx, env, args...)
}

// self runs a command of this program as the account that the instance belongs to.
func (s *install) self(ctx context.Context, env []string, args ...string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Args[0] = serviceAccount
	cmd.Dir = "/"
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SHIRASE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	if os.Geteuid() == 0 && s.account != "root" {
		uid, gid, err := ids(s.account)
		if err != nil {
			return err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		what, remedy, _ := strings.Cut(strings.TrimSpace(said.String()), "\nhint: ")
		if what == "" {
			return hint.Add(fmt.Errorf("shirase %s as %s: %w", args[0], s.account, err), "see that "+s.account+" may run "+program)
		}
		return hint.Add(fmt.Errorf("shirase %s as %s: %s", args[0], s.account, strings.TrimPrefix(what, "shirase: ")), remedy)
	}
	return nil
}

// contacts are the operator's addresses of mail.
func (s *install) contacts() []string {
	op := &s.settings.Operation
	return append([]string{s.settings.Instance.Contact, op.ACME.Contact}, op.Contacts...)
}

// records are what DNS needs.
func (s *install) records() []setup.Record {
	u, err := url.Parse(s.settings.Operation.URL)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return nil
	}
	op := &s.settings.Operation
	return setup.Records(u.Hostname(), machineAddresses(), op.Domain != "" && op.ACME.Directory == serve.LetsEncrypt, s.contacts())
}

// machineAddresses are the addresses of this machine's interfaces.
func machineAddresses() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, addr.Unmap())
			}
		}
	}
	return out
}
