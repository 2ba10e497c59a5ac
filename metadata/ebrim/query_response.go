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
	// taken as far as the model can hold them. Warnings when only a part of an object
	// is lost, errors when an object is.
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
	var objects []metadata.Object
	var refs []Ref
	r, err := l.StreamQueryResponse(sc, func(o metadata.Object) error {
		objects = append(objects, o)
		return nil
	}, func(ref Ref) error {
		refs = append(refs, ref)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.Objects, r.Refs = objects, refs
	return r, nil
}

// StreamQueryResponse is DecodeQueryResponse for answers of any length: each
// object goes to emit and each reference to ref as soon as it is read, and none is
// kept, so that the memory it takes does not grow with the answer. Their errors end
// it and are returned as they are. Packages that are classified beside themselves
// come last; an answer has no order (ITI TF-2 3.18.4.1.3).
func (l Limits) StreamQueryResponse(sc *xmlscan.Scanner, emit func(metadata.Object) error, ref func(Ref) error) (*QueryResponse, error) {
	if !sc.Is(xmlscan.Query, "AdhocQueryResponse") {
		return nil, unexpected(sc, "query:AdhocQueryResponse")
	}
	status, err := responseStatus(sc)
	if err != nil {
		return nil, err
	}
	d := answerReader{reader: newReader(sc, l), out: &QueryResponse{Status: status}, emit: emit, ref: ref}
	d.lenient = true
	return d.read()
}

// maxPending bounds the packages that wait for a classification beside them.
const maxPending = 10_000

type answerReader struct {
	*reader
	out     *QueryResponse
	emit    func(metadata.Object) error
	ref     func(Ref) error
	pending []raw // packages whose classification may stand beside them; they come last
}

// read takes everything inside the response.
func (d *answerReader) read() (*QueryResponse, error) {
	sc := d.sc
	defer d.free()
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
	if err := d.packages(); err != nil {
		return nil, err
	}
	d.out.Defects = d.listed()
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
	var found Objects
	d := answerReader{reader: r, out: &QueryResponse{}, emit: func(o metadata.Object) error {
		found.Objects = append(found.Objects, o)
		return nil
	}, ref: func(ref Ref) error {
		found.Refs = append(found.Refs, ref)
		return nil
	}}
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
	if err := d.packages(); err != nil {
		return Objects{}, err
	}
	found.Defects = r.listed()
	return found, nil
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
		if sc.Depth() == depth {
			sc.Forget()
		}
	}
}

func (d *answerReader) answer(what string) {
	d.problem(fault.SeverityError, fault.RegistryError, "The answer "+what)
}

func (d *answerReader) member() error {
	mark := d.mark()
	var o raw // one for all cases: this stands on the stack of each goroutine that reads an answer
	switch local := string(d.sc.Local()); local {
	case "ObjectRef":
		var ref Ref
		if id, ok := d.sc.Attr("id"); ok {
			ref.ID = metadata.ParseID(id)
		}
		home, _ := d.sc.Attr("home")
		ref.Home = metadata.ParseHome(home)
		if err := d.sc.Skip(); err != nil {
			return err
		}
		return d.ref(ref)
	case "ExtrinsicObject":
		if err := d.object(&o, "ExtrinsicObject"); err != nil {
			return err
		}
		found := d.entry(&o)
		d.release(mark)
		return d.emit(found)
	case "Association":
		if err := d.object(&o, "Association"); err != nil {
			return err
		}
		found := d.association(&o)
		d.release(mark)
		return d.emit(found)
	case "RegistryPackage":
		if err := d.object(&o, "RegistryPackage"); err != nil {
			return err
		}
		switch isSet, isFolder := d.types(&o); {
		case isSet && !isFolder:
			found := d.set(&o)
			d.release(mark)
			return d.emit(found)
		case isFolder && !isSet:
			found := d.folder(&o)
			d.release(mark)
			return d.emit(found)
		default:
			if len(d.pending) == maxPending {
				return fault.New(fault.TooLarge, "ebrim.QueryResponse", fault.RegistryError, "The answer holds more than %d packages without a classification inside.", maxPending)
			}
			d.pending = append(d.pending, o)
		}
	case "Classification":
		o.slots.from = len(d.slots)
		var c rawClass
		if err := d.readClass(&o, &c); err != nil {
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
func (d *answerReader) packages() error {
	if len(d.pending) == 0 {
		return nil
	}
	d.index()
	for i := range d.pending {
		p := &d.pending[i]
		var err error
		switch isSet, isFolder := d.types(p); {
		case isSet && !isFolder:
			err = d.emit(d.set(p))
		case isFolder && !isSet:
			err = d.emit(d.folder(p))
		default:
			d.answer("holds the RegistryPackage " + quote(string(p.id)) + ", which does not say whether it is a SubmissionSet or a Folder.")
		}
		if err != nil {
			return err
		}
	}
	return nil
}
