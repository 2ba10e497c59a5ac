package ebrim

import (
	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// QueryResponse is the answer to a stored query (ITI TF-2 3.18.4.1.3).
type QueryResponse struct {
	Status   Status
	Problems []fault.Problem // that the answer reports
	Objects  []metadata.Object
	Refs     []Ref
	// Defects are what breaks ITI TF-3 4.2 in the objects themselves: they are
	// taken as far as the model can hold them.
	Defects []fault.Problem
}

// Ref is a rim:ObjectRef.
type Ref struct {
	ID   metadata.ID
	Home string // "" when absent
}

// DecodeQueryResponse reads query:AdhocQueryResponse; the scanner stands on its
// start tag and is left on its end tag. Errors are *xmlscan.Error, or *fault.Error
// when it is another element or has no known status.
func DecodeQueryResponse(sc *xmlscan.Scanner) (*QueryResponse, error) {
	return Limits{}.DecodeQueryResponse(sc)
}

// DecodeQueryResponse is the function of this name with limits; Objects does not
// count here, as the answer's size is bounded by the scanner's limits.
func (l Limits) DecodeQueryResponse(sc *xmlscan.Scanner) (*QueryResponse, error) {
	if !sc.Is(xmlscan.Query, "AdhocQueryResponse") {
		return nil, unexpected(sc, "query:AdhocQueryResponse")
	}
	status, err := responseStatus(sc)
	if err != nil {
		return nil, err
	}
	r := newReader(sc, l)
	defer r.free()
	d := answerReader{reader: r, out: &QueryResponse{Status: status}}
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		switch {
		case sc.Is(xmlscan.RS, "RegistryErrorList"):
			d.out.Problems, err = errorList(sc, d.out.Problems)
		case sc.Is(xmlscan.RIM, "RegistryObjectList"):
			err = d.list()
		}
		if err != nil {
			return nil, err
		}
	}
	d.packages()
	d.out.Defects = r.listed()
	return d.out, nil
}

// Objects are what a notification tells of (ITI TF-2 3.53.4.1.2, 3.54.4.1.2).
type Objects struct {
	Objects []metadata.Object
	Refs    []Ref
	// Defects are what breaks ITI TF-3 4.2 in the objects themselves.
	Defects []fault.Problem
}

// DecodeObjects reads the lcm:SubmitObjectsRequest of a notification, in which
// objects stand alone: no SubmissionSet is needed; the scanner stands on its start
// tag and is left on its end tag.
func (l Limits) DecodeObjects(sc *xmlscan.Scanner) (Objects, error) {
	if !sc.Is(xmlscan.LCM, "SubmitObjectsRequest") {
		return Objects{}, unexpected(sc, "lcm:SubmitObjectsRequest")
	}
	r := newReader(sc, l)
	defer r.free()
	d := answerReader{reader: r, out: &QueryResponse{}}
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return Objects{}, err
		}
		if !ok {
			break
		}
		if sc.Is(xmlscan.RIM, "RegistryObjectList") {
			if err := d.list(); err != nil {
				return Objects{}, err
			}
		}
	}
	d.packages()
	return Objects{d.out.Objects, d.out.Refs, r.listed()}, nil
}

// AppendObjects appends lcm:SubmitObjectsRequest with objects, or with references
// to them.
func AppendObjects(b []byte, objects []metadata.Object, refs bool) []byte {
	b = append(b, `<lcm:SubmitObjectsRequest xmlns:lcm="`+lcmNS+`" xmlns="`+rimNS+`"><RegistryObjectList>`...)
	for _, o := range objects {
		if refs {
			b = AppendObjectRef(b, o.ObjectID(), "")
		} else {
			b = AppendObject(b, o)
		}
	}
	return append(b, `</RegistryObjectList></lcm:SubmitObjectsRequest>`...)
}

type answerReader struct {
	*reader
	out     *QueryResponse
	pending []pendingPackage
}

// pendingPackage is a RegistryPackage whose classification may stand beside it. Its
// place in the answer is kept.
type pendingPackage struct {
	raw
	at int
}

func (d *answerReader) list() error {
	sc := d.sc
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return err
		}
		if sc.NS() != xmlscan.RIM {
			d.answer("holds the element " + quote(string(sc.Local())) + ", which is not ebRIM.")
			continue
		}
		if err := d.member(); err != nil {
			return err
		}
	}
}

func (d *answerReader) answer(what string) {
	d.problem(fault.SeverityError, fault.RegistryError, "The answer "+what)
}

func (d *answerReader) member() error {
	mark := d.mark()
	switch local := string(d.sc.Local()); local {
	case "ObjectRef":
		var ref Ref
		if id, ok := d.sc.Attr("id"); ok {
			ref.ID = metadata.ParseID(id)
		}
		ref.Home, _ = d.sc.Attr("home")
		d.out.Refs = append(d.out.Refs, ref)
	case "ExtrinsicObject":
		o, err := d.object("ExtrinsicObject")
		if err != nil {
			return err
		}
		d.out.Objects = append(d.out.Objects, d.entry(&o))
		d.release(mark)
	case "Association":
		o, err := d.object("Association")
		if err != nil {
			return err
		}
		d.out.Objects = append(d.out.Objects, d.association(&o))
		d.release(mark)
	case "RegistryPackage":
		o, err := d.object("RegistryPackage")
		if err != nil {
			return err
		}
		switch isSet, isFolder := d.types(&o); {
		case isSet && !isFolder:
			d.out.Objects = append(d.out.Objects, d.set(&o))
			d.release(mark)
		case isFolder && !isSet:
			d.out.Objects = append(d.out.Objects, d.folder(&o))
			d.release(mark)
		default:
			d.pending = append(d.pending, pendingPackage{o, len(d.out.Objects)})
			d.out.Objects = append(d.out.Objects, nil)
		}
	case "Classification":
		c, err := d.readClass(&raw{slots: span{from: len(d.slots)}})
		if err != nil {
			return err
		}
		d.release(mark)
		d.loose = append(d.loose, c)
	default:
		d.answer("holds the element " + quote(local) + ", which document sharing does not use.")
	}
	return nil
}

// packages settles what was not classified from inside.
func (d *answerReader) packages() {
	if len(d.pending) == 0 {
		return
	}
	d.index()
	for i := range d.pending {
		p := &d.pending[i]
		switch isSet, isFolder := d.types(&p.raw); {
		case isSet && !isFolder:
			d.out.Objects[p.at] = d.set(&p.raw)
		case isFolder && !isSet:
			d.out.Objects[p.at] = d.folder(&p.raw)
		default:
			d.report(&p.raw, "Classification", "does not say whether this is a SubmissionSet or a Folder.")
		}
	}
	known := d.out.Objects[:0]
	for _, o := range d.out.Objects {
		if o != nil {
			known = append(known, o)
		}
	}
	d.out.Objects = known
}
