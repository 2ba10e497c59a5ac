package httpd

import (
	"net/http"
	"strings"
)

// explainEndpoint answers GET on a SOAP endpoint: people open these addresses in
// browsers, and programs ask for a WSDL.
func explainEndpoint(e Endpoint) http.HandlerFunc {
	about := "This is samdok's " + e.Name + ". It answers SOAP 1.2 messages sent with POST (" + strings.Join(e.Transactions, ", ") +
		"); there is nothing to see here in a browser. The page at / tells more.\n\n" +
		"Dette er samdoks " + e.Name + ". Den svarer på SOAP 1.2-meldinger sendt med POST; det er ingenting å se her i en nettleser. Siden på / forteller mer.\n"
	wsdl := "There is no WSDL here. The interface is IHE's: use the XDS.b WSDL files that IHE publishes with ITI TF-2 and put this address into them.\n\n" +
		"Her finnes ingen WSDL. Grensesnittet er IHEs: bruk XDS.b-WSDL-filene som IHE gir ut med ITI TF-2, og sett inn denne adressen.\n"
	return func(w http.ResponseWriter, r *http.Request) {
		if q := strings.ToLower(r.URL.RawQuery); q == "wsdl" || strings.HasPrefix(q, "wsdl=") || strings.HasPrefix(q, "xsd") {
			writeText(w, http.StatusNotFound, wsdl)
			return
		}
		w.Header().Set("Allow", http.MethodPost)
		writeText(w, http.StatusMethodNotAllowed, about)
	}
}
