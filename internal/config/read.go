package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"shirase/internal/hint"
)

// Sources are where settings come from, besides the defaults and the instance.
type Sources struct {
	Flags   map[string][]string // what flags say, by the key's name
	Names   map[string]string   // how those flags are called, where it is not as the key says
	Environ []string            // as os.Environ gives it
	File    string              // the file that --config names; "" where it names none
	System  string              // the file of an instance that is installed on this machine; "" where none can be
}

// fileVariable names the file of settings, as --config does.
const fileVariable = "SHIRASE_CONFIG"

// Read reads how a process is operated: flags are above the environment, that above the file, and that above the
// defaults. The file is the one that is named, or shirase.yaml in the data folder where there is one, or where no data folder is
// named and none is in the working directory, that of the installed instance. Its error is Mistakes: all of them, whatever source
// they are in.
func Read(in Sources) (*Settings, error) {
	s, mistakes := read(in)
	s.follow()
	return s, append(mistakes, s.disagreements()...).orNil()
}

// read gives the settings as far as they can be read.
func read(in Sources) (*Settings, Mistakes) {
	s := Default()
	env, mistakes := environment(in.Environ)
	path, named := s.file(in, env)
	src, err := readFile(path)
	switch {
	case err == nil:
		d := readDocument(path, src)
		d.apply(s, !named)
		mistakes = append(d.mistakes, mistakes...)
	case named || !errors.Is(err, os.ErrNotExist):
		mistakes = append(mistakes, Mistake{At: path, What: bare(err), Hint: "name a file of settings with --config; one to start from: shirase config example"})
	}
	for _, k := range Keys() {
		if texts, said := env[k.Name]; said {
			mistakes = append(mistakes, s.take(k, texts, Source{Kind: FromEnvironment, At: k.Env()})...)
		}
		if texts, said := in.Flags[k.Name]; said {
			flag := k.Flag
			if in.Names[k.Name] != "" {
				flag = in.Names[k.Name]
			}
			mistakes = append(mistakes, s.take(k, texts, Source{Kind: FromFlag, At: "--" + flag})...)
		}
	}
	return s, mistakes
}

// Check reads a file of settings alone. Its error is Mistakes: all that are in it.
func Check(path string) error {
	src, err := readFile(path)
	if err != nil {
		return Mistakes{{At: path, What: bare(err)}}
	}
	s, d := Default(), readDocument(path, src)
	d.apply(s, false)
	s.follow()
	return append(d.mistakes, s.disagreements()...).orNil()
}

// file says which file holds the settings, and whether it was named.
func (s *Settings) file(in Sources, env map[string][]string) (path string, named bool) {
	if in.File != "" {
		return in.File, true
	}
	if texts := env[fileVariable]; len(texts) > 0 {
		return texts[0], true
	}
	data, said := s.Operation.Data, false
	for _, texts := range [][]string{env["data"], in.Flags["data"]} {
		if len(texts) > 0 && texts[0] != "" {
			data, said = texts[0], true
		}
	}
	if !said && in.System != "" && !exists(data) && exists(in.System) {
		return in.System, true
	}
	return filepath.Join(data, FileName), false
}

// exists reports whether there is something at a path, as far as can be seen.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// FileIn gives the path of the file of settings that Read would read, and whether it was named.
func FileIn(in Sources) (path string, named bool) {
	env, _ := environment(in.Environ)
	return Default().file(in, env)
}

// DataIn gives the data folder that Read would name, whatever else is wrong with the settings.
func DataIn(in Sources) string {
	s, _ := read(in)
	return s.Operation.Data
}

// readFile reads a file of settings that is not larger than such a file can be.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// bare leaves the path out of an error, which stands before it anyway.
func bare(err error) string {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

// take gives a key what a source says.
func (s *Settings) take(k Key, texts []string, from Source) Mistakes {
	err := k.Set(s, texts...)
	if from.Kind == FromFlag && k.unveiled(texts) {
		err = hint.Add(errors.New("the database's URL has a password in it, and everybody on this machine can read what a command is given"),
			"leave it out, and name a file that holds it: SHIRASE_STORE_PASSWORD_FILE; or give the URL as SHIRASE_STORE")
	}
	if err != nil {
		return Mistakes{{At: from.At, Key: k.Name, What: err.Error(), Hint: hint.Of(err)}}
	}
	s.from[k.Name] = from
	return nil
}

// Say gives a key what somebody said when asked, as a flag would.
func (s *Settings) Say(k Key, texts ...string) error {
	if k.unveiled(texts) {
		return errUnveiled
	}
	if err := k.Set(s, texts...); err != nil {
		return err
	}
	s.from[k.Name] = Source{Kind: FromFlag, At: "--" + k.Flag}
	s.follow()
	if wrong := s.disagreements(); len(wrong) > 0 {
		return wrong[0]
	}
	return nil
}

// environment gives what the environment says, by the keys' names. A variable that is empty says nothing. One whose name is
// nearly that of a setting is a mistake; other programs' own ones are not.
func environment(environ []string) (map[string][]string, Mistakes) {
	out, known := map[string][]string{}, []string{fileVariable}
	var operated []Key // by their variables: known[1:]
	var unknown []string
	for _, k := range Keys() {
		if !k.Instance {
			operated, known = append(operated, k), append(known, k.Env())
		}
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" || !strings.HasPrefix(name, "SHIRASE_") {
			continue
		}
		switch i := slices.Index(known, name); {
		case i == 0:
			out[fileVariable] = []string{value}
		case i > 0:
			k := operated[i-1]
			out[k.Name] = []string{value}
			if k.List() {
				out[k.Name] = splitList(value)
			}
		default:
			unknown = append(unknown, name)
		}
	}
	var mistakes Mistakes
	slices.Sort(unknown)
	for _, name := range unknown {
		for _, k := range known {
			if hint.Distance(name, k) <= 2 {
				mistakes = append(mistakes, Mistake{At: name, What: "there is no such setting", Hint: "did you mean " + k + "?"})
				break
			}
		}
	}
	return out, mistakes
}

// splitList reads a list as one text, with commas between.
func splitList(s string) []string {
	var out []string
	for _, t := range strings.Split(s, ",") {
		if t = strings.TrimSpace(t); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// disagreements are what is wrong with settings together.
func (s *Settings) disagreements() Mistakes {
	var out Mistakes
	wrong := func(key, what, remedy string) {
		from := s.From(key)
		out = append(out, Mistake{from.At, key, what, remedy, from.line})
	}
	o := &s.Operation
	switch {
	case o.Store != "" && o.StoreFile != "":
		wrong("storeFile", "there is a store beside the storeFile", "leave one of them out")
	case o.StorePasswordFile != "" && o.Store == "" && o.StoreFile == "":
		wrong("storePasswordFile", "there is no store that it could be the password of", "say where the database is: store: postgres://USER@HOST/NAME")
	case o.StorePasswordFile != "" && hasPassword(o.Store):
		wrong("storePasswordFile", "the store has a password already", "leave it out of the store")
	}
	if (o.TLS.CertificateFile == "") != (o.TLS.KeyFile == "") {
		key := "tls.keyFile"
		if o.TLS.KeyFile == "" {
			key = "tls.certificateFile"
		}
		wrong(key, "TLS needs a certificate and a key", "give both: tls.certificateFile and tls.keyFile")
	}
	if o.Domain != "" {
		switch u, err := url.Parse(o.URL); {
		case o.TLS.CertificateFile != "" || o.TLS.KeyFile != "":
			wrong("domain", "there are files of a certificate beside the domain that one is had for", "leave one of them out: domain, or tls.certificateFile and tls.keyFile")
		case err != nil || u.Scheme != "https" || u.Hostname() != o.Domain:
			wrong("url", fmt.Sprintf("url is %s, and domain %s", o.URL, o.Domain), "leave url out: it follows from domain")
		}
	}
	if o.Redirect != "" && !strings.HasPrefix(o.URL, "https://") {
		wrong("redirect", "redirect leads to url, which is no https address", "say where people reach this instance: url: https://...")
	}
	if (o.Alarms.Webhook == "") != (o.Alarms.WebhookSecretFile == "") {
		key := "alarms.webhookSecretFile"
		if o.Alarms.WebhookSecretFile == "" {
			key = "alarms.webhook"
		}
		wrong(key, "a webhook needs a URL and a secret", "give both: alarms.webhook and alarms.webhookSecretFile")
	}
	if len(o.Alarms.MailTo) > 0 && (o.Mail.Server == "" || o.Mail.From == "") {
		wrong("alarms.mailTo", "there is no server that could mail alarms", "say which, and from whom: mail.server and mail.from")
	}
	if o.Metrics.OTLPHeaderFile != "" {
		switch u, err := url.Parse(o.Metrics.OTLP); {
		case o.Metrics.OTLP == "":
			wrong("metrics.otlpHeaderFile", "there is no receiver that a header could be sent to", "say where it is: metrics.otlp")
		case err != nil || u.Scheme != "https" && !loopback(u.Hostname()):
			wrong("metrics.otlp", "the header of metrics.otlpHeaderFile would be sent in the clear", "have the receiver reached by https, or on this machine")
		}
	}
	if o.Log.Requests && levels[0] < o.Log.Level {
		wrong("log.requests", "requests are logged at the level info, which log.level leaves out", "set log.level to info, or log.requests to false")
	}
	return out
}

// loopback reports whether a host is this machine, whoever is asked.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// maxSecret bounds a file that holds a secret, in bytes.
const maxSecret = 4 << 10

// ErrSecret is the error of a file that should hold a secret.
var ErrSecret = errors.New("read a secret")

// SecretFiles are the files of secrets that the settings name: no backup holds them.
func (o *Operation) SecretFiles() []string {
	all := []string{o.StoreFile, o.StorePasswordFile, o.TLS.KeyFile, o.Staff.OIDC.SecretFile, o.Mail.PasswordFile, o.Campaign.PasswordFile,
		o.Reset.SecretFile, o.Reset.SessionsSecretFile, o.Metrics.OTLPHeaderFile, o.Alarms.WebhookSecretFile}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// StoreURL gives the URL of the PostgreSQL database, with its password; "" where it is SQLite in the data folder. Errors:
// ErrSecret.
func (o *Operation) StoreURL() (string, error) {
	store := o.Store
	if o.StoreFile != "" {
		var err error
		if store, err = Secret(o.StoreFile); err != nil {
			return "", err
		}
		if !databaseURL(store) {
			return "", hint.Add(fmt.Errorf("%w: %s does not hold the URL of a PostgreSQL database", ErrSecret, o.StoreFile), "such as postgres://USER:PASSWORD@HOST/NAME, on one line")
		}
	}
	if store == "" || o.StorePasswordFile == "" {
		return store, nil
	}
	password, err := Secret(o.StorePasswordFile)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(store)
	if err != nil { // it was parsed before
		return "", fmt.Errorf("%w: the database's URL cannot be read", ErrSecret)
	}
	q := u.Query()
	q.Set("password", password) // beside a user that may not be said
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Secret reads the one line of a file that a setting names. Errors: ErrSecret.
func Secret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", hint.Add(fmt.Errorf("%w: %w", ErrSecret, err), "the file is named by a setting: shirase config show")
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSecret, err)
	}
	b = bytes.TrimRight(b, "\r\n")
	if len(b) == 0 || len(b) > maxSecret || bytes.ContainsFunc(b, unicode.IsControl) {
		return "", hint.Add(fmt.Errorf("%w: %s does not hold one line of text", ErrSecret, path), "it holds the secret and nothing else")
	}
	return string(b), nil
}

// secretParameters are those of a PostgreSQL URL that hold secrets.
var secretParameters = []string{"password", "sslpassword"}

// hasPassword reports whether the URL of a database has a password in it.
func hasPassword(store string) bool {
	u, err := url.Parse(store)
	if err != nil {
		return false
	}
	if _, has := u.User.Password(); has {
		return true
	}
	q := u.Query()
	return slices.ContainsFunc(secretParameters, q.Has)
}

// withoutPassword leaves the secrets out of the URL of a database.
func withoutPassword(store string) string {
	u, err := url.Parse(store)
	if err != nil {
		return ""
	}
	if !hasPassword(store) {
		return store
	}
	if _, has := u.User.Password(); has {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	for _, p := range secretParameters {
		q.Del(p)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
