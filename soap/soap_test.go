package soap

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"samdok/internal/xmlscan"
)

const (
	open12 = `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing">`
	body12 = `<e:Body><x/></e:Body></e:Envelope>`
)

func read(s string) (Header, error) {
	var h Header
	sc := xmlscan.New([]byte(s), xmlscan.Limits{})
	if err := ReadEnvelope(sc, &h); err != nil {
		return h, err
	}
	if err := sc.Skip(); err != nil {
		return h, Malformed(err)
	}
	return h, CloseEnvelope(sc)
}

func TestReadEnvelope(t *testing.T) {
	h, err := read(`<!-- a comment first -->` + open12 + `<e:Header>
		<a:Action e:mustUnderstand="true">
			urn:x </a:Action><a:MessageID>not-a-uuid</a:MessageID><a:To e:mustUnderstand="1">http://h/</a:To>
		<a:ReplyTo><a:Address> http://www.w3.org/2005/08/addressing/anonymous </a:Address><a:ReferenceParameters><y/></a:ReferenceParameters></a:ReplyTo>
		<a:FaultTo><a:Address>http://f/</a:Address></a:FaultTo><a:RelatesTo>r1</a:RelatesTo><a:RelatesTo RelationshipType="z">r2</a:RelatesTo>
		<other xmlns="urn:o"><deep/></other>
		<other xmlns="urn:o" e:mustUnderstand="0"/>
		<other xmlns="urn:o" e:mustUnderstand="1" e:role="http://example.org/someone-else"/>
		<s:Security xmlns:s="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" e:mustUnderstand="1"><q xmlns="urn:q"/></s:Security>
		</e:Header>` + body12)
	if err != nil {
		t.Fatal(err)
	}
	if h.Action != "urn:x" || h.MessageID != "not-a-uuid" || h.To != "http://h/" || h.ReplyTo != Anonymous || h.FaultTo != "http://f/" || h.RelatesTo != "r1" {
		t.Errorf("%+v", h)
	}
	if h.Security == nil || !strings.HasPrefix(string(h.Security.XML), "<s:Security ") || !strings.HasSuffix(string(h.Security.XML), "</s:Security>") {
		t.Fatalf("security: %+v", h.Security)
	}
	// The fragment with its bindings on a wrapper is well-formed again.
	wrapped := "<w"
	for _, b := range h.Security.Bindings {
		wrapped += ` xmlns:` + b.Prefix + `="` + b.URI + `"`
	}
	dec := xml.NewDecoder(strings.NewReader(wrapped + ">" + string(h.Security.XML) + "</w>"))
	for {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFaults(t *testing.T) {
	action := `<a:Action>urn:x</a:Action>`
	for name, c := range map[string]struct{ in, want string }{
		"empty":            {``, "Sender"},
		"not XML":          {`hello`, "Sender"},
		"not SOAP":         {`<html/>`, "Sender"},
		"SOAP 1.1":         {`<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body/></Envelope>`, "VersionMismatch"},
		"SOAP 9":           {`<Envelope xmlns="urn:soap9"/>`, "VersionMismatch"},
		"no body":          {open12 + `<e:Header>` + action + `</e:Header></e:Envelope>`, "Sender"},
		"empty body":       {open12 + `<e:Header>` + action + `</e:Header><e:Body> </e:Body></e:Envelope>`, "Sender"},
		"no header":        {open12 + body12, "Sender/MessageAddressingHeaderRequired"},
		"two actions":      {open12 + `<e:Header>` + action + action + `</e:Header>` + body12, "Sender/InvalidCardinality"},
		"two securities":   {open12 + `<e:Header>` + action + strings.Repeat(`<Security xmlns="`+SecurityNS+`"/>`, 2) + `</e:Header>` + body12, "Sender"},
		"not understood":   {open12 + `<e:Header>` + action + `<z xmlns="urn:z" e:mustUnderstand="true"/></e:Header>` + body12, "MustUnderstand"},
		"between":          {open12 + `<e:Header>` + action + `</e:Header><z/>` + body12, "Sender"},
		"two bodies":       {open12 + `<e:Header>` + action + `</e:Header><e:Body><x/></e:Body>` + body12, "Sender"},
		"two in body":      {open12 + `<e:Header>` + action + `</e:Header><e:Body><x/><y/></e:Body></e:Envelope>`, "Sender"},
		"unclosed":         {open12 + `<e:Header>` + action + `</e:Header><e:Body><x/>`, "Sender"},
		"doctype":          {`<!DOCTYPE e [<!ENTITY a "b">]>` + open12 + `<e:Header>` + action + `</e:Header>` + body12, "Sender"},
		"instruction":      {open12 + `<?php x?><e:Header>` + action + `</e:Header>` + body12, "Sender"},
		"deep":             {open12 + `<e:Header>` + action + `</e:Header><e:Body>` + strings.Repeat("<d>", 10_000) + strings.Repeat("</d>", 10_000) + `</e:Body></e:Envelope>`, "Sender"},
		"deep header":      {open12 + `<e:Header>` + strings.Repeat("<d>", 10_000) + strings.Repeat("</d>", 10_000) + action + `</e:Header>` + body12, "Sender"},
		"other addressing": {open12 + `<e:Header><Action xmlns="http://schemas.xmlsoap.org/ws/2004/08/addressing">urn:x</Action></e:Header>` + body12, "Sender/MessageAddressingHeaderRequired"},
		"bad UTF-8":        {open12 + `<e:Header><a:Action>` + "\xff" + `</a:Action></e:Header>` + body12, "Sender"},
	} {
		_, err := read(c.in)
		var f *Fault
		if !errors.As(err, &f) || f.Summary() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
			continue
		}
		checkFault(t, name, f)
	}
}

// checkFault reads a fault as a client would.
func checkFault(t *testing.T, name string, f *Fault) {
	t.Helper()
	b := AppendFault(nil, f, "urn:uuid:1", "m<1>")
	var v struct {
		XMLName xml.Name
		Header  struct {
			Action, RelatesTo string
			NotUnderstood     []struct {
				QName string `xml:"qname,attr"`
			}
			Upgrade struct {
				SupportedEnvelope *struct {
					QName string `xml:"qname,attr"`
				}
			}
		}
		Body struct {
			Fault struct {
				Code struct {
					Value   string
					Subcode struct{ Value string }
				}
				Reason struct {
					Text []struct {
						Lang string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
						Text string `xml:",chardata"`
					}
				}
				FaultCode string `xml:"faultcode"`
			}
		}
	}
	if err := xml.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v in %s", name, err, b)
	}
	if f.Version11 {
		if v.XMLName.Space != Envelope11NS || v.Body.Fault.FaultCode != "s11:VersionMismatch" || v.Header.Upgrade.SupportedEnvelope == nil || f.ContentType() != "text/xml; charset=UTF-8" {
			t.Errorf("%s: %s", name, b)
		}
		return
	}
	if v.XMLName.Space != EnvelopeNS || v.Body.Fault.Code.Value != "env:"+string(f.Code) || v.Header.RelatesTo != "m<1>" || len(v.Body.Fault.Reason.Text) != 2 ||
		v.Body.Fault.Reason.Text[0].Lang != "en" || v.Body.Fault.Reason.Text[1].Lang != "nb" || v.Body.Fault.Reason.Text[1].Text == "" {
		t.Errorf("%s: %s", name, b)
	}
	if (f.Code == VersionMismatch) != (v.Header.Upgrade.SupportedEnvelope != nil) || len(v.Header.NotUnderstood) != len(f.NotUnderstood) {
		t.Errorf("%s: %s", name, b)
	}
	wantAction := soapFault
	if f.Sub != "" {
		wantAction = addressingFault
	}
	if v.Header.Action != wantAction {
		t.Errorf("%s: action %s", name, v.Header.Action)
	}
	if want := map[bool]int{true: 400, false: 500}[f.Code == Sender]; f.Status == 0 && f.HTTPStatus() != want {
		t.Errorf("%s: status %d", name, f.HTTPStatus())
	}
}

func TestCheckRequest(t *testing.T) {
	for name, c := range map[string]struct {
		h    Header
		want string
	}{
		"plain":                 {Header{MessageID: "m"}, ""},
		"anonymous":             {Header{MessageID: "m", ReplyTo: Anonymous, FaultTo: Anonymous}, ""},
		"no id":                 {Header{}, "Sender/MessageAddressingHeaderRequired"},
		"asynchronous":          {Header{MessageID: "m", ReplyTo: "http://me/"}, "Sender/OnlyAnonymousAddressSupported"},
		"fault to":              {Header{MessageID: "m", FaultTo: "http://me/"}, "Sender/OnlyAnonymousAddressSupported"},
		"none":                  {Header{MessageID: "m", ReplyTo: None}, "Sender/OnlyAnonymousAddressSupported"},
		"none for faults":       {Header{MessageID: "m", ReplyTo: "http://ok/", FaultTo: None}, "Sender/InvalidAddress"},
		"faults here":           {Header{MessageID: "m", ReplyTo: "http://ok/", FaultTo: Anonymous}, "Sender/InvalidAddress"},
		"only faults elsewhere": {Header{MessageID: "m", FaultTo: "http://ok/"}, "Sender/InvalidAddress"},
		"allowed":               {Header{MessageID: "m", ReplyTo: "http://ok/"}, ""},
		"both allowed":          {Header{MessageID: "m", ReplyTo: "http://ok/", FaultTo: "http://ok/"}, ""},
		"not allowed":           {Header{MessageID: "m", ReplyTo: "http://other/"}, "Sender/InvalidAddress"},
		"faults not allowed":    {Header{MessageID: "m", ReplyTo: "http://ok/", FaultTo: "http://other/"}, "Sender/InvalidAddress"},
		"parameters":            {Header{MessageID: "m", ReplyTo: "http://ok/", WithParameters: true}, "Sender/InvalidAddressingHeader"},
	} {
		allowed := func(a string) error {
			if a != "http://ok/" {
				return errors.New("no")
			}
			return nil
		}
		if c.h.ReplyTo == "http://me/" || c.h.FaultTo == "http://me/" {
			allowed = nil
		}
		err := CheckRequest(&c.h, allowed)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var f *Fault
		if !errors.As(err, &f) || f.Summary() != c.want {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkFault(t, name, f)
	}
	checkFault(t, "action", UnknownAction(`urn:<x>"`+strings.Repeat("å", 5000), "actor's").WithStatus(400))
}

func TestParseContent(t *testing.T) {
	for in, want := range map[string]string{
		`application/soap+xml; charset=UTF-8`:                                                  "application/soap+xml|UTF-8||",
		`Application/SOAP+XML;charset="utf-8";action="urn:ihe:iti:2007:RegistryStoredQuery"`:   "application/soap+xml|utf-8||",
		`application/soap+xml; action=urn:ihe:iti:2007:RegistryStoredQuery ; charset = utf-8 `: "application/soap+xml|utf-8||",
		`multipart/related; boundary=uuid:1-2; start=<r@x>`:                                    "multipart/related||uuid:1-2|<r@x>",
		`multipart/related; start="a\"b;c"; boundary="x y"`:                                    `multipart/related||x y|a"b;c`,
		`multipart/related; boundary=one; boundary=two`:                                        "multipart/related||one|",
		`x;;; =;a;"`: "x|||",
		``:           "|||",
	} {
		c := ParseContent(in)
		if got := c.Media + "|" + c.Params["charset"] + "|" + c.Params["boundary"] + "|" + c.Params["start"]; got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]int{
		"application/soap+xml":                     0,
		"application/soap+xml; charset=iso-8859-1": 415,
		"text/html":               415,
		"":                        415,
		"text/xml; charset=utf-8": 500,
	} {
		f := CheckPlain(ParseContent(in))
		if f == nil && want != 0 || f != nil && f.HTTPStatus() != want {
			t.Errorf("%q: %v", in, f)
		}
	}
}

func TestWriteRead(t *testing.T) {
	want := Header{Action: "urn:<a>", MessageID: "m&m", To: "http://h/?a=1&b=2", ReplyTo: Anonymous, FaultTo: "f", RelatesTo: "r"}
	b := AppendOpen(nil, want)
	b = AppendClose(append(b, `<x/>`...))
	h, err := read(string(b))
	if err != nil || h != want {
		t.Errorf("got %+v, %v", h, err)
	}
	if !strings.Contains(string(b), `<wsa:Action env:mustUnderstand="1">`) {
		t.Error("wsa:Action must carry mustUnderstand (IHE-WSA101)")
	}
}

func FuzzReadEnvelope(f *testing.F) {
	files, err := filepath.Glob("xds/testdata/*/*")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if i := strings.Index(string(b), "<"); i >= 0 {
			f.Add(b[i:])
		}
		if i := strings.Index(string(b), "<soap:Envelope"); i >= 0 {
			if j := strings.Index(string(b), "</soap:Envelope>"); j > i {
				f.Add(b[i : j+len("</soap:Envelope>")])
			}
		}
	}
	f.Add([]byte(open12 + `<e:Header><a:Action>x</a:Action></e:Header>` + body12))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := read(string(b))
		if err != nil {
			var fault *Fault
			if !errors.As(err, &fault) {
				t.Fatalf("%T %v", err, err)
			}
			out := AppendFault(nil, fault, "m", h.MessageID)
			if err := xml.Unmarshal(out, new(struct{ XMLName xml.Name })); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			return
		}
		again, err := read(string(AppendClose(append(AppendOpen(nil, h), `<x/>`...))))
		h.Security = nil
		if err != nil || again != h {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
	})
}
