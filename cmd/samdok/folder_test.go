package main

import (
	"errors"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

var makeFolder = flag.Bool("make-folder", false, "make testdata/folder1, when it is missing")

const (
	folderOrg     = "974749025"
	folderPatient = "13911699170"
)

// folderMade is what was done to testdata/folder1: documents in versions, replaced,
// removed with and without their bytes, patients merged in a chain, one erased,
// holds, subscriptions, and a mailbox.
var folderMade = []string{
	"put letter.txt --patient-file p --type B02-2 --title Notat --unique-id 2.999.1 --created 2026-03-01",
	"update 2.999.1 --title Rettet",
	"put letter.txt --patient-file p --type A03-2 --title Ny --unique-id 2.999.2 --replace $(samdok find --patient-file p --ids) --folder Mappe",
	"put letter.txt --patient-file p --type A03-2 --title Fjernet --unique-id 2.999.3",
	"remove 2.999.3 --bytes",
	"put letter.txt --patient-file p --type A03-2 --title 'Bare metadata' --unique-id 2.999.4",
	"remove 2.999.4",
	"put letter.txt --patient-file a9 --type A03-2 --title Sammenslatt --unique-id 2.999.5",
	"patient add --patient-file a10",
	"patient merge --patient-file a10 --subsumed-file a9",
	"patient merge --patient-file a11 --subsumed-file a10",
	"put letter.txt --patient-file e --type A03-2 --title Slettet --unique-id 2.999.6",
	"put letter.txt --patient-file p --type A03-2 --title 'Slettet dokument' --unique-id 2.999.7",
	"subscribe --patient-file p --consumer http://127.0.0.1:1/notify --for 876000h",
	"erase --patient-file e --reason 'decision 1' --data $DATA",
	"erase --document 2.999.7 --reason 'wrong patient' --data $DATA",
	"hold add --document 2.999.2 --reason 'court order' --data $DATA",
	"hold add --patient-file a11 --reason 'complaint' --data $DATA",
}

// folderAsked is what the folder is asked for, each with the exit code it must have.
var folderAsked = []string{
	"find --patient-file p --json",
	"find --patient-file e --json",
	"find --patient-file a9 --json",
	"find --patient-file a11 --json",
	"get 2.999.1 -o -", "get 2.999.2 -o -", "get 2.999.3 -o -", "get 2.999.4 -o -", "get 2.999.5 -o -", "get 2.999.6 -o -", "get 2.999.7 -o -",
	"remove 2.999.2",
	"erase --patient-file a11 --reason x --data $DATA",
	"hold list --data $DATA",
	"subscriptions list --data $DATA --json --reveal",
	"mailbox list " + folderOrg + " --data $DATA --json",
	"verify ledger --data $DATA",
}

// TestFolder: a data folder of this version goes on being read by later ones: it
// answers as it did when it was made, also after its index was made again.
func TestFolder(t *testing.T) {
	t.Parallel()
	from, err := filepath.Abs(filepath.Join("testdata", "folder1"))
	if err != nil {
		t.Fatal(err)
	}
	answers := filepath.Join("testdata", "folder1.txt")
	if *makeFolder {
		makeFolder1(t, from, answers)
	}
	want, err := os.ReadFile(answers)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "master.key"), 0o600); err != nil { // git does not keep it
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		if again {
			if out, err := exec.Command("samdok", "reindex", "--data", dir).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		if got := askFolder(t, dir); got != string(want) {
			t.Fatalf("index made again is %v; answers:\n%s\nwant:\n%s", again, got, want)
		}
	}
}

func makeFolder1(t *testing.T, dir, answers string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatalf("a folder is never changed: %v", err)
	}
	p := folderServer(t, dir)
	for _, line := range folderMade {
		if code, out := folderCommand(t, p, dir, line); code != 0 {
			t.Fatalf("%s: exit code %d: %s", line, code, out)
		}
	}
	mailFolder(t, p)
	stopFolder(t, p)
	for _, name := range []string{"control.sock", "lock", "log.db-lock", "settings.last"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	copied := t.TempDir()
	if err := errors.Join(os.CopyFS(copied, os.DirFS(dir)), os.Chmod(filepath.Join(copied, "master.key"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(answers, []byte(askFolder(t, copied)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func folderServer(t *testing.T, dir string) *process {
	return startProcess(t, dir, "--recipient-mailboxes", folderOrg, "--dsub-broker", "on", "--outward-allow", "loopback", "--patients", "open")
}

var varies = regexp.MustCompile(`127\.0\.0\.1:\d{2,}|"(created|due|next|oldest|attempts|note|state)": ?("[^"]*"|\d+)|\d+ records?[^\n]*|\d{4}-\d\d-\d\d[T ]\d\d:\d\d[^ "\n]*`)

// askFolder asks a server on the folder and gives all its answers, without what
// differs from start to start.
func askFolder(t *testing.T, dir string) string {
	t.Helper()
	p := folderServer(t, dir)
	var all strings.Builder
	for _, line := range folderAsked {
		code, out := folderCommand(t, p, dir, line)
		out = varies.ReplaceAllString(strings.ReplaceAll(out, dir, "DATA"), "...")
		all.WriteString("$ " + line + "\n" + strings.Repeat("!", code) + "\n" + out + "\n")
	}
	stopFolder(t, p)
	return all.String()
}

// folderCommand runs samdok where the files are that the commands name.
func folderCommand(t *testing.T, p *process, data, line string) (code int, output string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"letter.txt": "Hei.\n", "p": folderPatient, "e": "A-20^^^&1.2.3.4&ISO",
		"a9": "A-9^^^&1.2.3.4&ISO", "a10": "A-10^^^&1.2.3.4&ISO", "a11": "A-11^^^&1.2.3.4&ISO"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-c", "exec samdok "+line)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SAMDOK_URL="+strings.TrimSuffix(p.Registry, "/services/registry"), "DATA="+data, "LANG=C")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// mailFolder sends one message to the mailbox.
func mailFolder(t *testing.T, p *process) {
	t.Helper()
	g := metadatatest.New(20)
	patient := g.Patient()
	d := g.Document(patient, metadatatest.LabXML)
	s := g.Submission(patient, d)
	s.Set.Recipients = []string{"Sykehus^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^" + folderOrg}
	client := xds.NewClient(xds.Options{RepositoryURL: p.Recipient, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if _, err := client.Provide(t.Context(), s, []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)}); err != nil {
		t.Fatal(err)
	}
}

func stopFolder(t *testing.T, p *process) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
}
