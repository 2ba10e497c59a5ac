package sharing

import (
	"context"
	"hash/maphash"
	"sync"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
)

// offers registers the on-demand entries that every patient shall have. One
// process owns the data, so that locks of its own keep two submissions from
// registering the same entry twice.
type offers struct {
	s     *Sharing
	seed  maphash.Seed
	locks [64]sync.Mutex

	mu   sync.Mutex
	have map[uint64]bool // patients that have theirs, hashed
}

// maxOffers bounds what is remembered; what is forgotten is looked up again.
const maxOffers = 1 << 20

func newOffers(s *Sharing) *offers {
	return &offers{s: s, seed: maphash.MakeSeed(), have: map[uint64]bool{}}
}

// known tells whether the patient has been seen to have everything, or remembers
// it.
func (o *offers) known(patient uint64, remember bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if remember {
		if len(o.have) >= maxOffers {
			clear(o.have)
		}
		o.have[patient] = true
	}
	return o.have[patient]
}

// after offers on-demand entries to the patient of an accepted submission. Failure
// is the operator's to know, not the sender's: the next submission tries again.
func (o *offers) after(ctx context.Context, sub *metadata.Submission) {
	s := o.s
	if s.onDemand.Offer == nil || len(sub.Entries) == 0 {
		return
	}
	patient, err := sub.Set.PatientID.Patient()
	if err != nil {
		return // it would not have been accepted
	}
	key := maphash.Comparable(o.seed, patient)
	if o.known(key, false) {
		return
	}
	lock := &o.locks[key%uint64(len(o.locks))]
	lock.Lock()
	defer lock.Unlock()
	if o.known(key, false) {
		return
	}
	ctx, cancel := s.detached(ctx)
	defer cancel()
	if err := o.register(ctx, sub); err != nil {
		s.logger.WarnContext(ctx, "the on-demand documents of a patient could not be registered; the next submission will try again", "error", err)
		return
	}
	o.known(key, true)
}

// register registers what the patient does not have yet, as the system itself.
func (o *offers) register(ctx context.Context, sub *metadata.Submission) error {
	s := o.s
	wanted := s.onDemand.Offer(sub.Entries[0])
	q := metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: sub.Set.PatientID, Filter: metadata.DocumentFilter{
		Status: []metadata.Status{metadata.Approved, metadata.Deprecated}, Kinds: []metadata.EntryKind{metadata.OnDemand},
	}}}
	var missing []*metadata.DocumentEntry
	had := make(map[string]bool)
	for p, err := range s.registry.Find(ctx, s.tenant, q, access.Restriction{}) {
		if err != nil {
			return err
		}
		if e, ok := p.Object.(*metadata.DocumentEntry); ok && e.RepositoryID == s.repository.ID() {
			had[offered(e)] = true
		}
	}
	for _, e := range wanted {
		if !had[offered(e)] {
			missing = append(missing, e)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err := s.RegisterOnDemand(ctx, access.Caller{Door: "system", Loopback: true}, Register{Submission: offer(s.repository.ID(), missing, metadata.FormatDTM(s.clock().UTC()))})
	return offerFailed(err)
}

// offered is what two entries of one summary have in common.
func offered(e *metadata.DocumentEntry) string {
	return e.TypeCode.Ref().Canonical().Value + "^^" + e.TypeCode.Ref().Canonical().Scheme + " " + e.MimeType
}

// offer completes entries and puts them into a submission.
func offer(repository string, entries []*metadata.DocumentEntry, now metadata.DTM) *metadata.Submission {
	sub := &metadata.Submission{Entries: entries, Set: metadata.SubmissionSet{
		ID: metadata.NewUUID().ID(), UniqueID: oidOf(metadata.NewUUID()), SourceID: repository, SubmissionTime: now,
		PatientID: entries[0].PatientID, ContentType: entries[0].TypeCode, Title: entries[0].Title,
	}}
	for _, e := range entries {
		e.ID, e.UniqueID, e.RepositoryID = metadata.NewUUID().ID(), oidOf(metadata.NewUUID()), repository
		sub.Associations = append(sub.Associations, &metadata.Association{
			ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: sub.Set.ID, Target: e.ID, Membership: metadata.Original,
		})
	}
	return sub
}

// offerFailed keeps what a log must not quote out of the error: only codes stay.
func offerFailed(err error) error {
	problems := fault.ProblemsOf(err)
	if len(problems) == 0 {
		return err
	}
	return &fault.Error{Op: "sharing.offer", Kind: fault.KindOf(err), Problems: []fault.Problem{{Code: problems[0].Code, Context: "refused"}}}
}
