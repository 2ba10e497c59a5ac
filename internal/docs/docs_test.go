package docs

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write generated pages anew")

const root = "../.."

// pages are the Markdown files of the repository, by path from its root. Skipped
// are folders that hold no text of ours.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 || d.Name() == "testdata" || d.Name() == "target" || d.Name() == "samdok-data") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		b, err := os.ReadFile(path)
		name, relErr := filepath.Rel(root, path)
		if relErr != nil {
			return relErr
		}
		found[filepath.ToSlash(name)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"README.md", "ARCHITECTURE.md", "docs/flows/submission.md"} {
		if found[must] == "" {
			t.Fatalf("%s was not found", must)
		}
	}
	return found
}

func TestErrorsPage(t *testing.T) {
	const path = root + "/docs/errors.md"
	if *update {
		if err := os.WriteFile(path, []byte(errorsPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(errorsPage(), string(b)); d != "" {
		t.Errorf("docs/errors.md is out of date; go test ./internal/docs -update\n%s", d)
	}
}

// Every code has one row, and a row says "not yet" exactly when no code path
// answers it.
func TestErrorsAreAllCodes(t *testing.T) {
	constants := map[string]string{} // constant -> code
	file, err := parser.ParseFile(token.NewFileSet(), root+"/fault/code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok {
				constants[v.Names[0].Name] = strings.Trim(lit.Value, `"`)
			}
		}
		return true
	})
	rows := map[string]*entry{}
	for i := range entries {
		e := &entries[i]
		for _, code := range slices.Compact([]string{string(e.code), string(e.code.ForRepository())}) {
			if rows[code] != nil {
				t.Errorf("%s has two rows", code)
			}
			rows[code] = e
		}
	}
	used := answered(t)
	for name, code := range constants {
		row := rows[code]
		if row == nil {
			t.Errorf("%s (fault.%s) has no row in internal/docs/errors.go", code, name)
			continue
		}
		if (row.in != "") != used[name] {
			t.Errorf("%s: the row says answered in %q, but fault.%s is used by the server: %v", code, row.in, name, used[name])
		}
		delete(rows, code)
	}
	for code := range rows {
		t.Errorf("%s has a row, but package fault does not know it", code)
	}
	if len(constants) < 25 {
		t.Fatalf("only %d codes were found in fault/code.go", len(constants))
	}
}

// answered are the code constants that the server's packages name.
func answered(t *testing.T) map[string]bool {
	used := map[string]bool{}
	word := regexp.MustCompile(`\bfault\.([A-Z]\w+)`)
	for _, dir := range []string{"access", "audit", "gateway", "mailbox", "metadata", "registry", "repository", "sharing", "soap", "storage"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			for _, m := range word.FindAllStringSubmatch(string(b), -1) {
				used[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return used
}

var (
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```")
)

func TestLinksResolve(t *testing.T) {
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
}

// named is a file of the repository in backticks, perhaps with what it declares:
// `registry/submit.go` or `registry/submit.go:Submit` or `x/y.go:Type.Method`.
var named = regexp.MustCompile("`((?:[\\w.-]+/)+[\\w.-]+\\.(?:go|sql|json))(?::([\\w.]+))?`")

func TestNamedCodeExists(t *testing.T) {
	count := 0
	for name, text := range pages(t) {
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			count++
			path := filepath.Join(root, m[1])
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s names %s, which is not there", name, m[1])
				continue
			}
			if m[2] != "" && !declares(t, path, m[2]) {
				t.Errorf("%s names %s in %s, which does not declare it", name, m[2], m[1])
			}
		}
	}
	if count < 50 {
		t.Errorf("only %d names of files were found in the pages", count)
	}
}

// declares tells whether a file declares a function, method, type, constant or
// variable. A method may stand with or without its type.
func declares(t *testing.T, path, what string) bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == what || receiver(d)+"."+d.Name.Name == what {
				return true
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.Name == what {
						return true
					}
				case *ast.ValueSpec:
					if slices.ContainsFunc(s.Names, func(i *ast.Ident) bool { return i.Name == what }) {
						return true
					}
				}
			}
		}
	}
	return false
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	x := d.Recv.List[0].Type
	if star, ok := x.(*ast.StarExpr); ok {
		x = star.X
	}
	if id, ok := x.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// The first column of ARCHITECTURE.md's table of the tree names every package
// once, and no other.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	cmd := exec.Command("go", "list", "samdok/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, p := range strings.Fields(string(out)) {
		have[strings.TrimPrefix(p, "samdok/")] = true
	}
	text := pages(t)["ARCHITECTURE.md"]
	if lines := strings.Count(text, "\n"); lines >= 200 {
		t.Errorf("ARCHITECTURE.md has %d lines; it must stay under 200", lines)
	}
	_, tree, _ := strings.Cut(text, "\n## The tree\n")
	tree, _, _ = strings.Cut(tree, "\n## ")
	for _, line := range strings.Split(tree, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			if !have[m[1]] {
				t.Errorf("ARCHITECTURE.md names the package %s, which does not exist or stands twice", m[1])
			}
			delete(have, m[1])
		}
	}
	for name := range have {
		t.Errorf("ARCHITECTURE.md does not name the package %s", name)
	}
}

// Decisions have a number each and say why, what and what follows.
func TestDecisions(t *testing.T) {
	names, err := filepath.Glob(root + "/docs/adr/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, path := range names {
		name := filepath.Base(path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		number := strings.TrimLeft(name[:4], "0")
		if want := "# " + number + ". "; !strings.HasPrefix(string(b), want) || seen[number] {
			t.Errorf("%s must begin with %q, and no other may", name, want)
		}
		seen[number] = true
		if lines := strings.Count(string(b), "\n"); lines > 60 {
			t.Errorf("%s has %d lines; a decision fits a page", name, lines)
		}
		for _, part := range []string{"\n## Context\n", "\n## Decision\n", "\n## Consequence\n"} {
			if !strings.Contains(string(b), part) {
				t.Errorf("%s has no part %q", name, strings.TrimSpace(part))
			}
		}
	}
	if len(names) < 2 {
		t.Fatalf("found %d decisions", len(names))
	}
}
