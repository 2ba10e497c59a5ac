package rest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"samdok/locator"
	"samdok/sharing"
)

// Where asks, for a patient, where data about him or her is stored.
type Where struct {
	Patient  Patient `json:"patient"`
	Language string  `json:"language,omitempty"` // nb or en
}

// Places is the answer, in plain words.
type Places struct {
	Language string  `json:"language"`
	Title    string  `json:"title"`
	Intro    string  `json:"intro"`
	Places   []Place `json:"places"`
	// Notes say what the answer may lack.
	Notes []string `json:"notes"`
}

// Place is one that holds data. Text says all of it in a sentence.
type Place struct {
	Name         string `json:"name"` // of the region or community
	Organisation string `json:"organisation,omitempty"`
	What         string `json:"what"`
	First        string `json:"first"`
	Last         string `json:"last"`
	Text         string `json:"text"`
}

// words are the same in two languages.
type words struct {
	title, intro, none, notAll, unanswered string
	place, organisation                    string // with names
	kinds                                  map[locator.Kind]string
}

var english = words{
	title: "Where data about you is stored",
	intro: "These places have told that they hold health data about you. The list says that there is something, not what it says.",
	none:  "No place has told that it holds health data about you.",
	notAll: "Not every place tells this list what it has, and some may tell it late. There may be data about you in other places too. " +
		"You can always ask a place yourself.",
	unanswered:   "This place could not be asked just now, so the list may lack something: %s. Try again later.",
	place:        "%s has %s. First seen %s, last seen %s.",
	organisation: "%s, organisation number %s,",
	kinds: map[locator.Kind]string{locator.KindAny: "health data", locator.KindDocuments: "documents", locator.KindImages: "images",
		locator.KindCritical: "critical information", locator.KindAPI: "data that other systems can fetch"},
}

var bokmal = words{
	title: "Her er det lagret opplysninger om deg",
	intro: "Disse stedene har meldt at de har helseopplysninger om deg. Listen sier at det finnes noe, ikke hva som står der.",
	none:  "Ingen steder har meldt at de har helseopplysninger om deg.",
	notAll: "Ikke alle steder melder til denne listen hva de har, og noen kan melde sent. Det kan finnes opplysninger om deg også andre steder. " +
		"Du kan alltid spørre et sted selv.",
	unanswered:   "Dette stedet kunne ikke spørres akkurat nå, så noe kan mangle i listen: %s. Prøv igjen senere.",
	place:        "%s har %s. Først sett %s, sist sett %s.",
	organisation: "%s, organisasjonsnummer %s,",
	kinds: map[locator.Kind]string{locator.KindAny: "helseopplysninger", locator.KindDocuments: "dokumenter", locator.KindImages: "bilder",
		locator.KindCritical: "kritisk informasjon", locator.KindAPI: "opplysninger som andre systemer kan hente"},
}

// where answers a citizen, or whoever asks on a citizen's behalf.
func (h *handler) where(w http.ResponseWriter, r *http.Request) (answer, *Problem) {
	var q Where
	if p := h.body(w, r, &q); p != nil {
		return answer{}, p
	}
	if p := locator.CheckPatient(q.Patient.id()); p != nil {
		return answer{}, wrong(p)
	}
	if q.Language == "" {
		q.Language = "nb"
		if strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "en") {
			q.Language = "en"
		}
	}
	say := bokmal
	switch q.Language {
	case "nb":
	case "en":
		say = english
	default:
		return answer{}, wrong(&locator.Problem{At: "/language", Text: "The language must be nb or en."})
	}
	a, err := h.o.Use.Locate(r.Context(), h.o.Caller(r), sharing.Locate{Patient: q.Patient.id(), Detail: true, Own: true})
	if err != nil {
		return answer{}, h.failed(r, err)
	}
	w.Header().Set("Content-Language", q.Language)
	return answer{http.StatusOK, h.places(a, say, q.Language)}, nil
}

// places are the holdings in words: those of one organisation and kind in one.
func (h *handler) places(a locator.Answer, say words, language string) Places {
	out := Places{Language: language, Title: say.title, Intro: say.intro, Places: []Place{}, Notes: []string{say.notAll}}
	type group struct {
		community, organisation string
		kind                    locator.Kind
	}
	seen := map[group]int{}
	var first, last []time.Time
	for _, x := range a.Holdings {
		g := group{x.Community, x.Organisation, x.Kind}
		i, there := seen[g]
		if !there {
			i = len(out.Places)
			seen[g] = i
			out.Places = append(out.Places, Place{Name: h.name(x.Community), Organisation: x.Organisation, What: say.kinds[x.Kind]})
			first, last = append(first, x.First), append(last, x.Last)
		}
		if x.First.Before(first[i]) {
			first[i] = x.First
		}
		if x.Last.After(last[i]) {
			last[i] = x.Last
		}
	}
	for i := range out.Places {
		p := &out.Places[i]
		p.First, p.Last = formatDay(first[i]), formatDay(last[i])
		who := p.Name
		if p.Organisation != "" {
			who = fmt.Sprintf(say.organisation, p.Name, p.Organisation)
		}
		p.Text = fmt.Sprintf(say.place, who, p.What, dateIn(language, first[i]), dateIn(language, last[i]))
	}
	if len(out.Places) == 0 {
		out.Intro = say.none
	}
	for _, home := range a.Unanswered {
		out.Notes = append(out.Notes, fmt.Sprintf(say.unanswered, h.name(home)))
	}
	return out
}

func (h *handler) name(home string) string {
	if name := h.o.Name(home); name != "" {
		return name
	}
	return home
}

// dateIn is a day as people write it.
func dateIn(language string, t time.Time) string {
	if language == "en" {
		return t.Format("2 January 2006")
	}
	months := [...]string{"januar", "februar", "mars", "april", "mai", "juni", "juli", "august", "september", "oktober", "november", "desember"}
	return fmt.Sprintf("%d. %s %d", t.Day(), months[t.Month()-1], t.Year())
}
