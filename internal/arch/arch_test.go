package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rules says what each package of the module may import of the module. A package
// that is not listed fails the test, so that its place is decided on purpose. A
// name ending in /... stands for the package and everything below it.
var rules = map[string][]string{
	"metadata":                        {},
	"metadata/ebrim":                  {"metadata", "fault", "internal/xmlscan"},
	"metadata/rules":                  {"metadata", "fault"},
	"metadata/profile":                {"metadata", "fault", "internal/strictfile"},
	"metadata/metadatatest":           {"metadata", "metadata/profile"},
	"metadata/metadatatest/arbitrary": {"metadata"},
	"fault":                           {},
	"access":                          {"metadata", "fault"},
	"access/decider":                  {"access", "fault", "metadata"},
	"access/guard":                    {"access", "audit", "fault", "metadata"},
	"audit":                           {"access", "metadata"},
	"audit/ledger":                    {"audit", "access", "metadata", "fault", "storage/keyring", "internal/groupsync", "internal/disk"},
	"storage":                         {"access", "fault", "metadata"},
	"storage/encoding":                {"storage", "metadata"},
	"storage/body":                    {"storage", "storage/keyring", "access"},
	"storage/keyring":                 {"fault", "internal/groupsync", "internal/disk"},
	"storage/verify":                  {"storage", "access", "fault", "metadata"},
	"storage/scaled":                  {"storage", "storage/verify", "storage/encoding", "storage/keyring", "storage/s3", "storage/elastic", "access", "fault", "metadata"},
	"storage/sqlite":                  {"storage", "storage/encoding", "storage/keyring", "access", "fault", "metadata", "internal/disk"},
	"storage/elastic":                 {"storage", "storage/encoding", "storage/keyring", "access", "fault", "metadata"},
	"storage/files":                   {"storage", "storage/body", "storage/keyring", "internal/groupsync", "internal/disk", "access", "fault"},
	"storage/s3":                      {"storage", "storage/body", "storage/keyring", "access", "fault", "metadata", "internal/disk"},
	"storage/storagetest":             {"storage", "access", "fault", "metadata", "metadata/metadatatest"},
	"registry":                        {"storage", "access", "fault", "metadata", "metadata/rules", "metadata/profile"},
	"mailbox":                         {"storage", "access", "fault", "metadata"},
	"repository":                      {"storage", "access", "fault", "metadata", "repository/malware"},
	"repository/malware":              {"fault"},
	"locator":                         {"storage", "access", "metadata"},
	"locator/rest":                    {"locator", "sharing", "access", "fault", "metadata"},
	"discovery":                       {"metadata"},
	"gateway":                         {"access", "discovery", "fault", "metadata", "metadata/ebrim", "internal/spool", "internal/xmlscan"},
	"gateway/directory":               {"internal/strictfile"},
	"ondemand":                        {"metadata"},
	"ondemand/summary":                {"metadata", "ondemand"},
	"sharing":                         {"discovery", "mailbox", "gateway", "locator", "subscription", "ondemand", "internal/spool", "registry", "repository", "repository/malware", "retention", "storage", "access", "access/guard", "audit", "fault", "metadata", "metadata/rules"},
	"retention":                       {"storage", "access", "fault", "metadata", "internal/disk", "internal/strictfile"},
	"soap":                            {"internal/xmlscan", "fault", "metadata/ebrim"},
	"soap/async":                      {"access", "metadata"},
	"soap/mtom":                       {"internal/xmlscan", "internal/spool", "fault", "soap"},
	"hl7/hl7v2":                       {},
	"hl7/hl7v3":                       {"discovery", "internal/xmlscan", "metadata"},
	"hl7/mllp":                        {},
	"hl7/identity":                    {"hl7/hl7v2", "hl7/hl7v3", "sharing", "access", "fault", "metadata"},
	"soap/xds":                        {"discovery", "gateway", "soap/wsnt", "subscription", "hl7/hl7v3", "hl7/identity", "soap", "soap/async", "soap/mtom", "sharing", "access", "fault", "metadata", "metadata/ebrim", "internal/xmlscan", "internal/spool"},
	"soap/wsnt":                       {"soap", "fault", "metadata", "metadata/ebrim", "internal/xmlscan"},
	"subscription":                    {"storage", "access", "fault", "metadata"},
	"conformance/...":                 {"conformance/..."},
	"internal/arch":                   {},
	"internal/docs":                   {"fault"},
	"internal/xmlscan":                {},
	"internal/disk":                   {},
	"internal/datadir":                {"internal/disk"},
	"internal/groupsync":              {"internal/disk", "fault"},
	"internal/heap":                   {},
	"internal/outward":                {},
	"internal/spool":                  {},
	"internal/strictfile":             {},
	"internal/config":                 {"internal/outward", "internal/strictfile", "metadata", "fault"},
	"internal/telemetry":              {"fault"},
	"internal/jobs":                   {"fault"},
	"internal/courier":                {"storage"},
	"internal/httpd":                  {"fault", "internal/telemetry"},
	"internal/backup":                 {"storage/...", "audit/ledger", "fault", "internal/..."},
	"internal/app":                    {"..."},
	"internal/servertest":             {},
	"internal/pipenet":                {},
	"internal/enginetest":             {},
	"internal/leak":                   {},
	"internal/hostile":                {},
	"internal/fleet":                  {},
	"internal/disk/crashdisk":         {"internal/disk"},
	"internal/bench":                  {"metadata", "metadata/ebrim", "hl7/hl7v2", "hl7/hl7v3", "hl7/mllp"},
	"cmd/samdok":                      {"..."},
	"examples/scaled":                 {"soap/xds", "metadata", "metadata/metadatatest", "fault"},
	"interop":                         {"..."},
}

// frameworks says where a third-party module may be used; modules that are not
// listed are free.
var frameworks = map[string][]string{
	"github.com/gin-gonic/gin":             {"internal/httpd", "fhir", "portal"},
	"github.com/beevik/etree":              {"soap/wsse", "conformance/..."},
	"github.com/russellhaering/goxmldsig":  {"soap/wsse", "conformance/..."},
	"github.com/getkin/kin-openapi/":       {}, // tests only
	"github.com/spf13/cobra":               {"cmd/samdok"},
	"modernc.org/sqlite":                   {"storage/sqlite"},
	"github.com/minio/sio":                 {"storage/body"},
	"github.com/minio/minio-go/v7":         {"storage/s3", "internal/enginetest"},
	"github.com/elastic/":                  {"storage/elastic"},
	"github.com/sony/gobreaker/v2":         {"gateway", "storage/elastic", "storage/s3"},
	"codeberg.org/go-pdf/fpdf":             {"ondemand/summary"},
	"golang.org/x/image/":                  {"ondemand/summary"},
	"golang.org/x/mod/":                    {"audit/ledger"},
	"github.com/minio/minio-go/":           {"storage/s3", "internal/enginetest"},
	"github.com/elastic/go-elasticsearch/": {"storage/elastic"},
	"go.opentelemetry.io/":                 {"internal/telemetry"},
	"github.com/prometheus/client_golang/": {"internal/telemetry", "internal/httpd", "internal/app"},
}

// blank lists the blank imports that are allowed: data, not behaviour.
var blank = map[string]bool{"embed": true, "time/tzdata": true}

type pkg struct {
	ImportPath   string
	Dir          string
	Imports      []string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles", "samdok/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 10 {
		t.Fatalf("go list found only %d packages", len(pkgs))
	}
	return pkgs
}

// matches tells whether name is in the list, where "x/..." stands for x and all
// below it and "..." for everything.
func matches(list []string, name string) bool {
	for _, pattern := range list {
		prefix, tree := strings.CutSuffix(pattern, "...")
		if pattern == name || tree && (strings.HasPrefix(name, prefix) || name == strings.TrimSuffix(prefix, "/")) {
			return true
		}
	}
	return false
}

func allowed(name string) ([]string, bool) {
	if list, ok := rules[name]; ok {
		return list, true
	}
	for pattern, list := range rules {
		if strings.HasSuffix(pattern, "/...") && matches([]string{pattern}, name) {
			return list, true
		}
	}
	return nil, false
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, "samdok/")
		may, ok := allowed(name)
		if !ok {
			t.Errorf("package %s has no row in the table of imports: decide where it belongs", name)
			continue
		}
		for _, imp := range p.Imports {
			if inner, ok := strings.CutPrefix(imp, "samdok/"); ok && !matches(may, inner) {
				t.Errorf("%s imports %s; it may import %v", name, inner, may)
			}
			for module, where := range frameworks {
				if strings.HasPrefix(imp, module) && !matches(where, name) {
					t.Errorf("%s imports %s, which belongs in %v", name, imp, where)
				}
			}
		}
	}
}

func TestHabits(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, "samdok/")
		if _, err := os.Stat(filepath.Join(p.Dir, "doc.go")); err != nil {
			t.Errorf("%s has no doc.go", name)
		}
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s/%s has an init function; the composition root starts things", name, file)
				}
			}
			for _, imp := range f.Imports {
				if imp.Name != nil && imp.Name.Name == "_" && !blank[strings.Trim(imp.Path.Value, `"`)] {
					t.Errorf("%s/%s has a blank import of %s", name, file, imp.Path.Value)
				}
			}
		}
	}
}

// The rules must be able to fail.
func TestMatches(t *testing.T) {
	for _, c := range []struct {
		list []string
		name string
		want bool
	}{
		{[]string{"storage"}, "storage", true},
		{[]string{"storage"}, "storage/sqlite", false},
		{[]string{"storage/..."}, "storage/sqlite", true},
		{[]string{"storage/..."}, "storage", true},
		{[]string{"storage/..."}, "storagex", false},
		{[]string{"..."}, "anything", true},
		{nil, "metadata", false},
	} {
		if got := matches(c.list, c.name); got != c.want {
			t.Errorf("matches(%v, %q) = %v", c.list, c.name, got)
		}
	}
}
