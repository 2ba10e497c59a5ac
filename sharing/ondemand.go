package sharing

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"
	"slices"

	"samdok/access"
	"samdok/access/guard"
	"samdok/fault"
	"samdok/internal/spool"
	"samdok/metadata"
	"samdok/ondemand"
	"samdok/storage"
)

// OnDemand says which documents are made when they are retrieved. The zero value
// makes none.
type OnDemand struct {
	// Generator makes the documents of an on-demand entry of this repository; nil:
	// nothing does.
	Generator func(*metadata.DocumentEntry) ondemand.Generator
	// Documents "on-demand.documents" is how many documents one is made of at most;
	// 0: 5,000.
	Documents int
	// Concurrent "on-demand.concurrent" is how many retrievals make documents at the
	// same time; others wait. 0: 4.
	Concurrent int
	// Snapshots keeps what was made as a stable document (Persistence of Retrieved
	// Documents Option, ITI TF-1 10.2.8).
	Snapshots bool
	// Offer makes the on-demand entries that a patient shall have, of a document of
	// that patient that was registered; nil: none. They are registered unless the
	// patient has one with the same typeCode and mimeType.
	Offer func(*metadata.DocumentEntry) []*metadata.DocumentEntry
	// Spool is where documents wait that are made and not sent yet.
	Spool spool.Options
}

func (o OnDemand) withDefaults() OnDemand {
	if o.Generator == nil {
		o.Generator = func(*metadata.DocumentEntry) ondemand.Generator { return nil }
	}
	if o.Documents <= 0 {
		o.Documents = 5000
	}
	if o.Concurrent <= 0 {
		o.Concurrent = 4
	}
	return o
}

// making makes the on-demand documents of one retrieval.
type making struct {
	s         *Sharing
	pass      *guard.Pass
	materials map[metadata.CX]*material
	held      int64 // bytes that wait
	turn      bool  // one of s.making is ours
}

// material is what may be shown of one patient.
type material struct {
	documents   []ondemand.Document
	items       []access.Item
	codes       []metadata.Code // confidentiality, each once
	start, stop metadata.DTM    // of the care that the documents are about
	recorded    bool
	denied      int // documents that were wanted and may not be seen
}

// done lets others make documents.
func (m *making) done() {
	if m.turn {
		<-m.s.making
		m.turn = false
	}
}

// document makes, or finds, the document of an on-demand entry (ITI TF-2
// 3.43.4.2.2). The items are what went into it, and what was registered.
func (m *making) document(ctx context.Context, r metadata.DocumentRequest, v entry) (Document, []access.Item, error) {
	if !m.turn {
		select {
		case m.s.making <- struct{}{}:
			m.turn = true
		case <-ctx.Done():
			return Document{}, nil, fault.Wrap(ctx.Err(), fault.Canceled, "sharing.making", fault.RepositoryError,
				"The request was given up while it waited for others' documents to be made.")
		}
	}
	e := v.placed.Object.(*metadata.DocumentEntry)
	if e.Kind == metadata.Stable {
		return m.assembled(ctx, r, v)
	}
	mat, err := m.material(ctx, e.PatientID)
	if err != nil {
		return Document{}, nil, err
	}
	d, items := Document{Request: r, MimeType: e.MimeType}, []access.Item{v.item}
	if m.s.onDemand.Snapshots && e.Status == metadata.Approved { // others have no snapshots (rule 15)
		kept, err := m.snapshot(ctx, &d, v, mat)
		if err != nil {
			return Document{}, nil, err
		}
		items = append(items, kept...)
	} else {
		d.NewID.UniqueID = oidOf(metadata.NewUUID())
		sp, err := m.generate(ctx, v, mat, d.NewID.UniqueID)
		if err != nil {
			return Document{}, nil, err
		}
		d.Size, d.Body = sp.Size(), spooled{sp.Reader(), sp}
	}
	if !mat.recorded { // several documents of one patient are made of the same
		mat.recorded = true
		items = append(items, mat.items...)
	}
	return d, items, nil
}

// generate makes a document. It waits in a spool, because its size is told before
// its first byte.
func (m *making) generate(ctx context.Context, v entry, mat *material, id string) (*spool.Spool, error) {
	sp := spool.New(m.s.onDemand.Spool.After(m.held))
	err := v.generator.Generate(ctx, sp, &ondemand.Input{
		Entry: v.placed.Object.(*metadata.DocumentEntry), Documents: mat.documents,
		UniqueID: id, Made: m.pass.Request().Time.UTC(), Repository: m.s.repository.ID(),
	})
	if err != nil {
		sp.Close()
		return nil, failedToMake(ctx, err)
	}
	m.held += sp.Size()
	return sp, nil
}

func failedToMake(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.Wrap(err, fault.Canceled, "sharing.making", fault.RepositoryError, "The request was given up while the document was made.")
	}
	return fault.Wrap(err, fault.Internal, "sharing.making", fault.RepositoryError, "The document could not be made. The operator's log tells why; ask again later.")
}

// spooled is the body of a document that waits.
type spooled struct {
	io.Reader
	io.Closer
}

// oidOf is a UUID as an OID under 2.25 (ITU-T X.667).
func oidOf(u metadata.UUID) string { return "2.25." + new(big.Int).SetBytes(u[:]).String() }

// material finds the documents that the caller may see: approved, stable, and no
// snapshots of on-demand documents, which say again what others say.
func (m *making) material(ctx context.Context, patient metadata.CX) (*material, error) {
	if mat := m.materials[patient]; mat != nil {
		return mat, nil
	}
	mat, err := m.gather(ctx, patient, func(*metadata.DocumentEntry) bool { return true }, "")
	if err != nil {
		return nil, err
	}
	if m.materials == nil {
		m.materials = make(map[metadata.CX]*material)
	}
	m.materials[patient] = mat
	return mat, nil
}

// gather finds the documents that are wanted, up to the entry until ("": all), and
// leaves out what the caller may not see.
func (m *making) gather(ctx context.Context, patient metadata.CX, wanted func(*metadata.DocumentEntry) bool, until metadata.ID) (*material, error) {
	snapshots, err := m.snapshots(ctx, patient)
	if err != nil {
		return nil, err
	}
	mat := &material{}
	var ids patients
	var batch []storage.Placed
	var items []access.Item
	flush := func() error {
		decisions, err := m.pass.Decide(ctx, items)
		if err != nil {
			return err
		}
		for i := range decisions {
			if decisions[i].Effect != access.Allow {
				mat.denied++
				continue
			}
			mat.add(batch[i].Object.(*metadata.DocumentEntry), items[i])
		}
		batch, items = batch[:0], items[:0]
		if most := m.s.onDemand.Documents; len(mat.items) > most {
			return fault.New(fault.TooLarge, "sharing.material", fault.RepositoryOutOfResources,
				"The document would be made of more than %d documents, the limit on-demand.documents of this server. Search for the documents themselves.", most)
		}
		return nil
	}
	q := &metadata.FindDocuments{Patient: patient, Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}, Kinds: []metadata.EntryKind{metadata.Stable}}}
	for p, err := range m.s.registry.Find(ctx, m.s.tenant, metadata.StoredQuery{Query: q}, m.pass.Restriction()) {
		if err != nil {
			return nil, err
		}
		e := p.Object.(*metadata.DocumentEntry)
		if e.ID == until {
			break
		}
		if snapshots[e.ID] || !wanted(e) {
			continue
		}
		batch, items = append(batch, p), append(items, ids.placed(p))
		if len(batch) == findBatch {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return mat, flush()
}

func (mat *material) add(e *metadata.DocumentEntry, item access.Item) {
	mat.documents = append(mat.documents, ondemand.Describe(e))
	mat.items = append(mat.items, item)
	mat.codes = withCodes(mat.codes, e.Confidential)
	start, stop := e.ServiceStart, e.ServiceStop
	if start != "" && (mat.start == "" || start.Compare(mat.start) < 0) {
		mat.start = start
	}
	if stop != "" && stop.Compare(mat.stop) > 0 {
		mat.stop = stop
	}
}

// withCodes adds codes that are not there yet, without the ids of the
// classifications that carried them.
func withCodes(to, codes []metadata.Code) []metadata.Code {
	for _, c := range codes {
		if !slices.ContainsFunc(to, func(had metadata.Code) bool { return had.Ref().Same(c.Ref()) }) {
			c.ID, c.Display = metadata.UUID{}, slices.Clone(c.Display)
			to = append(to, c)
		}
	}
	return to
}

// snapshots are the snapshots of all on-demand entries of a patient.
func (m *making) snapshots(ctx context.Context, patient metadata.CX) (map[metadata.ID]bool, error) {
	both := []metadata.Status{metadata.Approved, metadata.Deprecated}
	q := metadata.StoredQuery{Level: 2, Query: &metadata.FindDocuments{Patient: patient,
		Filter: metadata.DocumentFilter{Status: both, Kinds: []metadata.EntryKind{metadata.OnDemand}}}}
	var origins []metadata.ID
	for p, err := range m.s.registry.Find(ctx, m.s.tenant, q, access.Restriction{}) {
		if err != nil {
			return nil, err
		}
		origins = append(origins, p.Object.ObjectID())
	}
	found := make(map[metadata.ID]bool)
	for part := range slices.Chunk(origins, findBatch) {
		state, err := m.s.index.Lookup(ctx, m.s.tenant, storage.Refs{AssociationsOf: part})
		if err != nil {
			return nil, lookupFailed(err)
		}
		for _, p := range state.Associations {
			if a, ok := p.Object.(*metadata.Association); ok && a.Type == metadata.IsSnapshotOf {
				found[a.Source] = true
			}
		}
	}
	return found, nil
}

// print is what a snapshot is recognised by: what made it, for which entry, of
// which documents. A registered entry never changes; a new version is another one.
func (mat *material) print(v entry) [32]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", v.generator.Name(), v.placed.Object.ObjectID())
	for i := range mat.documents {
		fmt.Fprintf(h, "%q\n", mat.documents[i].ID)
	}
	return [32]byte(h.Sum(nil))
}
