package cases

import (
	"strconv"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

// registeredAtOnce is how many documents one submission of the set-up has.
const registeredAtOnce = 100

// crowded registers documents for one patient until no LeafClass answer may hold
// them all. It returns the patient and the last document.
func crowded(t *conformance.T) (patient string, last *conformance.Doc) {
	limit := t.QueryLimit()
	patient = t.Patient()
	t.Setup(func() {
		for left := limit + 1; left > 0; left -= registeredAtOnce {
			s := t.NewSubmission(patient)
			for i := range min(left, registeredAtOnce) {
				last = s.Add("trengsel " + strconv.Itoa(i))
			}
			t.Success(t.Register(s))
		}
	})
	return patient, last
}

// QueryLimit are the rules of answers that are larger than the registry gives.
func QueryLimit() []conformance.Case {
	return []conformance.Case{
		{
			ID: "ITI-18/too-many-results", Title: "An answer that is too large is XDSTooManyResults, not a part of it", Section: "ITI TF-3 Table 4.2.4.1-2",
			Mutant: mutant.Accepts(),
			Run: func(t *conformance.T) {
				patient, _ := crowded(t)
				a := t.Query("LeafClass", findDocuments, findParams(patient)...)
				t.Refused(a, "XDSTooManyResults")
				list := conformance.Find(a.Root, "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0", "RegistryObjectList")
				t.Check(list == nil || len(list.ChildElements()) == 0, "the refusal brings objects")
			},
		},
		{
			ID: "ITI-18/too-many-narrowed", Title: "A narrower query about the same patient is answered", Section: "ITI TF-3 Table 4.2.4.1-2",
			Mutant: mutant.OnPath("/registry", getDocuments, mutant.Refuses()),
			Run: func(t *conformance.T) {
				_, last := crowded(t)
				o := t.ObjectsOf(t.Success(t.Query("LeafClass", getDocuments, conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote(last.UniqueID)))))
				t.Check(len(o.Entries) == 1, "found %s, expected 1 entry", o)
			},
		},
	}
}
