package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shirase/internal/hint"
	"shirase/internal/serve"
)

// other gives a value of a key that is not its default.
func other(k Key) string {
	switch k.kind {
	case span:
		return "77m"
	case rate:
		return "0.5/s burst 9"
	case count:
		return "17"
	case truth:
		return "true"
	case list:
		return strings.Trim(k.Example, "[]")
	}
	if v := map[string]string{"listen": "0.0.0.0:80", "log.format": "json", "log.level": "error", "mail.security": "tls", "campaign.security": "tls", "returns.protocol": "smtp", "reset.connector": "sql", "acme.directory": "https://acme.example.org/directory"}[k.Name]; v != "" {
		return v
	}
	return k.Example
}

func operated() []Key {
	return slices.DeleteFunc(slices.Clone(Keys()), func(k Key) bool { return k.Instance })
}

// TestExample holds that the example has every key, as it is parsed, and sets none of them; and that the copy in examples/
// is the one that is printed.
func TestExample(t *testing.T) {
	example := Example()
	if b, err := os.ReadFile("../../examples/shirase.yaml"); err != nil || string(b) != example {
		t.Errorf("examples/shirase.yaml is not the example (run: go run ./cmd/shirase config example > examples/shirase.yaml): %v", err)
	}
	if d := readDocument("example", []byte(example)); len(d.mistakes) > 0 || len(d.values) > 0 {
		t.Fatalf("%v, %v", d.mistakes, d.values)
	}
	shown := regexp.MustCompile(`(?m)^( *)# ([a-z][A-Za-z0-9]+: \S.*)$`).ReplaceAllString(example[len(preface):], "$1$2")
	d := readDocument("example", []byte(shown))
	var names []string
	for _, v := range d.values {
		names = append(names, v.key.Name)
	}
	var want []string
	for _, k := range operated() {
		want = append(want, k.Name)
	}
	if len(d.mistakes) > 0 || !slices.Equal(names, want) {
		t.Fatalf("with every # taken away: %v, %q", d.mistakes, names)
	}
	s := Default()
	if d.apply(s, false); len(d.mistakes) > 0 {
		t.Fatal(d.mistakes)
	}
	for _, k := range operated() {
		if k.Example == "" && k.Text(s) != k.Text(Default()) {
			t.Errorf("%s: the example says %q, and the default is %q", k.Name, k.Text(s), k.Text(Default()))
		}
		if k.Example != "" && k.Text(s) == "" {
			t.Errorf("%s: an example that sets nothing", k.Name)
		}
	}
	for i, line := range strings.Split(example, "\n") {
		if len(line) > width {
			t.Errorf("line %d is longer than %d", i+1, width)
		}
	}
}

// TestDocumentation holds that docs/OPERATIONS.md has a line for every key that is as the key is.
func TestDocumentation(t *testing.T) {
	b, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| in the file | environment | flag | default | what it is |\n|---|---|---|---|---|\n")
	for _, k := range operated() {
		flag, def := "", k.Text(Default())
		if k.Flag != "" {
			flag = "`--" + k.Flag + "`"
		}
		if k.shown != nil {
			def = ""
		}
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&table, "| `%s` | `%s` | %s | %s | %s |\n", k.Name, k.Env(), flag, def, k.Help)
	}
	if !strings.Contains(string(b), table.String()) {
		t.Errorf("docs/OPERATIONS.md does not have this table:\n%s", &table)
	}
}

// TestEveryKey holds that every field of how an instance is operated is set by exactly one key, in whatever way it is said,
// and that what is shown of it says the same again.
func TestEveryKey(t *testing.T) {
	fields := map[string]string{}
	for _, k := range operated() {
		value := other(k)
		file, err := Edit("f", []byte(Example()), k.Name, value)
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		d, said := readDocument("/dir/f", file), Default()
		if d.apply(said, false); len(d.mistakes) > 0 {
			t.Fatalf("%s: %v", k.Name, d.mistakes)
		}
		changed := differ(reflect.ValueOf(Default().Operation), reflect.ValueOf(said.Operation), "")
		if len(changed) != 1 || fields[changed[0]] != "" {
			t.Errorf("%s sets %v, which is set by %q too", k.Name, changed, fields[strings.Join(changed, "")])
			continue
		}
		fields[changed[0]] = k.Name
		env, _ := read(Sources{Environ: []string{k.Env() + "=" + value}, File: "/dev/null"})
		flag, _ := read(Sources{Flags: map[string][]string{k.Name: splitIf(k, value)}, File: "/dev/null"})
		for how, s := range map[string]*Settings{"environment": env, "flag": flag} {
			if !reflect.DeepEqual(s.Operation, said.Operation) {
				t.Errorf("%s by %s: %+v, and by the file %+v", k.Name, how, s.Operation, said.Operation)
			}
			if got := s.From(k.Name); string(got.Kind) != how {
				t.Errorf("%s by %s comes from %v", k.Name, how, got)
			}
		}
		again := Default()
		if err := k.Set(again, k.Texts(said)...); err != nil || !reflect.DeepEqual(again.Operation, said.Operation) {
			t.Errorf("%s: what is shown, %q, does not say the same: %v", k.Name, k.Texts(said), err)
		}
		if err := k.Set(again); err != nil || !reflect.DeepEqual(again.Operation, Default().Operation) {
			t.Errorf("%s cannot be taken back: %v", k.Name, err)
		}
	}
	all := differ(reflect.ValueOf(Default().Operation), reflect.ValueOf(Operation{}), "")
	for _, f := range append(all, "Keys", "Store", "URL") {
		if fields[f] == "" {
			t.Errorf("no key sets %s", f)
		}
	}
}

func splitIf(k Key, value string) []string {
	if k.List() {
		return splitList(value)
	}
	return []string{value}
}

// differ gives the fields in which two structs differ.
func differ(a, b reflect.Value, at string) []string {
	if a.Kind() != reflect.Struct {
		if reflect.DeepEqual(a.Interface(), b.Interface()) {
			return nil
		}
		return []string{at}
	}
	if rate, ok := a.Interface().(serve.Rate); ok {
		if rate == b.Interface().(serve.Rate) {
			return nil
		}
		return []string{at}
	}
	var out []string
	for i := range a.NumField() {
		out = append(out, differ(a.Field(i), b.Field(i), strings.TrimPrefix(at+"."+a.Type().Field(i).Name, "."))...)
	}
	return out
}

// TestPrecedence: a flag is above the environment, that above the file, that above the instance, and that above the default.
func TestPrecedence(t *testing.T) {
	data := t.TempDir()
	file := filepath.Join(data, FileName)
	s, err := Read(Sources{Flags: map[string][]string{"data": {data}}})
	if err != nil || s.Operation.URL != "" || s.From("url") != (Source{Kind: FromDefault}) {
		t.Fatalf("without anything: %q, %v, %v", s.Operation.URL, s.From("url"), err)
	}
	s.Adopt(Instance{FormerURL: "https://instance.example", Contact: "mailto:a@example.org"})
	if s.Operation.URL != "https://instance.example" || s.From("url").Kind != FromInstance || s.From("contact").Kind != FromInstance || s.From("privacy").Kind != FromDefault {
		t.Errorf("the instance says: %q, %v, %v", s.Operation.URL, s.From("url"), s.From("contact"))
	}
	write(t, file, "# mine\nurl: https://file.example/\nlisten: 127.0.0.1:1\n")
	in := Sources{Environ: []string{"HOME=/root", "SHIRASE_DATA=" + data, "SHIRASE_LISTEN="}}
	for _, step := range []struct {
		change func()
		url    string
		from   Source
	}{
		{func() {}, "https://file.example", Source{FromFile, file + ":2", 2}},
		{func() { in.Environ = append(in.Environ, "SHIRASE_URL=https://environment.example") }, "https://environment.example", Source{Kind: FromEnvironment, At: "SHIRASE_URL"}},
		{func() { in.Flags = map[string][]string{"url": {"https://flag.example"}} }, "https://flag.example", Source{Kind: FromFlag, At: "--url"}},
	} {
		step.change()
		s, err := Read(in)
		if err != nil {
			t.Fatal(err)
		}
		s.Adopt(Instance{FormerURL: "https://instance.example"})
		if s.Operation.URL != step.url || s.From("url") != step.from || s.Operation.Listen != "127.0.0.1:1" || s.Operation.Data != data {
			t.Errorf("%q, %v, %q, %q", s.Operation.URL, s.From("url"), s.Operation.Listen, s.Operation.Data)
		}
	}
}

// TestWhichFile: the file is the one that is named, by flag or environment, and otherwise the data folder's, where there is
// one. Paths in it are relative to it.
func TestWhichFile(t *testing.T) {
	dir := t.TempDir()
	named, other := filepath.Join(dir, "named.yaml"), filepath.Join(dir, "other.yaml")
	write(t, named, "data: data\nkeys: /keys\nstorePasswordFile: secrets/p\nstore: postgres://h/d\n")
	write(t, other, "log: {level: error}\n")
	s, err := Read(Sources{File: named, Environ: []string{fileVariable + "=" + other}})
	if err != nil {
		t.Fatal(err)
	}
	if o := s.Operation; o.Data != filepath.Join(dir, "data") || o.Keys != "/keys" || o.StorePasswordFile != filepath.Join(dir, "secrets/p") {
		t.Errorf("%+v", o)
	}
	if s, err = Read(Sources{Environ: []string{fileVariable + "=" + other}}); err != nil || s.Operation.Log.Level != levels[2] {
		t.Errorf("%v, %v", s.Operation.Log, err)
	}
	for _, in := range []Sources{{File: filepath.Join(dir, "none.yaml")}, {Environ: []string{fileVariable + "=" + dir}}} {
		var mistakes Mistakes
		if _, err := Read(in); !errors.As(err, &mistakes) || !errors.Is(err, ErrMistake) || mistakes[0].Hint == "" || strings.Count(mistakes.Error(), dir) != 1 {
			t.Errorf("a file that is named and cannot be read: %v", err)
		}
	}
	write(t, filepath.Join(dir, FileName), "data: elsewhere\n")
	if _, err := Read(Sources{Flags: map[string][]string{"data": {dir}}}); err == nil || !strings.Contains(err.Error(), FileName+":1: data: this file lies in the data folder") {
		t.Errorf("a data folder that names another: %v", err)
	}
}

// TestMistakes: every mistake is found, in the order of the lines, with what is allowed or what was meant, and nothing is
// taken for something else.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ file, at, what, hint string }{
		{"listn: 127.0.0.1:1", "1", `there is no setting "listn"`, "did you mean listen?"},
		{"Listen: 127.0.0.1:1", "1", `there is no setting "Listen"`, "did you mean listen?"},
		{"a: 1", "1", `there is no setting "a"`, "known here: data, keys, store"},
		{"tls:\n  certificate: x", "2", `there is no setting "tls.certificate"`, "did you mean tls.certificateFile?"},
		{"requests: true", "1", `there is no setting "requests"`, "did you mean log.requests?"},
		{"limits:\n  check:\n    ipv5: 1/s burst 1", "3", `there is no setting "limits.check.ipv5"`, "did you mean limits.check.ipv4?"},
		{"listen: 8311", "1", "listen: 8311 is not an address and a port, such as 127.0.0.1:8311", ""},
		{"listen: localhost", "1", `listen: "localhost" is not an address and a port`, ""},
		{"listen: localhost:99999", "1", `is not an address and a port`, ""},
		{"listen:", "1", "listen: it has no value", "put # before it"},
		{"listen: ''", "1", "listen: it is empty", "put # before it"},
		{"listen: [127.0.0.1:1]", "1", "listen: a list is not an address", ""},
		{"listen: {a: b}", "1", "listen: a section is not an address", ""},
		{"listen: |\n  127.0.0.1:1", "1", "listen: this is not an address", ""},
		{"listen: !!str 127.0.0.1:1", "1", "tags (!) are not available", "quotation marks"},
		{"tls: x.pem", "1", "tls is not a list of settings", "write one on each line"},
		{"tls: [x]", "1", "tls is not a list of settings", ""},
		{"- listen", "1", "the file is not a list of settings", ""},
		{"just words", "1", "the file is not a list of settings", ""},
		{"timeouts:\n  read: 30", "2", "timeouts.read: 30 has no unit", "write it as 30s"},
		{"timeouts:\n  read: 30 seconds", "2", `timeouts.read: "30 seconds" is not a time from 1ms to 24h`, ""},
		{"timeouts:\n  read: 0s", "2", `"0s" is not a time`, ""},
		{"timeouts:\n  read: -1s", "2", `"-1s" is not a time`, ""},
		{"passwords: {maxAge: 745h}", "1", `passwords.maxAge: "745h" is not a time from 1s to 744h`, ""},
		{"pool:\n  read: many", "2", `pool.read: "many" is not a number of connections`, ""},
		{"pool:\n  read: 1.5", "2", "pool.read: 1.5 is not a number of connections", ""},
		{"pool:\n  read: 1001", "2", `is not a number of connections`, ""},
		{"pool:\n  read: 0x10", "2", `is not a number of connections`, ""},
		{"log:\n  requests: yes", "2", `log.requests: "yes" is not true or false`, ""},
		{"log:\n  level: debug", "2", `log.level: "debug" is not info, warn or error`, ""},
		{"log:\n  level: warn\n  requests: true", "3", "requests are logged at the level info", "set log.level to info"},
		{"trustedProxies: 127.0.0.1", "1", "trustedProxies: it is a list", "write trustedProxies: [...]"},
		{"trustedProxies: [127.0.0.1, proxy.example]", "1", `"proxy.example" is not an address or a network`, ""},
		{"trustedProxies: [1]", "1", "trustedProxies: 1 is not an address or a network", ""},
		{"securityContacts: [\"javascript:alert(1)\"]", "1", "is not an address of mail, or an https or tel URL", ""},
		{"limits: {check: {all: 100}}", "1", "limits.check.all: 100 is not a rate such as 100/s burst 4000", ""},
		{"limits: {check: {all: 100/s}}", "1", `"100/s" is not a rate`, ""},
		{"limits: {check: {all: 0/s burst 10}}", "1", "both numbers are above zero", ""},
		{"limits: {check: {all: 1/s burst 0}}", "1", "both numbers are above zero", ""},
		{"limits: {check: {all: NaN/s burst 1}}", "1", "is not a rate", ""},
		{"limits: {archive: {networks: 0}}", "1", "is not a number of networks", ""},
		{"url: notice.example.org", "1", `url: "notice.example.org" is not like https://notice.example.org`, ""},
		{"url: https://a.example/?q=1", "1", "is not like https://notice.example.org", ""},
		{"url: https://user@a.example/", "1", "is not like https://notice.example.org", ""},
		{"tls: {keyFile: k.pem}", "1", "TLS needs a certificate and a key", "give both"},
		{"metrics: {otlp: \"http://127.0.0.1:4318\"}", "1", "is not a URL with its path, such as http://127.0.0.1:4318/v1/metrics", ""},
		{"metrics: {otlp: \"grpc://127.0.0.1:4317/x\"}", "1", "is not a URL with its path", ""},
		{"metrics: {otlp: \"https://u:p@otlp.example/v1/metrics\"}", "1", "is not a URL with its path", ""},
		{"metrics: {otlpEvery: 500ms}", "1", `"500ms" is not a time from 1s to 24h`, ""},
		{"metrics: {otlpHeaderFile: f}", "1", "there is no receiver that a header could be sent to", "metrics.otlp"},
		{"metrics:\n  otlp: http://otlp.example/v1/metrics\n  otlpHeaderFile: f", "2", "would be sent in the clear", "by https"},
		{"tls: {certificateFile: c.pem}", "1", "TLS needs a certificate and a key", "give both"},
		{"store: mysql://h/d", "1", "store: it is not like postgres://USER@HOST/NAME", ""},
		{"store: postgres://h/d\nstoreFile: f", "2", "there is a store beside the storeFile", "leave one of them out"},
		{"storePasswordFile: f", "1", "there is no store that it could be the password of", "store: postgres://"},
		{"operator: {ja: x}", "1", "operator is of what the instance is", "shirase config set"},
		{"operator.ja: x", "1", "operator.ja is of what the instance is", "shirase config set"},
		{"engine: sqlite", "1", "engine is of what the instance is", "decided when the instance was made"},
		{"listen: 127.0.0.1:1\nlisten: 127.0.0.1:2", "2", "already defined", ""},
		{"1: x", "1", "the name of a setting is not plain text", ""},
		{"? [a]\n: b", "2", "", ""},
		{"listen: &a 127.0.0.1:1", "1", "anchors and aliases", "write it out"},
		{"listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2", "3", "there is a second document", "a file of its own"},
		{"listen: [", "1", "", ""},
		{"\xff", "", "it is not UTF-8", "save it as UTF-8"},
		{strings.Repeat("# long\n", maxFile/7+1), "", "it is larger than 64 KiB", ""},
	} {
		file := filepath.Join(t.TempDir(), "f.yaml")
		write(t, file, c.file)
		err := Check(file)
		var mistakes Mistakes
		if !errors.As(err, &mistakes) || len(mistakes) != 1 {
			t.Errorf("%.60q: %v", c.file, err)
			continue
		}
		at := file
		if c.at != "" {
			at += ":" + c.at
		}
		if m := mistakes[0]; m.At != at || !strings.Contains(m.What, c.what) || !strings.Contains(m.Hint, c.hint) {
			t.Errorf("%.60q: %+v", c.file, m)
		}
	}
	if err := Check(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrMistake) {
		t.Errorf("a file that is not there: %v", err)
	}
	file := filepath.Join(t.TempDir(), "f.yaml")
	write(t, file, "tls: {keyFile: k}\nlog: {level: all}\nlistn: x\nlisten: y\n")
	_, err := Read(Sources{File: file, Environ: []string{"SHIRASE_POOL_READ=x", "SHIRASE_LISTNE=127.0.0.1:1", "SHIRASE_TEST_DATA=/x", "SHIRASE_SERVICE_HOST=10.0.0.1"}, Flags: map[string][]string{"trustedProxies": {"127.0.0.1", "q"}, "passwords.maxAge": {"1"}}, Names: map[string]string{"passwords.maxAge": "max-age"}})
	var mistakes Mistakes
	var places []string
	if errors.As(err, &mistakes) {
		for _, m := range mistakes {
			places = append(places, strings.TrimPrefix(m.At, file))
		}
	}
	if want := []string{":1", ":2", ":3", ":4", "SHIRASE_LISTNE", "SHIRASE_POOL_READ", "--trusted-proxy", "--max-age"}; !slices.Equal(places, want) {
		t.Errorf("%q, want %q: %v", places, want, mistakes)
	}
	if !strings.HasSuffix(mistakes.Error(), ", and 7 more") || hint.Of(mistakes) != "" {
		t.Errorf("%v, %q", mistakes, hint.Of(mistakes))
	}
}

// TestSecrets: a password stands in a file or in the environment; elsewhere it is refused, and it is shown nowhere.
func TestSecrets(t *testing.T) {
	const secret = "hunter2"
	dir := t.TempDir()
	file := func(name, text string) string {
		write(t, filepath.Join(dir, name), text)
		return filepath.Join(dir, name)
	}
	store, _ := Find("store")
	for _, u := range []string{"postgres://u:" + secret + "@h/d", "postgres://h/d?password=" + secret, "postgres://u@h/d?sslpassword=" + secret, "postgres://u:" + secret + "@h:x/d", "mysql://u:" + secret + "@h/d"} {
		for how, in := range map[string]Sources{
			"file": {File: file("f.yaml", "store: \""+u+"\"\n")},
			"flag": {File: "/dev/null", Flags: map[string][]string{"store": {u}}},
		} {
			_, err := Read(in)
			var mistakes Mistakes
			if !errors.As(err, &mistakes) || strings.Contains(fmt.Sprint(mistakes, mistakes[0].Hint), secret) {
				t.Errorf("%s: %v", how, err)
			}
		}
	}
	in := Sources{File: "/dev/null", Environ: []string{"SHIRASE_STORE=postgres://u:" + secret + "@h/d?sslmode=disable&sslpassword=" + secret}}
	s, err := Read(in)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := s.Operation.StoreURL(); err != nil || u != s.Operation.Store {
		t.Errorf("%q, %v", u, err)
	}
	if got := store.Text(s); got != "postgres://u@h/d?sslmode=disable" || store.Value(s) != got {
		t.Errorf("it is shown as %q", got)
	}
	for text, want := range map[string]string{
		"store: postgres://u@h/d?sslmode=disable\nstorePasswordFile: p\n": "postgres://u@h/d?password=hunter2&sslmode=disable",
		"store: postgresql:///d\nstorePasswordFile: p\n":                  "postgresql:///d?password=hunter2",
		"storeFile: u\n": "postgres://u:hunter2@h/d",
		"storeFile: plain\nstorePasswordFile: p\n": "postgres://u@h/d?password=hunter2",
	} {
		file("p", secret+"\n")
		file("u", "postgres://u:"+secret+"@h/d\r\n")
		file("plain", "postgres://u@h/d")
		s, err := Read(Sources{File: file("f.yaml", text)})
		if err != nil {
			t.Fatal(err)
		}
		if u, err := s.Operation.StoreURL(); err != nil || u != want {
			t.Errorf("%q: %q, %v", text, u, err)
		}
		for _, k := range Keys() {
			if strings.Contains(k.Text(s), secret) {
				t.Errorf("%s shows it", k.Name)
			}
		}
	}
	for name, content := range map[string]string{"empty": "", "lines": secret + "\n" + secret, "long": strings.Repeat("x", maxSecret+1), "none": ""} {
		path := filepath.Join(dir, name)
		if name != "none" {
			file(name, content)
		}
		for _, o := range []Operation{{StoreFile: path}, {Store: "postgres://h/d", StorePasswordFile: path}} {
			if _, err := o.StoreURL(); !errors.Is(err, ErrSecret) || hint.Of(err) == "" || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := (&Operation{StoreFile: file("bad", secret)}).StoreURL(); !errors.Is(err, ErrSecret) || strings.Contains(err.Error(), secret) {
		t.Errorf("a file that holds no URL: %v", err)
	}
	if _, err := Read(Sources{File: "/dev/null", Environ: append(in.Environ, "SHIRASE_STORE_PASSWORD_FILE=p")}); err == nil {
		t.Error("two passwords are accepted")
	}
}

// TestSecretFiles: every file of a secret that a setting names is one of those that no backup holds. Which they are is told
// from the names of settings, so that a new one is not forgotten.
func TestSecretFiles(t *testing.T) {
	s, n := Default(), 0
	for _, k := range Keys() {
		secret := k.Path() && (strings.HasSuffix(k.Name, "ecretFile") || strings.HasSuffix(k.Name, "asswordFile") || strings.HasSuffix(k.Name, ".keyFile") || strings.HasSuffix(k.Name, "eaderFile") || k.Name == "storeFile")
		if secret {
			n++
			if err := k.Set(s, "/"+k.Name); err != nil {
				t.Fatal(err)
			}
		}
		if got := slices.Contains(s.Operation.SecretFiles(), "/"+k.Name); got != secret {
			t.Errorf("%s is one of them: %v", k.Name, got)
		}
	}
	if n < 10 || len(s.Operation.SecretFiles()) != n || len((&Operation{}).SecretFiles()) != 0 {
		t.Errorf("%d settings name secrets, and these are their files: %q", n, s.Operation.SecretFiles())
	}
}

// TestInstance: what an instance is is read as it was written; an unknown member and a newer format are refused.
func TestInstance(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadInstance(dir); !errors.Is(err, ErrNone) || hint.Of(err) == "" {
		t.Errorf("an empty folder: %v", err)
	}
	want := Instance{Format: Format, Engine: "sqlite", Region: "JP", Operator: Name{"例示", "Example"}, Contact: "mailto:a@example.org", Demo: &Demo{Scale: 0.5}}
	b, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, InstanceFile), string(b))
	if got, err := ReadInstance(dir); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for text, want := range map[string]error{`{"format":2,"shape":"new"}`: ErrNewer, `{"format":1,"shape":"new"}`: nil, `{`: nil} {
		write(t, filepath.Join(dir, InstanceFile), text)
		if _, err := ReadInstance(dir); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, k := range instanceKeys() {
		for _, bad := range map[string][]string{"operator.ja": {"a\nb", " a", "a\u202eb", strings.Repeat("x", 201)}, "contact": {"desk@example.org", "mailto:x", "ftp://a"},
			"imprint": {"mailto:a@example.org", "https://"}, "phone-region": {"jp", "JPN", "12"}}[k.Name] {
			if err := k.Set(Default(), bad); err == nil || !strings.Contains(err.Error(), k.Form) {
				t.Errorf("%s: %q: %v", k.Name, bad, err)
			}
		}
	}
}

// TestLimits: what the file accepts, a limiter does.
func TestLimits(t *testing.T) {
	s := Default()
	for _, k := range operated() {
		if strings.HasPrefix(k.Name, "limits.") && k.kind == count {
			for n := range 10 {
				if k.Set(s, fmt.Sprint(n)) == nil {
					break // the least
				}
			}
		} else if strings.HasPrefix(k.Name, "limits.") {
			if err := k.Set(s, "0.000001/s burst 1"); err != nil {
				t.Error(err)
			}
		}
	}
	for _, l := range []serve.Limits{s.Operation.Limits.Check, s.Operation.Limits.Archive} {
		if _, err := serve.NewLimiter(l, nil); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(Example()))
	f.Add([]byte("listen: 127.0.0.1:1\ntls: {keyFile: a, certificateFile: b}\nlimits:\n  check:\n    all: 1/s burst 2\ntrustedProxies:\n  - 10.0.0.0/8\n"))
	f.Add([]byte("store: postgres://u:p@h/d\noperator:\n  ja: x\nlog: {requests: yes}\n? a\n: b\n1: 2\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		d, s := readDocument("f", src), Default()
		d.apply(s, true)
		for _, m := range append(d.mistakes, s.disagreements()...) {
			if m.At == "" || m.What == "" {
				t.Errorf("%+v", m)
			}
		}
		for _, k := range Keys() {
			k.Value(s)
		}
	})
}
