package registry_test

import (
	"context"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// addSet counts a submission.
func (m *model) addSet(sub *metadata.Submission) (by int) {
	m.sets, m.setIDs = append(m.sets, sub.Set.UniqueID), append(m.setIDs, sub.Set.ID)
	return len(m.setIDs) - 1
}

// taken: a set that is not removed has the uniqueId.
func (m *model) taken(unique string) bool {
	for i := range m.sets {
		if m.sets[i] == unique && m.setIDs[i] != "" {
			return true
		}
	}
	return false
}

// lifeCycle makes one update or removal and gives it to both.
func (h *history) lifeCycle() {
	d := rapid.SampledFrom(h.model.documents).Draw(h.rt, "subject")
	patient := h.patient
	for _, p := range h.patients {
		if d.patient == string(p.CX()) {
			patient = p
		}
	}
	switch rapid.IntRange(0, 3).Draw(h.rt, "operation") {
	case 0, 1:
		h.newVersion(patient, d)
	case 2:
		h.newStatus(patient, d)
	case 3:
		h.removeSubmission(rapid.IntRange(0, len(h.model.setIDs)-1).Draw(h.rt, "removed"))
	}
}

func (h *history) newVersion(p metadatatest.Patient, d *modelDocument) {
	sub := h.gen.Submission(p)
	next := h.revise(sub, d.id, nil)
	if rapid.Bool().Draw(h.rt, "symbolic") {
		sub = symbolic(sub)
	}
	r, err := h.update(sub)
	if d.old {
		if got := strings.Join(sortedCodes(err), " "); got != string(fault.MetadataVersionError) {
			h.rt.Fatalf("an old version was revised: %q", got)
		}
		return
	}
	if err != nil {
		h.rt.Fatal(fault.ProblemsOf(err))
	}
	for submitted, id := range r.IDs {
		if submitted == next || submitted == "D0" {
			next = id
		}
	}
	m, now := h.model, metadata.FormatDTM(h.now)
	by := m.addSet(sub)
	for _, l := range m.links {
		switch {
		case l.from == d.id && !m.document(l.to).old:
			m.links = append(m.links, modelLink{l.kind, next, l.to, by})
		case l.to == d.id && !m.document(l.from).old:
			m.links = append(m.links, modelLink{l.kind, l.from, next, by})
		}
	}
	for _, f := range m.folders {
		for _, member := range slices.Clone(f.members) {
			if member.id == d.id {
				f.members, f.changed = append(f.members, modelMember{next, by}), now
			}
		}
	}
	m.documents = append(m.documents, &modelDocument{
		id: next, patient: d.patient, unique: d.unique, content: d.content, deprecated: d.deprecated, lid: d.lid, version: d.version + 1, by: by,
	})
	d.deprecated, d.old = true, true
}

func (h *history) newStatus(p metadatatest.Patient, d *modelDocument) {
	from, to := approvedURN, deprecatedURN
	if d.deprecated {
		from, to = to, from
	}
	sub := h.gen.Submission(p)
	askFor(sub, metadata.UpdateStatus, d.id, from, to)
	_, err := h.update(sub)
	if d.old {
		if got := strings.Join(sortedCodes(err), " "); got != string(fault.MetadataVersionError) {
			h.rt.Fatalf("the status of an old version was changed: %q", got)
		}
		return
	}
	if err != nil {
		h.rt.Fatal(fault.ProblemsOf(err))
	}
	h.model.addSet(sub)
	d.deprecated = !d.deprecated
}

// removeSubmission removes all that one submission added.
func (h *history) removeSubmission(by int) {
	set := h.model.setIDs[by]
	if set == "" {
		return // removed before
	}
	added := h.addedWith(set)
	err := h.remove(added...)
	if h.model.referredTo(by) {
		if got := strings.Join(sortedCodes(err), " "); got != string(fault.ReferencesExist) {
			h.rt.Fatalf("something that is referred to was removed: %q", got)
		}
		return
	}
	if err != nil {
		h.rt.Fatal(fault.ProblemsOf(err))
	}
	h.model.remove(by)
}

// addedWith are the ids of all that came with a submission set, as the log has it.
func (h *history) addedWith(set metadata.ID) (ids []metadata.ID) {
	for _, p := range h.patients { // it is stored where it was registered
		for ev, err := range h.engine.Events(context.Background(), tenant, storage.PatientStream(p.ID()), 0) {
			if err != nil {
				h.rt.Fatal(err)
			}
			if slices.ContainsFunc(ev.Added, func(a storage.Added) bool { return a.Object.ObjectID() == set }) {
				for _, a := range ev.Added {
					ids = append(ids, a.Object.ObjectID())
				}
			}
		}
	}
	return ids
}

// mergeTwo merges a patient into another, or tries to.
func (h *history) mergeTwo() {
	from := rapid.SampledFrom(h.patients).Draw(h.rt, "subsumed")
	to := rapid.SampledFrom(h.patients).Draw(h.rt, "survivor")
	m, a, b := h.model, string(from.CX()), string(to.CX())
	end := a
	for m.into[end] != "" {
		end = m.into[end]
	}
	err := h.merge(to, from)
	switch {
	case a == b:
		if fault.KindOf(err) != fault.Invalid || err == nil {
			h.rt.Fatalf("merged into itself: %v", err)
		}
	case m.into[b] != "" || m.into[a] != "" && end != b:
		if fault.KindOf(err) != fault.Conflict || err == nil {
			h.rt.Fatalf("merged although one of them is no more: %v", err)
		}
	case err != nil:
		h.rt.Fatal(fault.ProblemsOf(err))
	case m.into[a] == "":
		m.into[a] = b
		for _, d := range m.documents {
			if d.patient == a {
				d.patient = b
			}
		}
		for _, f := range m.folders {
			if f.patient == a {
				f.patient = b
			}
		}
	}
}

// merged: only within each original patient there is an order.
func (h *history) merged(lists ...[]string) {
	if len(h.model.into) > 0 {
		for _, l := range lists {
			slices.Sort(l)
		}
	}
}

// referredTo: another submission's association leads to something of this one.
func (m *model) referredTo(by int) bool {
	of := func(id metadata.ID) bool {
		d, f := m.document(id), m.folder(id)
		return d != nil && d.by == by || f != nil && f.by == by
	}
	for _, l := range m.links {
		if l.by != by && (of(l.from) || of(l.to)) {
			return true
		}
	}
	for _, f := range m.folders {
		for _, member := range f.members {
			if member.by != by && (f.by == by || of(member.id)) {
				return true
			}
		}
	}
	return false
}

func (m *model) remove(by int) {
	var crowned []metadata.ID
	for _, d := range m.documents {
		if d.by == by && !d.old {
			crowned = append(crowned, d.lid)
		}
	}
	m.documents = slices.DeleteFunc(m.documents, func(d *modelDocument) bool { return d.by == by })
	m.folders = slices.DeleteFunc(m.folders, func(f *modelFolder) bool { return f.by == by })
	m.links = slices.DeleteFunc(m.links, func(l modelLink) bool { return l.by == by })
	for _, f := range m.folders {
		f.members = slices.DeleteFunc(f.members, func(member modelMember) bool { return member.by == by })
	}
	for _, lid := range crowned {
		var newest *modelDocument
		for _, d := range m.documents {
			if d.lid == lid && (newest == nil || d.version > newest.version) {
				newest = d
			}
		}
		if newest != nil {
			newest.old = false
		}
	}
	m.setIDs[by] = ""
}
