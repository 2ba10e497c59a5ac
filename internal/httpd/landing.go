package httpd

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

//go:embed landing.html
var landingHTML string

//go:embed landing.css
var landingCSS string

// landing is the page at /: it tells a person what this is and where the
// endpoints are, in bokmål and English, as HTML or as plain text.
type landing struct {
	template  *template.Template
	identity  Identity
	endpoints []Endpoint
	policy    string
}

func newLanding(id Identity, e []Endpoint) (*landing, error) {
	t, err := template.New("landing").Parse(landingHTML)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(landingCSS))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return &landing{template: t, identity: id, endpoints: e, policy: policy}, nil
}

type landingData struct {
	Bokmal    bool
	Identity  Identity
	Endpoints []Endpoint
	Base      string
	Style     template.CSS
}

func (l *landing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := landingData{Bokmal: wantsBokmal(r), Identity: l.identity, Endpoints: l.endpoints, Base: l.base(r), Style: template.CSS(landingCSS)}
	w.Header().Set("Vary", "Accept, Accept-Language")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeText(w, http.StatusOK, d.text())
		return
	}
	var b bytes.Buffer
	if err := l.template.Execute(&b, d); err != nil {
		writeText(w, http.StatusOK, d.text())
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", l.policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(b.Bytes())
}

// base is the address to show. Host comes from the client and is shown only to
// that client, escaped.
func (l *landing) base(r *http.Request) string {
	if l.identity.URL != "" {
		return l.identity.URL
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// wantsBokmal follows ?lang= first, then the browser's first language.
func wantsBokmal(r *http.Request) bool {
	if l := r.URL.Query().Get("lang"); l != "" {
		return l != "en"
	}
	first, _, _ := strings.Cut(strings.ToLower(r.Header.Get("Accept-Language")), ",")
	for _, p := range []string{"nb", "no", "nn", "da", "sv"} {
		if strings.HasPrefix(strings.TrimSpace(first), p) {
			return true
		}
	}
	return false
}

func (d landingData) text() string {
	var b strings.Builder
	if d.Bokmal {
		b.WriteString("samdok deler pasientdokumenter mellom virksomheter etter IHE XDS.b.\n\nEndepunkter (SOAP 1.2, POST):\n")
	} else {
		b.WriteString("samdok shares patient documents between organisations by IHE XDS.b.\n\nEndpoints (SOAP 1.2, POST):\n")
	}
	for _, e := range d.Endpoints {
		b.WriteString("  " + d.Base + e.Path + "  " + e.Name + " (" + strings.Join(e.Transactions, ", ") + ")\n")
	}
	b.WriteString("\nhomeCommunityId     " + d.Identity.HomeCommunityID + "\nrepositoryUniqueId  " + d.Identity.RepositoryUniqueID + "\n")
	return b.String()
}

func (l *landing) notFound(w http.ResponseWriter, r *http.Request) {
	writeText(w, http.StatusNotFound, "There is nothing at this address. / Det finnes ingenting på denne adressen.\n\nEndpoints: "+l.paths()+"\n")
}

func (l *landing) wrongMethod(w http.ResponseWriter, r *http.Request) {
	allow := http.MethodPost
	if r.URL.Path == "/" {
		allow = "GET, HEAD"
	}
	w.Header().Set("Allow", allow)
	writeText(w, http.StatusMethodNotAllowed, "This address does not take "+r.Method+"; it takes "+allow+".\n")
}

func (l *landing) paths() string {
	paths := make([]string, 0, len(l.endpoints))
	for _, e := range l.endpoints {
		paths = append(paths, e.Path)
	}
	return strings.Join(paths, ", ")
}
