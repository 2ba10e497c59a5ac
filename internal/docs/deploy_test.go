package docs

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestDashboardsShowWhatThereIs: dashboards and alert rules name only metrics that
// a server has. One that was renamed would show, and alarm, nothing.
func TestDashboardsShowWhatThereIs(t *testing.T) {
	named := regexp.MustCompile(`samdok_[a-z0-9_]+`)
	there := map[string]bool{}
	for _, queue := range []string{"answers", "notify", "register"} {
		for _, end := range []string{"waiting", "dead", "oldest_seconds"} {
			there["samdok_outbox_"+queue+"_"+end] = true
		}
	}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`"(samdok_[a-z0-9_]+)"`).FindAllStringSubmatch(string(b), -1) {
			there[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"../../deploy/grafana/samdok.json", "../../deploy/prometheus/alerts.yaml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := named.FindAllString(string(b), -1)
		if len(names) < 8 {
			t.Errorf("%s names only %d metrics", file, len(names))
		}
		for _, name := range names {
			base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count"), "_sum")
			if !there[name] && !there[base] {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
}

// TestAlertsSayWhatToDo: each rule has an expression, a severity, a summary and an
// action.
func TestAlertsSayWhatToDo(t *testing.T) {
	b, err := os.ReadFile("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) == 0 || len(file.Groups[0].Rules) < 5 {
		t.Fatal("hardly any rules")
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || r.Expr == "" || r.For == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
				t.Errorf("rule %q lacks something", r.Alert)
			}
			if strings.Count(r.Expr, "(") != strings.Count(r.Expr, ")") {
				t.Errorf("rule %q: the parentheses do not match", r.Alert)
			}
		}
	}
}

// TestDashboardIsWhole: panels have ids of their own, a title and queries.
func TestDashboardIsWhole(t *testing.T) {
	b, err := os.ReadFile("../../deploy/grafana/samdok.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range d.Panels {
		if seen[p.ID] || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d %q", p.ID, p.Title)
		}
		seen[p.ID] = true
	}
	if len(seen) < 10 {
		t.Errorf("%d panels", len(seen))
	}
}
