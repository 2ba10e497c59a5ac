package leak

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for text, what := range map[string]string{
		"patient=13920079911":                                      "identity",
		`msg="13920079911^^^&2.16.578.1.12.4.1.4.1&ISO"`:           "identity",
		`GET /fhir/Patient?identifier=urn%3Aoid%7C13920079911 200`: "identity",
		`q=%5E13920079911`:                                         "identity",
		`"line\n13920079911"`:                                      "identity",
		"no documents of 13920079911.":                             "identity",
		"d-number 53920079911":                                     "identity",
		"Authorization: Bearer abcdefgh12345":                      "bearer",
		`token=eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.x`:             "JSON web token",
		`<saml:Assertion ID="x">`:                                  "SAML",
		"PRIVATE+KEY+samdok-ledger/1+00+abc":                       "private key",
		"HEMMELIG-9c41d7 document 1":                               "document",
		"took=13920079911ns":                                       "",
		"oid 2.16.13920079911":                                     "",
		"oid 13920079911.4":                                        "",
		"uuid 139200799111":                                        "",
		"32132079911 is no day":                                    "",
		"12345678901":                                              "",
		"urn:uuid:6d296e90-e5dc-43d0-b455-139200799112":            "",
		"the bearer of this message":                               "",
		"time=2026-11-22T04:20:24.045Z level=INFO msg=ready took=1790000000": "",
	} {
		found := Find([]byte("first\n" + text + "\n"))
		if what == "" {
			if len(found) > 0 {
				t.Errorf("%q: %v", text, found)
			}
			continue
		}
		if len(found) != 1 || !strings.Contains(found[0].What, what) || found[0].Line != 2 {
			t.Errorf("%q: %v", text, found)
		}
		for _, f := range found {
			if strings.Contains(f.String(), "13920079911") || strings.Contains(f.String(), "abcdefgh") {
				t.Errorf("the finding repeats what leaked: %s", f)
			}
		}
	}
}

// Control digits: numbers of the published examples of the series, and their
// neighbours.
func TestIdentityNumber(t *testing.T) {
	// 41 is the month of January in an H-number; made for this test.
	for month := range 100 {
		right := 0
		for k := range 10000 {
			if s := digits(15_00_00_000_00 + month*10_000_000 + k); IdentityNumber(s) {
				right++
			}
		}
		plain := month >= 1 && month <= 12 || month >= 41 && month <= 52 || month >= 66 && month <= 77
		tenor := month >= 81 && month <= 92
		switch {
		case tenor && right != 10000, plain && (right < 50 || right > 120), !plain && !tenor && right != 0:
			t.Errorf("month %02d: %d of 10,000 numbers", month, right)
		}
	}
}

func digits(n int) string {
	b := make([]byte, 11)
	for i := range b {
		b[10-i] = byte('0' + n%10)
		n /= 10
	}
	return string(b)
}

// TestRun looks through what a whole test run has written. ./test names the folder.
func TestRun(t *testing.T) {
	dir := os.Getenv("KEEP_TEST_OUTPUT")
	if dir == "" {
		t.Log("KEEP_TEST_OUTPUT names no folder: ./test calls this again at its end")
		return
	}
	files, octets := 0, 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files, octets = files+1, octets+len(b)
		for _, f := range Find(b) {
			t.Errorf("%s, %s", filepath.Base(path), f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files with %d octets", files, octets)
	if os.Getenv("KEEP_TEST_OUTPUT_WHOLE") != "" && files < 20 {
		t.Errorf("only %d files: the servers of the tests have not kept what they wrote", files)
	}
}
