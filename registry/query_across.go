package registry

import (
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// across answers the queries of ITI-51 (ITI TF-2 3.51.4.1.2). Named patients are
// searched one after another, as ITI-18 would. When nobody is named everything is
// read, so the question must be bounded in time, and the answer is shorter.
func (a *answer) across(patients []metadata.CX, name string, when metadata.TimeRange, f storage.Filter) error {
	if n := len(patients); n > a.limits.AcrossPatients {
		return fault.New(fault.TooLarge, "registry.Find", fault.TooManyResults,
			"The query names %d patients; the limit multi-patient.patients is %d. Ask in several queries.", n, a.limits.AcrossPatients)
	}
	if len(patients) == 0 {
		return a.everybody(name, when, f)
	}
	seen := make(map[storage.Stream]bool, len(patients))
	for _, cx := range patients {
		s, err := a.stream(cx)
		if err != nil {
			return err
		}
		if seen[s] { // the same id in another spelling
			continue
		}
		seen[s] = true
		if err := a.byPatient(cx, f); err != nil || a.ended {
			return err
		}
	}
	return nil
}

// everybody reads the whole tenant.
func (a *answer) everybody(name string, when metadata.TimeRange, f storage.Filter) error {
	if when.From == "" || when.To == "" {
		return fault.New(fault.Invalid, "registry.Find", fault.StoredQueryMissingParam,
			"A query that names no patient needs %sFrom and %sTo.", name, name)
	}
	from, err := when.From.Time()
	if err != nil {
		return broken("registry.Find", err)
	}
	to, err := when.To.Time()
	if err != nil {
		return broken("registry.Find", err)
	}
	if to.Sub(from) > a.limits.AcrossRange {
		return fault.New(fault.Invalid, "registry.Find", fault.StoredQueryParamNumber,
			"The query names no patient, and %sFrom and %sTo are further apart than the limit multi-patient.range, %v. Ask for a shorter time.", name, name, a.limits.AcrossRange)
	}
	if a.limits.AcrossObjects < a.limit {
		a.limit, a.named = a.limits.AcrossObjects, "multi-patient.objects"
	}
	for p, err := range a.index.Scan(a.ctx, a.tenant, f, a.hide) {
		if err != nil {
			return err
		}
		if !a.visible(p) {
			continue
		}
		if more, err := a.show(p); !more {
			return err
		}
	}
	return nil
}
