package httpd

import (
	"net/http"
	"strconv"
)

// waitingRetry is what a client is told to wait, seconds: a node looks at what it
// waits for every second.
const waitingRetry = 5

// Waiting is the handler of a public listener whose server still waits for what it
// rests on: everybody is to come again, and a balancer to ask another node. refused is
// told of each request; it may be nil.
func Waiting(refused func(reason string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if refused != nil {
			refused("starting")
		}
		h := w.Header()
		h.Set("Retry-After", strconv.Itoa(waitingRetry))
		h.Set("Connection", "close") // do not read a body that nobody wants
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		writeText(w, http.StatusServiceUnavailable,
			"The server is starting and waits for what it rests on. Nothing was done. Try again in a moment; its operator finds the reason at /readyz.\n"+
				"Tjeneren starter og venter på det den bygger på. Ingenting er gjort. Prøv igjen om litt; driften finner årsaken på /readyz.\n")
	})
}
