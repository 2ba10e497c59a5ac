package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write docs/config.md anew")

func TestDefaultsAreValid(t *testing.T) {
	c, err := Load(Input{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || !c.Encryption || c.Limits.RootBytes != 16<<20 || c.Sweep.Interval != time.Hour {
		t.Errorf("unexpected defaults: %+v", c)
	}
	for _, s := range Settings() {
		if got := s.Value(c); got != s.Default {
			t.Errorf("%s: default %q is shown as %q", s.Name, s.Default, got)
		}
	}
}

func TestPrecedence(t *testing.T) {
	f := write(t, "tenant: from-file\nlog:\n  level: warn\n  format: text\nlimits:\n  root-bytes: 8MiB\n")
	c, err := Load(Input{
		File:        f,
		Environment: []string{"SAMDOK_TENANT=from-env", "SAMDOK_LOG_LEVEL=debug", "PATH=/bin", "SAMDOK_URL=http://x"},
		Flags:       map[string]string{"tenant": "from-flag"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Tenant != "from-flag" || c.Log.Level != "debug" || c.Log.Format != "text" || c.Limits.RootBytes != 8<<20 {
		t.Errorf("got %q %q %q %d", c.Tenant, c.Log.Level, c.Log.Format, c.Limits.RootBytes)
	}
	for name, want := range map[string]string{"tenant": "flag --tenant", "log.level": "environment SAMDOK_LOG_LEVEL", "log.format": "file " + f, "data": "default"} {
		if got := c.Source(name).String(); got != want {
			t.Errorf("%s: from %q, want %q", name, got, want)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		env        []string
		flags      map[string]string
		want       []string
	}{
		{"typo in file", "limts:\n  root-bytes: 8MiB\n", nil, nil, []string{"limts.root-bytes", "did you mean limits.root-bytes?"}},
		{"typo in variable", "", []string{"SAMDOK_LISTN=127.0.0.1:1"}, nil, []string{"did you mean SAMDOK_LISTEN?"}},
		{"nothing near", "colour: blue\n", nil, nil, []string{"colour", "samdok config print"}},
		{"bad size", "", []string{"SAMDOK_LIMITS_ROOT_BYTES=much"}, nil, []string{"limits.root-bytes", "environment SAMDOK_LIMITS_ROOT_BYTES", "64MiB"}},
		{"two mistakes at once", "profile: sweden\nencryption: maybe\n", nil, nil, []string{"profile", "base, norway", "encryption", "neither on nor off"}},
		{"remote and open", "", nil, map[string]string{"listen": "0.0.0.0:8080"}, []string{"access.allow-remote-open", "access.decider deny"}},
		{"half of TLS", "", nil, map[string]string{"tls-cert": "x"}, []string{"belong together"}},
		{"client certificates without TLS", "", nil, map[string]string{"tls-client-ca": "x"}, []string{"tls.client-ca", "needs TLS"}},
		{"half of MLLPS", "", nil, map[string]string{"mllp-key": "x"}, []string{"mllp.cert", "belong together"}},
		{"MLLP client certificates without TLS", "", nil, map[string]string{"mllp-client-ca": "x"}, []string{"mllp.client-ca", "needs TLS"}},
		{"MLLP remote and open", "mllp: {listen: \"0.0.0.0:2575\"}\n", nil, nil, []string{"mllp.listen", "access.allow-remote-open"}},
		{"MLLP without a registry", "", nil, map[string]string{"mllp-listen": "127.0.0.1:2575", "roles": "repository", "registry-url": "http://127.0.0.1:1/r"}, []string{"mllp.listen", "roles is repository"}},
		{"bad authority", "", nil, map[string]string{"patient-authorities": "1.2.3,FNR=x"}, []string{"patient-authorities", "FNR=2.16"}},
		{"authority without name", "", nil, map[string]string{"patient-authorities": "=1.2.3"}, []string{"patient-authorities"}},
		{"sweeps that catch what is on its way", "", []string{"SAMDOK_SWEEP_AGE=5m"}, nil, []string{"sweep.age", "at least 1h"}},
		{"scanner without address", "malware: {scanner: clamd}\n", nil, nil, []string{"malware.address"}},
		{"bad OID", "", nil, map[string]string{"home-community-id": "2.016"}, []string{"not an OID"}},
		{"patients of another kind", "patients: some\n", nil, nil, []string{"patients", "open, known"}},
		{"bad address", "", nil, map[string]string{"listen": "8080"}, []string{"HOST:PORT"}},
		{"scaled without engines", "storage: scaled\n", nil, nil, []string{"s3.endpoint", "s3.access-key", "elasticsearch.url", "master-key", "all nodes need the same"}},
		{"scaled subscriptions without an address", "storage: scaled\ndsub: {broker: on}\n", nil, nil, []string{"public-url", "load balancer"}},
		{"engines without scaled", "s3: {endpoint: \"http://127.0.0.1:9000\"}\n", nil, nil, []string{"s3.endpoint", "is for storage scaled"}},
		{"bucket in capitals", "storage: scaled\ns3: {bucket: Journal}\n", nil, nil, []string{"s3.bucket", "\"Journal\"", "no capital letters"}},
		{"bucket with a blank", "", []string{"SAMDOK_S3_BUCKET=a bucket", "SAMDOK_STORAGE=scaled"}, nil, []string{"s3.bucket", "SAMDOK_S3_BUCKET", "letters from a to z, digits, hyphens and dots"}},
		{"missing key file", "", []string{"SAMDOK_MASTER_KEY_FILE=/does/not/exist"}, nil, []string{"master-key", "must exist"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := Input{Environment: tc.env, Flags: tc.flags}
			if tc.file != "" {
				in.File = write(t, tc.file)
			}
			_, err := Load(in)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q:\n%v", w, err)
				}
			}
		})
	}
}

func TestSecretsStayHidden(t *testing.T) {
	const key = "9f3b1c9f3b1c9f3b1c9f3b1c9f3b1c9f3b1c9f3b1c9f3b1c9f3b1c9f3b1caaaa"
	f := write(t, key+"\n")
	for name, in := range map[string]Input{
		"variable":  {Environment: []string{"SAMDOK_MASTER_KEY=" + key}},
		"file":      {Environment: []string{"SAMDOK_MASTER_KEY_FILE=" + f}},
		"flag":      {Flags: map[string]string{"master-key-file": f}},
		"in config": {File: write(t, "master-key-file: "+f+"\n")},
	} {
		c, err := Load(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(c.MasterKey) != key {
			t.Errorf("%s: the key was not read", name)
		}
		var b strings.Builder
		if err := Print(&b, c, false); err != nil {
			t.Fatal(err)
		}
		if shown := b.String() + fmt.Sprintf("%v %+v %#v", c.MasterKey, c, *c); strings.Contains(shown, key) {
			t.Errorf("%s: the key is shown", name)
		}
	}
}

func TestAuthorities(t *testing.T) {
	if _, err := Load(Input{Flags: map[string]string{"patient-authorities": " FNR = 2.16.578.1.12.4.1.4.1 , urn:oid:1.2.3,"}}); err == nil {
		t.Fatal("a comma too many is accepted")
	}
	c, err := Load(Input{Flags: map[string]string{"patient-authorities": " FNR = 2.16.578.1.12.4.1.4.1 , urn:oid:1.2.3"}})
	if err != nil || len(c.PatientAuthorities) != 2 || c.PatientAuthorities[0] != (Authority{"FNR", "2.16.578.1.12.4.1.4.1"}) || c.PatientAuthorities[1] != (Authority{"", "1.2.3"}) {
		t.Fatal(c.PatientAuthorities, err)
	}
	var b strings.Builder
	if err := Print(&b, c, false); err != nil || !strings.Contains(b.String(), "FNR=2.16.578.1.12.4.1.4.1,1.2.3") {
		t.Errorf("%v %s", err, b.String())
	}
}

func TestPrintInBokmal(t *testing.T) {
	c, err := Load(Input{Flags: map[string]string{"profile": "norway"}})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Print(&b, c, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Mappen som holder alt", "# MAPPE; standard samdok-data; nå fra standard", "nå fra flagget --profile", "profile: 'norway'"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	for line := range strings.Lines(b.String()) {
		if utf8.RuneCountInString(line) > 102 {
			t.Errorf("a long line: %s", line)
		}
	}
	if _, err := Load(Input{File: write(t, b.String())}); err != nil {
		t.Error(err)
	}
}

func TestPrintedConfigurationLoadsAgain(t *testing.T) {
	c, err := Load(Input{Environment: []string{"SAMDOK_TENANT=it's", "SAMDOK_HOME_COMMUNITY_ID=2.16.1", "SAMDOK_HTTP_RATE=0.5", "SAMDOK_INTERNAL_LISTEN=off"}})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Print(&b, c, false); err != nil {
		t.Fatal(err)
	}
	again, err := Load(Input{File: write(t, b.String())})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	for _, s := range Settings() {
		if got, want := s.Value(again), s.Value(c); got != want {
			t.Errorf("%s: %q became %q", s.Name, want, got)
		}
	}
}

// What is wrong in the file is told by file, line and setting, with an example, and in
// no words of a programming language.
func TestMistakesAreToldInTheWordsOfTheFile(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"a word for a size":         {"limits:\n  root-bytes: much\n", "setting limits.root-bytes (from file FILE, line 2): \"much\" is not a size"},
		"a list for a value":        {"tenant: x\nlisten:\n  - 127.0.0.1:8080\n", "setting listen (from file FILE, line 2): expected one value, and there is a list; write for example listen: 127.0.0.1:"},
		"a group for a value":       {"tenant:\n  name: x\n", "setting tenant (from file FILE, line 1): expected one value, and there is a group of keys; write for example tenant: "},
		"a value for a group":       {"mllp: 127.0.0.1:2575\n", "setting mllp (from file FILE, line 1): expected settings below it, and there is one value; write for example mllp: {"},
		"a list for a group":        {"log:\n- level: info\n", "setting log (from file FILE, line 2): expected settings below it, and there is a list; write for example log: {"},
		"no value":                  {"log:\n  level:\n", "setting log.level (from file FILE, line 2): has no value; write for example level: info"},
		"a key that does not exist": {"log:\n  levl: info\n", "setting log.levl (from file FILE, line 2): there is no such setting; did you mean log.level?"},
		"a key twice":               {"tenant: a\ntenant: b\n", "setting tenant (from file FILE, line 2): stands in line 1 already"},
		"a key in two spellings":    {"log.level: info\nlog:\n  level: warn\n", "setting log.level (from file FILE, line 3): stands in line 1 already"},
		"a list for the whole":      {"- tenant: a\n", "configuration file FILE, line 1: expected settings, and there is a list"},
		"a text for the whole":      {"tenant=a\n", "configuration file FILE, line 1: expected settings, and there is \"tenant=a\""},
		"a tab":                     {"log:\n\tlevel: info\n", "configuration file FILE, line 2: is indented with a tab"},
		"a wrong column":            {"log:\n  level: info\n   format: text\n", "configuration file FILE, line 3: there is a colon where none can be"},
		"a quote left open":         {"tenant: 'a\nlisten: b\n", "configuration file FILE, line 2: a quote is opened"},
		"two documents":             {"tenant: a\n---\nlisten: b\n", "configuration file FILE, line 2: a second document"},
		"what contains itself":      {"log: &a\n  level: info\n  <<: *a\n", "FILE"},
		"a secret in a wrong place": {"master-key: [geheim]\ns3: geheim\n", "setting master-key (from file FILE, line 1): expected one value"},
	} {
		file := write(t, c.in)
		_, err := Load(Input{File: file})
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		said := strings.ReplaceAll(err.Error(), file, "FILE")
		if !strings.Contains(said, c.want) {
			t.Errorf("%s: %s\nwant %s", name, said, c.want)
		}
		for _, word := range []string{"yaml:", "!!", "unmarshal", "map[", "interface", "koanf", "geheim"} {
			if strings.Contains(said, word) {
				t.Errorf("%s: %q stands in %s", name, word, said)
			}
		}
	}
	if _, err := Load(Input{File: filepath.Join(t.TempDir(), "none.yaml")}); err == nil || !strings.Contains(err.Error(), "must exist") {
		t.Error(err)
	}
}

// What people wrote in a file counts as it is written.
func TestTheFileIsReadAsWritten(t *testing.T) {
	c, err := Load(Input{File: write(t, "log.level: warn\nlog:\n  format: text\nhome-community-id: 1.10\nlimits: {root-bytes: 0x1000}\nencryption: False\nmllp:\n# listen: x\n")})
	if err != nil {
		t.Fatal(err)
	}
	if c.Log.Level != "warn" || c.Log.Format != "text" || c.HomeCommunityID != "urn:oid:1.10" || c.Limits.RootBytes != 4096 {
		t.Errorf("%q %q %q %d", c.Log.Level, c.Log.Format, c.HomeCommunityID, c.Limits.RootBytes)
	}
}

func TestEverySettingExplainsItself(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Settings() {
		for _, help := range []string{s.Help.English, s.Help.Bokmal} {
			if len(help) < 15 || !strings.HasSuffix(help, ".") {
				t.Errorf("%s: an explanation is missing: %q", s.Name, help)
			}
		}
		if s.Help.English == s.Help.Bokmal || s.Form == "" || s.Group.English == "" || s.Group.Bokmal == "" {
			t.Errorf("%s: a translation, form or group is missing", s.Name)
		}
		for _, n := range []string{s.Flag(), s.Env()} {
			if seen[n] {
				t.Errorf("%s is used twice", n)
			}
			seen[n] = true
		}
	}
}

func TestDocumentationIsCurrent(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "config.md")
	if *update {
		if err := os.WriteFile(path, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Markdown() {
		t.Error("docs/config.md is not current: go test ./internal/config -update")
	}
}

func TestExamplesLoad(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "config", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, name := range []string{"west", "north", "national"} {
		files = append(files, filepath.Join("..", "..", "examples", "two-regions", name+".yaml"))
	}
	for _, f := range files {
		if _, err := Load(Input{File: f}); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestSizesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Min(0).Draw(t, "octets")
		if got, err := ParseSize(FormatSize(n)); err != nil || got != n {
			t.Fatalf("%d became %q became %d, %v", n, FormatSize(n), got, err)
		}
	})
	for in, want := range map[string]int64{"5G": 5 << 30, "5 GiB": 5 << 30, "17": 17, "17B": 17, "1kib": 1024} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%q: %d, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "-1", "1.5MiB", "9999999999TiB", "MiB", "1XB"} {
		if n, err := ParseSize(bad); err == nil {
			t.Errorf("%q was read as %d", bad, n)
		}
	}
}

func TestOIDs(t *testing.T) {
	for s, want := range map[string]bool{"2.25.329800735698586629295641978511506172918": true, "1.2": true, "1.40": false, "2.999": true, "3.1": false, "1": false, "": false, "1..2": false, "1.02": false, "1.2a": false, "0.0": true} {
		if got := validOID(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	f := filepath.Join(t.TempDir(), "samdok.yaml")
	if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}
