package rest

import (
	_ "embed"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	"samdok/access"
	"samdok/locator"
	"samdok/sharing"
)

// Root is where the interface lies on a server.
const Root = "/locator/v1"

//go:embed openapi.yaml
var description []byte

// Options of a Handler. Use, Caller and Log are required.
type Options struct {
	Use    *sharing.Locating
	Caller func(*http.Request) access.Caller
	Log    *slog.Logger
	// Name is what people call a community; nil, or "": its homeCommunityId.
	Name func(home string) string
}

// maxBody bounds what is sent, but for a bulk load.
const maxBody = 1 << 20

// handler is the door.
type handler struct {
	o   Options
	mux *http.ServeMux
}

// Handler answers all below Root.
func Handler(o Options) http.Handler {
	h := &handler{o: o, mux: http.NewServeMux()}
	if h.o.Name == nil {
		h.o.Name = func(home string) string { return home }
	}
	h.route("POST", "/holdings", h.recorded(access.ActionStateHoldings, h.state))
	h.route("POST", "/holdings/withdraw", h.recorded(access.ActionStateHoldings, h.withdraw))
	h.route("POST", "/holdings/load", h.recorded(access.ActionStateHoldings, h.load))
	h.route("POST", "/search", h.recorded(access.ActionLocate, h.search))
	h.route("POST", "/where", h.recorded(access.ActionLocateOwn, h.where))
	h.route("POST", "/coverage", h.recorded(access.ActionStateHoldings, h.cover))
	h.route("GET", "/status", h.status)
	h.route("GET", "/openapi.yaml", h.describe)
	h.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		(&Problem{Type: typePrefix + "not-found", Title: "Nothing here", Status: http.StatusNotFound,
			Detail: "There is nothing at this address. What there is, is described at " + Root + "/openapi.yaml."}).write(w, o.Log)
	})
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	h.mux.ServeHTTP(w, r)
}

// answer is what an operation answers: a status and a value, or a problem.
type answer struct {
	status int
	value  any
}

// operation does what an address is for.
type operation func(w http.ResponseWriter, r *http.Request) (answer, *Problem)

// recorded makes the record of a request that is refused before it comes to a use case,
// which makes its own.
func (h *handler) recorded(a access.Action, do operation) operation {
	return func(w http.ResponseWriter, r *http.Request) (answer, *Problem) {
		out, p := do(w, r)
		if p == nil || p.used {
			return out, p
		}
		if err := h.o.Use.Refuse(r.Context(), h.o.Caller(r), sharing.Refused{Action: a, Why: p.Detail}); err != nil {
			return answer{}, h.failed(r, err)
		}
		return out, p
	}
}

func (h *handler) route(method, path string, do operation) {
	h.mux.HandleFunc(Root+path, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			(&Problem{Type: typePrefix + "method", Title: "Another method is needed", Status: http.StatusMethodNotAllowed,
				Detail: "Use " + method + " here. Patients are never named in an address."}).write(w, h.o.Log)
			return
		}
		a, p := do(w, r)
		if p != nil {
			p.write(w, h.o.Log)
			return
		}
		if a.value != nil {
			writeJSON(w, a.status, "application/json", a.value, h.o.Log)
		} else if a.status != 0 {
			w.WriteHeader(a.status)
		}
	})
}

// body reads what was sent into a value.
func (h *handler) body(w http.ResponseWriter, r *http.Request, to any) *Problem {
	if p := wantType(r, "application/json"); p != nil {
		return p
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return tooLarge("At most 1 MiB is read here. Many statements go to " + Root + "/holdings/load.")
	case err != nil:
		return malformed("", "The request broke off.")
	}
	return decode(b, to)
}

func wantType(r *http.Request, kinds ...string) *Problem {
	is, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	for _, kind := range kinds {
		if err == nil && is == kind {
			return nil
		}
	}
	return &Problem{Type: typePrefix + "content-type", Title: "Another Content-Type is needed", Status: http.StatusUnsupportedMediaType, Detail: "Send " + strings.Join(kinds, " or ") + "."}
}

// failed keeps the cause in the operator's log.
func (h *handler) failed(r *http.Request, err error) *Problem {
	p := problemOf(err)
	p.used = true
	if p.Status >= 500 {
		h.o.Log.ErrorContext(r.Context(), "the locator could not answer", "path", r.URL.Path, "error", err.Error())
	}
	return p
}

func (h *handler) state(w http.ResponseWriter, r *http.Request) (answer, *Problem) {
	var in Statement
	if p := h.body(w, r, &in); p != nil {
		return answer{}, p
	}
	if in.Holdings == nil {
		return answer{}, malformed("/holdings", "holdings is missing. An empty list says that nothing is held any more.")
	}
	s, wrongly := in.statement(locator.ToldByAPI)
	if wrongly != nil {
		return answer{}, wrong(wrongly)
	}
	return h.one(r, s)
}

func (h *handler) withdraw(w http.ResponseWriter, r *http.Request) (answer, *Problem) {
	var in Withdrawal
	if p := h.body(w, r, &in); p != nil {
		return answer{}, p
	}
	return h.one(r, locator.Statement{Patient: in.Patient.id(), Source: locator.Source{Community: in.Community, System: in.System}, AsOf: in.AsOf, Told: locator.ToldByAPI})
}

// one has one statement taken.
func (h *handler) one(r *http.Request, s locator.Statement) (answer, *Problem) {
	if p := s.Check(); p != nil {
		return answer{}, wrong(p)
	}
	outcomes, err := h.o.Use.State(r.Context(), h.o.Caller(r), []locator.Statement{s})
	if err != nil {
		return answer{}, h.failed(r, err)
	}
	if p := outcomes[0].Problem; p != nil {
		told := wrong(p)
		if outcomes[0].Denied {
			told = problemOf(errDenied)
		}
		told.used = true
		return answer{}, told
	}
	return answer{http.StatusOK, Result{outcomes[0].Result.String()}}, nil
}

func (h *handler) search(w http.ResponseWriter, r *http.Request) (answer, *Problem) {
	var q Question
	if p := h.body(w, r, &q); p != nil {
		return answer{}, p
	}
	if p := locator.CheckPatient(q.Patient.id()); p != nil {
		return answer{}, wrong(p)
	}
	a, err := h.o.Use.Locate(r.Context(), h.o.Caller(r), sharing.Locate{Patient: q.Patient.id(), Detail: q.Detail, Alone: q.Alone})
	if err != nil {
		return answer{}, h.failed(r, err)
	}
	return answer{http.StatusOK, AnswerOf(a)}, nil
}

func (h *handler) cover(w http.ResponseWriter, r *http.Request) (answer, *Problem) {
	var in Coverage
	if p := h.body(w, r, &in); p != nil {
		return answer{}, p
	}
	if in.Heard != nil || in.Current != nil {
		return answer{}, malformed("", "heard and current belong to answers.")
	}
	if err := h.o.Use.Cover(r.Context(), h.o.Caller(r), in.coverage()); err != nil {
		return answer{}, h.failed(r, err)
	}
	return answer{status: http.StatusNoContent}, nil
}

func (h *handler) status(_ http.ResponseWriter, r *http.Request) (answer, *Problem) {
	known, err := h.o.Use.Overview(r.Context(), h.o.Caller(r))
	if err != nil {
		return answer{}, h.failed(r, err)
	}
	s := Status{Patients: known.Patients, Coverage: []Coverage{}}
	for _, c := range known.Coverage {
		s.Coverage = append(s.Coverage, coverageOf(c))
	}
	return answer{http.StatusOK, s}, nil
}

func (h *handler) describe(w http.ResponseWriter, _ *http.Request) (answer, *Problem) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(description) // a client that has gone away is no trouble of ours
	return answer{}, nil
}
