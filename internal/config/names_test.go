package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// settingName finds what looks like the name of a setting in a text for people.
var settingName = regexp.MustCompile(`\b(?:limits|http|sweep|malware|access|tls)\.[a-z]+(?:-[a-z]+)*\b`)

// Every setting that a text in the code names exists: messages tell operators to
// change it, comments tell programmers where it is.
func TestNamedSettingsExist(t *testing.T) {
	exists := map[string]bool{}
	for _, s := range Settings() {
		exists[s.Name] = true
	}
	root := filepath.Join("..", "..")
	found := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		for where, text := range texts(t, path) {
			for _, name := range settingName.FindAllString(text, -1) {
				if found++; !exists[name] {
					t.Errorf("%s names %s, which is no setting", where, name)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 50 {
		t.Errorf("only %d names were found: the test looks at the wrong files", found)
	}
}

// texts are the string literals of a file by place.
func texts(t *testing.T, path string) map[string]string {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			out[files.Position(l.Pos()).String()] = l.Value
		}
		return true
	})
	for _, group := range f.Comments {
		for _, c := range group.List {
			out[files.Position(c.Pos()).String()] = c.Text
		}
	}
	return out
}

// Names that the codec and the scanner put together exist too.
func TestComposedNamesExist(t *testing.T) {
	exists := map[string]bool{}
	for _, s := range Settings() {
		exists[s.Name] = true
	}
	for file, pattern := range map[string]string{
		"metadata/ebrim/raw.go":        `tooLarge\("([a-z]+)"`,
		"metadata/ebrim/submission.go": `tooLarge\("([a-z]+)"`,
		"internal/xmlscan/tag.go":      `failLimit\([a-z.]+, "([a-z]+)"`,
	} {
		b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		matches := regexp.MustCompile(pattern).FindAllSubmatch(b, -1)
		if len(matches) == 0 {
			t.Errorf("%s: nothing found", file)
		}
		for _, m := range matches {
			// Those two have no setting and their messages say "(fixed)".
			if name := string(m[1]); !exists["limits."+name] && name != "parts" && name != "elements" {
				t.Errorf("%s names limits.%s, which is no setting", file, name)
			}
		}
	}
}
