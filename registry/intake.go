package registry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/rules"
	"samdok/storage"
)

// intake is one submission on its way in. Once its ids are assigned it changes
// no more until it is registered, so that it can be tried again.
type intake struct {
	Submission
	sub    *metadata.Submission
	stream storage.Stream // zero when the set's patient id cannot be read
	ids    map[metadata.ID]metadata.ID
	// names are the submitted symbolic ids by registered id: problems speak of
	// ids that the sender knows.
	names map[metadata.ID]metadata.ID
	local map[metadata.ID]metadata.Object
	given []metadata.ID // UUIDs that the sender assigned
	// repeated: the repository holds one of the documents already.
	repeated bool
	// listed are the targets of HasMember associations of the submission set.
	listed map[metadata.ID]bool
	// Problems that need no state: before rules 4 and 5, after these, and after 7.
	before, after, last []fault.Problem
}

func newIntake(s Submission) *intake {
	sub := s.Submission
	n := 1 + len(sub.Entries) + len(sub.Folders) + len(sub.Associations)
	return &intake{
		Submission: s, sub: sub, before: slices.Clip(s.Problems),
		ids:    make(map[metadata.ID]metadata.ID, n),
		names:  make(map[metadata.ID]metadata.ID, n),
		local:  make(map[metadata.ID]metadata.Object, n),
		listed: make(map[metadata.ID]bool, n),
	}
}

// checkAlone applies the rules that need no registered object and assigns ids.
// What is wrong goes to in.before, in.after and in.last.
func (r *Registry) checkAlone(in *intake) {
	actor := rules.Repository
	if in.OnDemand {
		actor = rules.OnDemandSource
	}
	in.before = append(in.before, rules.Check(in.sub, actor)...) // 1, 2, 9
	if r.profile != nil {                                        // while objects have the ids that the sender knows
		in.after = append(in.after, r.profile.Validate(in.sub)...) // 6
	}
	in.assign()
	in.before = append(in.before, in.duplicates()...) // 3
	patient, err := in.sub.Set.PatientID.Patient()
	if err != nil {
		if !fault.HasErrors(in.before) {
			in.before = append(in.before, problem(fault.RegistryMetadataError, "The submission set's patientId cannot be read: %v.", err))
		}
		return
	}
	in.stream = storage.PatientStream(patient)
	in.last = append(in.last, in.patients(patient)...) // 8
}

// unknown is the problem of a patient who is not known (rule 7).
func (in *intake) unknown() fault.Problem {
	return fault.Problem{Code: fault.UnknownPatientID, Context: string(in.sub.Set.PatientID)}
}

// assign gives every symbolic id one new UUID and puts it wherever the id stands
// (ITI TF-2 3.42.4.1.3.7). Ids that name nothing in the submission stay as they
// are.
func (in *intake) assign() {
	set := &in.sub.Set
	set.ID = in.register(set.ID, set)
	for _, e := range in.sub.Entries {
		e.ID = in.register(e.ID, e)
	}
	for _, f := range in.sub.Folders {
		f.ID = in.register(f.ID, f)
	}
	for _, a := range in.sub.Associations {
		a.ID = in.register(a.ID, a)
	}
	for _, a := range in.sub.Associations {
		a.Source, a.Target = in.registered(a.Source), in.registered(a.Target)
		if a.Type == metadata.HasMember && a.Source == set.ID {
			in.listed[a.Target] = true
		}
	}
}

// sound tells whether nothing is wrong so far and claims alone can find what
// identifiers are taken.
func (in *intake) sound() bool {
	return !fault.HasErrors(in.before) && !fault.HasErrors(in.after) && !fault.HasErrors(in.last)
}

// register returns the registered id of an object of the submission. (That two
// objects share an id, or have none, is found by rules.Check.)
func (in *intake) register(submitted metadata.ID, o metadata.Object) metadata.ID {
	id := submitted
	if submitted.IsSymbolic() {
		id = metadata.NewUUID().ID()
		in.names[id] = submitted
	} else {
		in.given = append(in.given, id)
	}
	in.ids[submitted] = id
	in.local[id] = o
	return id
}

func (in *intake) registered(submitted metadata.ID) metadata.ID {
	if id, ok := in.ids[submitted]; ok {
		return id
	}
	return submitted
}

// name is the id as the sender knows it.
func (in *intake) name(id metadata.ID) metadata.ID {
	if submitted, ok := in.names[id]; ok {
		return submitted
	}
	return id
}

func problem(code fault.Code, format string, args ...any) fault.Problem {
	return fault.Problem{Code: code, Context: fmt.Sprintf(format, args...)}
}

// onDemandContent is what the uniqueId of an on-demand entry claims: it is shared
// with other on-demand entries and never names bytes (ITI TF-2 3.61.4.1.3).
const onDemandContent = "on-demand"

// contentOf is a document's hash and size in a form that can be compared; "" when
// one of them is not known.
func contentOf(e *metadata.DocumentEntry) string {
	if e.Kind == metadata.OnDemand {
		return onDemandContent
	}
	if e.Hash == "" || !e.Size.Given {
		return ""
	}
	return strings.ToLower(e.Hash) + " " + strconv.FormatInt(e.Size.Octets, 10)
}
